import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { homeId } from '../client/home.ts';
import { readKubeconfig, readProfiles, usualKubeconfig } from '../cluster/index.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { type ClusterFile, readClusterFile } from '../clusters/clusterFile.ts';
import { createCluster, planCluster, type PlannedCluster, profileOf, registryHost } from '../clusters/createCluster.ts';
import { wireOf, yamlOf } from '../clusters/manifests.ts';
import { createCommands, placeOf, shownCommand, type ToolCommand, toolRemarks } from '../clusters/tools.ts';
import { registryCredentials } from '../engine/registryCredentials.ts';
import { HpoError } from '../protocol/errors.ts';
import { plural } from '../protocol/format.ts';
import { agree } from './clusterConfirm.ts';
import { openCluster, saveProfile } from './clusterOpen.ts';
import { kubeconfigOf, requireTool, runTool } from './clusterTools.ts';
import type { CommandLine } from './commandLine.ts';
import { formatTable } from './table.ts';

interface CreateOptions {
  readonly file?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function createCommand(cluster: Command, line: CommandLine): void {
  cluster
    .command('create')
    .description('make what studies need on a cluster, or the cluster itself, as a cluster.yml says')
    .option('-f, --file <file>', 'cluster.yml')
    .option('--dry-run', 'print all that would be made, for kubectl apply -f -')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON')
    .action((options: CreateOptions) => create(line, options));
}

async function create(
  line: CommandLine,
  { file: path, dryRun = false, yes = false, json = false }: CreateOptions,
): Promise<void> {
  if (path === undefined)
    throw new HpoError('HPO-2490', 'no cluster.yml was named', 'hpo cluster create -f cluster.yml', { exitCode: 2 });
  const file = readClusterFile(await textOf(path), path);
  const mark = homeId(line.home);
  const host = registryHost(file);
  const planned = planCluster(file, mark, host === null ? null : await registryCredentials(host));
  const kubeconfig = kubeconfigOf(line.home, file.name);
  const commands = file.make === undefined ? [] : createCommands(file.make.with, { ...file.make, name: file.name }, kubeconfig);
  const remarks = file.make === undefined ? [] : toolRemarks(file.make.with, { ...file.make, name: file.name });
  if (dryRun) {
    showPlan(line, { ...planned, remarks: [...remarks, ...planned.remarks] }, commands, json);
    return;
  }
  const known = readProfiles(line.home).profiles.find(({ name }) => name === file.name);
  const first = known === undefined ? newProfile(file, planned, kubeconfig) : sameAgain(known, file, planned);
  if (file.make !== undefined && (known === undefined || (known.made?.objects.length ?? 0) === 0)) {
    const name = line.style('bold', file.name, line.stderr);
    if (known !== undefined && (await answers(line, first, kubeconfig, yes))) {
      line.note(`${name} is there: ${file.make.with} has made it before`);
    } else {
      requireTool(file.make.with);
      line.note(`${name} is made by ${file.make.with}:`);
      for (const remark of remarks) line.note(`  ${remark}`);
      await runTool(line, commands, yes, () => saveProfile(line, first, false));
    }
  }
  const place = file.make === undefined ? first : { ...first, context: currentContext([kubeconfig]) };
  const opened = await openCluster(line, place, yes);
  await using cluster = opened.cluster;
  const { namespace, server } = cluster.place;
  line.note(formatTable(planned.manifests.map(({ kind, name }) => ['', kind, name])));
  for (const remark of planned.remarks) line.note(`  ${remark}`);
  await agree(
    `Make ${planned.manifests.length === 1 ? 'this' : `these ${planned.manifests.length}`} in the namespace ${namespace} of ${place.context} (${server})?`,
    yes,
  );
  const { profile, applied } = await createCluster(cluster, planned, opened.profile, mark, (made) =>
    saveProfile(line, made, false),
  );
  saveProfile(line, profile, true);
  if (json) {
    line.printJson({ name: profile.name, context: profile.context, namespace, objects: applied });
    return;
  }
  line.print(formatTable(applied.map(({ kind, name, result }) => [result, kind, name])));
  const kept = applied.filter(({ result }) => result === 'kept');
  if (kept.length > 0) line.note(`the namespace ${namespace} was there and is not changed, nor removed by hpo cluster destroy`);
  line.print(
    `${line.style('bold', profile.name)} is in use: ${plural(applied.length, 'object')} in ${namespace} of ${profile.context}`,
  );
  line.note('try it: hpo cluster test; run a study there: hpo run -f hpo.yml --on kubernetes');
}

/** Whether a tool that was run before has made a cluster that is there, whatever came after that. */
async function answers(line: CommandLine, profile: ClusterProfile, kubeconfig: string, yes: boolean): Promise<boolean> {
  if (!existsSync(kubeconfig)) return false;
  try {
    const { cluster: opened } = await openCluster(line, { ...profile, context: currentContext([kubeconfig]) }, yes);
    await using cluster = opened;
    await cluster.version();
    return true;
  } catch (error) {
    // What it left is broken, or nobody answers there: the tool says what it makes of that.
    if (error instanceof HpoError && ['HPO-2460', 'HPO-2461', 'HPO-2462'].includes(error.code)) return false;
    throw error;
  }
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HpoError('HPO-2490', `${path} cannot be read: ${reason}`, 'name a cluster.yml: hpo cluster create -f cluster.yml', {
      cause,
      exitCode: 2,
    });
  });
}

