import type { Command } from 'commander';
import type { RegistryPlace } from '../cluster/profile.ts';
import { homeId } from '../client/home.ts';
import { awayStudies } from '../executors/kubernetes/awayStudies.ts';
import { nodeFiles } from '../system/nodeFiles.ts';
import { leftoversOf, type KnownStudies, type Leftover, removeLeftovers } from '../clusters/cleanCluster.ts';
import { registriesOf, registryOfCode } from '../preflight/cluster/clusterImages.ts';
import { HpoError } from '../protocol/errors.ts';
import { plural } from '../protocol/format.ts';
import { openChosen } from './clusterOpen.ts';
import type { CommandLine } from './commandLine.ts';
import { CodeImages, imagesOf } from '../registry/codeImages.ts';
import { formatTable } from './table.ts';

/** In a registry. */
interface RemovedImage {
  readonly kind: 'Image';
  readonly name: string;
  readonly reason: string;
}

interface CleanOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function cleanClusterCommand(cluster: Command, line: CommandLine): void {
  cluster
    .command('clean [name]')
    .description(
      'remove from a cluster what no study needs any more: Jobs that are over, and what is left of studies that are gone, also in its registry',
    )
    .option('--dry-run', 'only say what would be removed')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON')
    .action((name: string | undefined, options: CleanOptions) => clean(line, name, options));
}

async function clean(line: CommandLine, name: string | undefined, options: CleanOptions): Promise<void> {
  const { dryRun = false, yes = false, json = false } = options;
  const { cluster: opened, profile } = await openChosen(line, name, yes);
  await using cluster = opened;
  const homeMark = homeId(line.home);
  const found = await leftoversOf(cluster, homeMark, () => knownStudies(line), Date.now());
  const objects = dryRun ? found : await removeLeftovers(cluster, found);
  const images = profile.registry === null ? [] : await cleanImages(line, profile.registry, dryRun);
  const removed = [...objects, ...images];
  if (json) line.printJson({ name: profile.name, dryRun, removed });
  else for (const text of leftoverText(removed, dryRun)) line.print(text);
}

/** Code of studies that are gone, in the cluster's registry. What keeps one from being removed is said, and keeps nothing else. */
async function cleanImages(line: CommandLine, place: RegistryPlace, isDry: boolean): Promise<readonly RemovedImage[]> {
  const images = new CodeImages(nodeFiles, line.home, registryOfCode(registriesOf(process.env)));
  const client = await line.localAgent();
  const { studies } = await client.request('study/list', {});
  const ofCluster = studies.filter(({ executor }) => executor === 'kubernetes');
  const views = await Promise.all(ofCluster.map(({ studyId }) => client.view(studyId, { withoutCurves: true })));
  const unused = (await images.unused(imagesOf(views), Date.now())).filter(({ name }) => name.startsWith(`${place.push}/`));
  const removed: RemovedImage[] = [];
  for (const image of unused) {
    try {
      if (isDry || (await images.remove(image)))
        removed.push({ kind: 'Image', name: image.name, reason: 'code that no study has any more' });
    } catch (error) {
      if (!(error instanceof HpoError)) throw error;
      line.note(`${line.style('yellow', 'note', line.stderr)} ${error.code} ${error.message}: ${error.next}`);
    }
  }
  return removed;
}

export function leftoverText(leftovers: readonly (Leftover | RemovedImage)[], isDry: boolean): string[] {
  if (leftovers.length === 0) return ['nothing to remove'];
  const rows = leftovers.map(({ kind, name, reason }) => [isDry ? 'would remove' : 'removed', kind, name, reason]);
  return [formatTable(rows), `${isDry ? 'would be removed' : 'removed'}: ${plural(leftovers.length, 'object')}`];
}

/** Of the agent of this home, which knows all studies of its mark that are not deleted; whichever agent other commands are for. */
async function knownStudies(line: CommandLine): Promise<KnownStudies> {
  const client = await line.localAgent();
  const { studies } = await client.request('study/list', {});
  const live = new Set<string>();
  for (const { studyId, executor, state } of studies) {
    if (executor !== 'kubernetes' || state === 'ended') continue;
    const { trials } = await client.view(studyId, { withoutCurves: true });
    for (const { number, attempts } of trials) {
      const last = attempts.at(-1);
      if (last !== undefined && last.state !== 'ended') live.add(`${studyId}/${number}/${last.attempt}`);
    }
  }
  return { all: new Set(studies.map(({ studyId }) => studyId)), live, away: await awayStudies(nodeFiles, line.home) };
}
