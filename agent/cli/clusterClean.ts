import type { Command } from 'commander';
import { homeId } from '../client/home.ts';
import { awayStudies } from '../executors/kubernetes/awayStudies.ts';
import { nodeFiles } from '../system/nodeFiles.ts';
import { leftoversOf, type KnownStudies, type Leftover, removeLeftovers } from '../clusters/cleanCluster.ts';
import { plural } from '../protocol/format.ts';
import { openChosen } from './clusterOpen.ts';
import type { CommandLine } from './commandLine.ts';
import { formatTable } from './table.ts';

interface CleanOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function cleanClusterCommand(cluster: Command, line: CommandLine): void {
  cluster
    .command('clean [name]')
    .description(
      'remove from a cluster what no study needs any more: Jobs that are over, and what is left of studies that are gone',
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
  const removed = dryRun ? found : await removeLeftovers(cluster, found);
  if (json) line.printJson({ name: profile.name, dryRun, removed });
  else for (const text of leftoverText(removed, dryRun)) line.print(text);
}

export function leftoverText(leftovers: readonly Leftover[], isDry: boolean): string[] {
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