function showPlan(line: CommandLine, planned: PlannedCluster, commands: readonly ToolCommand[], isJson: boolean): void {
  const { manifests, remarks } = planned;
  if (isJson) {
    const objects = manifests.filter(({ kind }) => kind !== 'Secret').map(({ object }) => wireOf(object));
    line.printJson({ commands: commands.map(({ program, args }) => [program, ...args]), objects, remarks });
    return;
  }
  const first = commands.map((command) => `first: ${shownCommand(command).replaceAll('\n', '\n# ')}`);
  line.pass(yamlOf(manifests, [...first, ...remarks]));
}

function newProfile(file: ClusterFile, planned: PlannedCluster, kubeconfig: string): ClusterProfile {
  const { make } = file;
  if (make !== undefined) {
    const made = { by: make.with, tool: placeOf({ ...make, name: file.name }), objects: [] };
    return profileOf(file, planned, { kubeconfig: [kubeconfig], context: file.name, confirmedCommands: [], made });
  }
  const paths = usualKubeconfig({ environment: process.env });
  const context = file.context ?? currentContext(paths);
  // One that is not there is said before anything is asked.
  readKubeconfig(paths).access(context);
  const made = { by: 'context' as const, tool: null, objects: [] };
  return profileOf(file, planned, { kubeconfig: paths, context, confirmedCommands: [], made });
}

/** Once more what was made before: what has changed in the file is changed there. */
function sameAgain(known: ClusterProfile, file: ClusterFile, planned: PlannedCluster): ClusterProfile {
  const isSame =
    known.made !== null &&
    known.namespace === file.namespace &&
    known.made.by === (file.make?.with ?? 'context') &&
    (file.context === undefined || file.context === known.context);
  if (isSame) return profileOf(file, planned, known);
  throw new HpoError(
    'HPO-2496',
    `${known.name} is the namespace ${known.namespace} of ${known.context} already${known.made === null ? ', which was connected and not made' : ''}`,
    `take another name in cluster.yml, or let go of that one: hpo cluster disconnect ${known.name}`,
  );
}

function currentContext(paths: readonly string[]): string {
  const { contexts } = readKubeconfig(paths);
  const current = contexts.find(({ isCurrent }) => isCurrent) ?? (contexts.length === 1 ? contexts[0] : undefined);
  if (current !== undefined) return current.name;
  throw new HpoError(
    'HPO-2461',
    `${paths.join(', ')} has ${contexts.length === 0 ? 'no context' : 'several contexts, and none is the current one'}`,
    contexts.length === 0 ? 'get a kubeconfig that has one' : `say which: context: ${contexts[0]?.name ?? ''}`,
    { exitCode: 4 },
  );
}
