import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { homeId } from '../client/home.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { chosenProfile, readProfiles, withoutProfile, writeProfiles } from '../cluster/index.ts';
import type { ClusterProfile, MadeCluster } from '../cluster/profile.ts';
import { type Destruction, destroy, planDestruction } from '../clusters/destroy.ts';
import { destroyCommand as toolCommand, shownCommand, type ToolCommand } from '../clusters/tools.ts';
import { awayStudies } from '../executors/kubernetes/awayStudies.ts';
import { HpoError } from '../protocol/errors.ts';
import { plural } from '../protocol/format.ts';
import { nodeFiles } from '../system/nodeFiles.ts';
import { agree } from './clusterConfirm.ts';
import { openChosen, saveProfile } from './clusterOpen.ts';
import { kubeconfigOf, requireTool, runTool } from './clusterTools.ts';
import type { CommandLine } from './commandLine.ts';
import { formatTable } from './table.ts';

interface DestroyOptions {
  readonly name?: string;
  readonly keepNamespace?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function destroyCommand(cluster: Command, line: CommandLine): void {
  cluster
    .command('destroy [name]')
    .description('remove what hpo cluster create has made, after showing it; results of studies stay on this machine')
    .option('-n, --name <name>', 'the same as the argument')
    .option('--keep-namespace', 'leave the namespace, with what others have in it')
    .option('--dry-run', 'only say what would go')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON')
    .action((name: string | undefined, options: DestroyOptions) => run(line, name ?? options.name, options));
}

async function run(line: CommandLine, name: string | undefined, options: DestroyOptions): Promise<void> {
  const { yes = false, dryRun = false, json = false } = options;
  const profile = chosenProfile(readProfiles(line.home), name ?? null);
  const { made } = profile;
  if (made === null) {
    throw new HpoError(
      'HPO-2494',
      `${profile.name} was connected and not made by hpo cluster create: nothing of it is ours to remove`,
      `forget it: hpo cluster disconnect ${profile.name}; what studies left there: hpo cluster clean`,
      { exitCode: 2 },
    );
  }
  const tool = toolOf(line, profile, made);
  // A tool that broke off has left a cluster of which nothing is known.
  const isInside = made.objects.length > 0;
  const opened = isInside ? await openChosen(line, profile.name, yes) : null;
  try {
    const plan =
      opened === null
        ? nothing
        : await planned(line, opened.cluster, profile, made, tool !== null || options.keepNamespace === true);
    const studies = opened === null ? [] : await studiesOf(line, profile);
    if (json)
      line.printJson({
        name: profile.name,
        dryRun,
        ...plan,
        command: tool === null ? null : [tool.program, ...tool.args],
        studies,
      });
    else show(line, profile, plan, tool, studies);
    if (dryRun) return;
    await agree(`Remove ${tool === null ? 'this' : `the whole cluster ${profile.name}`}?`, yes);
    for (const studyId of studies) await pause(line, studyId, profile);
    if (tool !== null) await runTool(line, [tool], true);
    else if (opened !== null) await remove(line, opened.cluster, profile, plan);
    writeProfiles(line.home, withoutProfile(readProfiles(line.home), profile.name));
    rmSync(kubeconfigOf(line.home, profile.name), { force: true });
    if (!json) line.print(`${line.style('bold', profile.name)} is removed; studies and their results stay: hpo status`);
  } finally {
    await opened?.cluster[Symbol.asyncDispose]();
  }
}

const nothing: Destruction = { goes: [], withIt: [], stays: [], away: [], agent: null, foreign: [] };

function toolOf(line: CommandLine, { name }: ClusterProfile, { by, tool }: MadeCluster): ToolCommand | null {
  if (by === 'context' || tool === null) return null;
  requireTool(by);
  return toolCommand(by, tool, kubeconfigOf(line.home, name));
}

async function planned(
  line: CommandLine,
  cluster: Cluster,
  { name, namespace }: ClusterProfile,
  made: MadeCluster,
  keepsNamespace: boolean,
): Promise<Destruction> {
  const homeMark = homeId(line.home);
  const away = await awayStudies(nodeFiles, line.home);
  const owner = { name, mark: homeMark, homeMark };
  const plan = await planDestruction(cluster, made, owner, keepsNamespace && made.by === 'context', (study) => away.has(study));
  const isWhole = made.by !== 'context' || plan.goes.some(({ kind }) => kind === 'Namespace');
  if (isWhole && (plan.agent !== null || plan.away.length > 0)) {
    const studies = plan.away.length === 0 ? '' : `, and studies that have moved to it: ${plan.away.join(', ')}`;
    throw new HpoError(
      'HPO-2494',
      `the namespace ${namespace} has ${plan.agent === null ? 'what an agent in a cluster acts on' : `an agent of the cluster (${plan.agent})`}${studies}: they would be lost with it`,
      `see what it has: hpo cluster agent status; bring studies back: hpo move STUDY --to local; then: hpo cluster agent uninstall --delete-data${made.by === 'context' ? '; or leave the namespace: --keep-namespace' : ''}`,
    );
  }
  const lost = plan.stays.find(({ reason }) => !/gone/.test(reason));
  if (made.by !== 'context' && lost !== undefined) {
    throw new HpoError(
      'HPO-2494',
      `the ${lost.kind} ${lost.name} is not the one that was made here (${lost.reason}): this may be another cluster of the same name`,
      `look at it; if all of it shall go, remove it by ${made.by} itself`,
    );
  }
  if (plan.foreign.length > 0 && made.by === 'context') {
    const some = plan.foreign.slice(0, 5).map(({ kind, name: one }) => `${kind} ${one}`);
    const more = plan.foreign.length > some.length ? ` and ${plan.foreign.length - some.length} more` : '';
    throw new HpoError(
      'HPO-2494',
      `the namespace ${namespace} would go with what is not ours: ${some.join(', ')}${more}`,
      'remove that yourself if nobody needs it, or leave the namespace: hpo cluster destroy --keep-namespace',
    );
  }
  return plan;
}

function show(
  line: CommandLine,
  { name, context, namespace }: ClusterProfile,
  { goes, withIt, stays, away }: Destruction,
  tool: ToolCommand | null,
  studies: readonly string[],
): void {
  const objects = goes.map(({ kind, name: one }) => ['goes', kind, one]);
  const content = withIt.map(({ kind, count }) => ['goes', kind, `${count} of studies of this home`]);
  const others = away.map((study) => ['stays', 'study', `${study}: another agent acts on it`]);
  const left = stays.map(({ kind, name: one, reason }) => ['stays', kind, `${one}: ${reason}`]);
  line.note(`${line.style('bold', name, line.stderr)}: namespace ${namespace} of ${context}`);
  const rows = [...objects, ...content, ...others, ...left];
  if (rows.length > 0) line.note(formatTable(rows));
  if (tool !== null) line.note(`all of the cluster goes, with whatever anybody has in it: ${shownCommand(tool)}`);
  if (studies.length > 0)
    line.note(`${plural(studies.length, 'study').replace('studys', 'studies')} will be paused: ${studies.join(', ')}`);
}

/** Studies that would start trials there. */
async function studiesOf(line: CommandLine, { context, namespace }: ClusterProfile): Promise<readonly string[]> {
  const client = await line.localAgent();
  const { studies } = await client.request('study/list', {});
  const going = studies.filter(
    ({ executor, state, movedTo }) => executor === 'kubernetes' && state === 'running' && movedTo === null,
  );
  const views = await Promise.all(going.map(({ studyId }) => client.view(studyId, { withoutCurves: true })));
  return views
    .filter(({ spec }) => spec.cluster?.context === context && spec.cluster.namespace === namespace)
    .map(({ studyId }) => studyId);
}

async function pause(line: CommandLine, studyId: string, { context, namespace }: ClusterProfile): Promise<void> {
  const client = await line.localAgent();
  const because = `Its place on the cluster (${context}, namespace ${namespace}) was removed by hpo cluster destroy. What it found is kept; its trials cannot go on elsewhere.`;
  await client.request('study/command', { studyId, command: { type: 'pause', because } });
  line.note(`${studyId} is paused: its cluster goes; its results stay, and its trials cannot go on elsewhere`);
}

const goneMs = 180_000;

async function remove(line: CommandLine, cluster: Cluster, profile: ClusterProfile, plan: Destruction): Promise<void> {
  const homeMark = homeId(line.home);
  let { made } = profile;
  const away = new Set(plan.away);
  await destroy(
    cluster,
    plan,
    homeMark,
    (study) => away.has(study),
    (gone) => {
      if (made !== null) made = { ...made, objects: made.objects.filter(({ uid }) => uid !== gone.uid) };
      saveProfile(line, { ...profile, made }, false);
    },
  );
  if (!plan.goes.some(({ kind }) => kind === 'Namespace')) return;
  line.note(`waits until all in the namespace ${profile.namespace} has ended`);
  for (
    const deadline = performance.now() + goneMs;
    (await cluster.get('Namespace', profile.namespace)) !== null;
    await delay(500)
  ) {
    if (performance.now() > deadline) {
      line.note(`the namespace still ends: kubectl get namespace ${profile.namespace} -o yaml says what it waits for`);
      return;
    }
  }
}
