import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { type AgentClient, refuseUnreaching } from '../client/index.ts';
import { homeId } from '../client/home.ts';
import { chosenProfile, readProfiles } from '../cluster/index.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { agentClaim, usualAgentName } from '../clusters/agentManifests.ts';
import { installAgent, lookAtAgent, ownerOfAgent, planAgent, uninstallAgent } from '../clusters/installAgent.ts';
import { yamlOf } from '../clusters/manifests.ts';
import { HpoError } from '../protocol/errors.ts';
import { formatBytes } from '../protocol/format.ts';
import type { Requests, StudySummary } from '../protocol/requests.ts';
import { clusterAgent } from './agentChoice.ts';
import { agree } from './clusterConfirm.ts';
import { openChosen, saveProfile } from './clusterOpen.ts';
import type { CommandLine } from './commandLine.ts';
import { formatTable } from './table.ts';

const usualImage = 'node:24-slim';
const startMs = 300_000;
const lookMs = 1_000;
const reachMs = 20_000;

interface InstallOptions {
  readonly image: string;
  readonly size: string;
  readonly storageClass?: string;
  readonly queue?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

interface UninstallOptions {
  readonly deleteData?: boolean;
  readonly force?: boolean;
  readonly yes?: boolean;
}

/** `hpo cluster agent …`: the same agent in the cluster, for studies that go on when this machine is closed. */
export function clusterAgentCommands(cluster: Command, line: CommandLine): void {
  const agent = cluster.command('agent').description('the agent in the cluster: its studies go on when this machine is off');
  agent
    .command('install [name]')
    .description('install it, or bring it to this version')
    .option('--image <image>', 'with Node 22.13 or later in it; the nodes pull it', usualImage)
    .option('--size <size>', 'of its volume', '2Gi')
    .option('--storage-class <class>', 'of its volume; by default the cluster’s own')
    .option('--queue', 'with the rights that Kueue’s queues need')
    .option('--dry-run', 'print what would be made')
    .option('-y, --yes', 'do not ask')
    .action((name: string | undefined, options: InstallOptions) => install(line, name, options));
  agent
    .command('status [name]')
    .description('whether it runs, and what it has')
    .option('--json', 'print JSON')
    .option('-y, --yes', 'do not ask')
    .action((name: string | undefined, options: { readonly json?: boolean; readonly yes?: boolean }) =>
      status(line, name, options),
    );
  agent
    .command('uninstall [name]')
    .description('remove it; its data stays unless that is said')
    .option('--delete-data', 'its volume too, with the studies on it')
    .option('--force', 'also one that has studies that are not over, or that another home has installed')
    .option('-y, --yes', 'do not ask')
    .action((name: string | undefined, options: UninstallOptions) => uninstall(line, name, options));
  agent
    .command('use <on|off>')
    .description('whether commands are for it by default, where its cluster is the one in use')
    .action((word: string) => use(line, word));
}

async function install(line: CommandLine, name: string | undefined, options: InstallOptions): Promise<void> {
  const { image, size, storageClass = null, queue: withQueue = false, dryRun = false, yes = false } = options;
  const planFor = (profile: ClusterProfile) =>
    planAgent(usualAgentName, profile, homeId(line.home), programFiles(), { image, size, storageClass, withQueue });
  if (dryRun) {
    const plan = planFor(chosenProfile(readProfiles(line.home), name ?? null));
    const programs = `and the programs, in ${plan.objects.length} ConfigMaps (${plan.objects[0]?.metadata.name ?? ''} …)`;
    line.pass(yamlOf(plan.manifests, [`made by hpo cluster agent install`, programs]));
    return;
  }
  const { cluster: opened, profile } = await openChosen(line, name, yes);
  await using cluster = opened;
  const plan = planFor(profile);
  const objects = plan.manifests.map(({ kind, name: object }) => ['', kind, object]);
  line.note(
    formatTable([...objects, ['', 'ConfigMap', `${plan.objects.length} with the programs, of ${agentBytes(plan.objects)}`]]),
  );
  line.note(
    `  image ${image}, volume ${size}${storageClass === null ? '' : ` of ${storageClass}`}; its pod may do what the Role says: --dry-run prints it`,
  );
  const { context, namespace, server } = cluster.place;
  await agree(`Make or change these in the namespace ${namespace} of ${context} (${server})?`, yes);
  const deadline = performance.now() + startMs;
  await installAgent(
    cluster,
    plan,
    (text) => line.note(line.style('dim', `· ${text}`, line.stderr)),
    () => delay(lookMs),
    () => performance.now() > deadline,
  );
  await using remote = clusterAgent(profile);
  await using client = await remote.connect();
  const { version } = await client.request('agent/status', {});
  await settled(client);
  line.print(`${remote.place} has an agent (version ${version})`);
  line.note('studies begin there with: hpo tune SCRIPT --on kubernetes --agent cluster; always: hpo cluster agent use on');
}

/** Rejects with HPO-2524 where it cannot act: rules of a network take a moment to know a new pod. */
async function settled(client: AgentClient): Promise<void> {
  for (const deadline = performance.now() + reachMs; performance.now() < deadline; await delay(lookMs))
    if ((await client.request('agent/reach', {})).problem === null) return;
  await refuseUnreaching(client);
}

/** The bundles beside the command line's own, but for the editor's. */
function programFiles(): readonly { readonly name: string; readonly content: Uint8Array }[] {
  const folder = import.meta.dirname;
  const names = readdirSync(folder).filter((name) => name.endsWith('.cjs') && name !== 'extension.cjs');
  if (!names.includes('agent.cjs'))
    throw new HpoError('HPO-5008', `the agent's program is not in ${folder}`, 'build it: npm run build');
  return names.toSorted().map((name) => ({ name, content: readFileSync(join(folder, name)) }));
}

async function status(
  line: CommandLine,
  name: string | undefined,
  { json = false, yes = false }: { readonly json?: boolean; readonly yes?: boolean },
): Promise<void> {
  const { cluster: opened, profile } = await openChosen(line, name, yes);
  await using cluster = opened;
  const state = await lookAtAgent(cluster, usualAgentName);
  if (!state.isInstalled) line.exitCode = 3;
  const there = state.isInstalled ? await asked(line, profile, lookFromThere) : null;
  const studies = there?.studies ?? null;
  if (json) {
    line.printJson({
      name: profile.name,
      ...state,
      problem: there?.problem ?? null,
      studies: studies?.map(({ studyId }) => studyId) ?? null,
    });
    return;
  }
  if (!state.isInstalled) {
    line.print(`no agent in ${profile.context}/${profile.namespace}`);
    line.print(
      state.volume === null
        ? 'install it: hpo cluster agent install'
        : `its volume is there (${state.volume}): hpo cluster agent install takes it up again`,
    );
    return;
  }
  line.print(`agent   ${state.phase ?? 'no pod'}${state.why === '' ? '' : `: ${state.why}`}, ${state.restarts} restarts`);
  if (there !== null) line.print(`reaches ${there.problem === null ? 'the API server' : 'nothing'}`);
  if (there?.problem != null) {
    line.exitCode = 4;
    line.print(`problem ${there.problem.code}: ${there.problem.message}`);
    line.print(`next    ${there.problem.next}`);
  }
  line.print(`image   ${state.image ?? ''}`);
  line.print(`volume  ${state.volume ?? 'none'}`);
  for (const study of studies ?? [])
    line.print(`study   ${study.studyId}  ${study.movedTo === null ? study.state : `in ${study.movedTo}`}`);
}

interface SeenThere {
  /** Why it can do nothing; null where it can. */
  readonly problem: Requests['agent/reach']['result']['problem'];
  readonly studies: readonly StudySummary[];
}

async function lookFromThere(client: AgentClient): Promise<SeenThere> {
  const [{ problem }, { studies }] = [await client.request('agent/reach', {}), await client.request('study/list', {})];
  return { problem, studies };
}

/** Null where the agent does not answer, which is said. */
async function asked<T>(line: CommandLine, profile: ClusterProfile, ask: (client: AgentClient) => Promise<T>): Promise<T | null> {
  try {
    await using remote = clusterAgent(profile);
    await using client = await remote.connect();
    return await ask(client);
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    line.note(`${line.style('yellow', 'note', line.stderr)} ${error.message}`);
    return null;
  }
}

async function uninstall(
  line: CommandLine,
  name: string | undefined,
  { deleteData = false, force = false, yes = false }: UninstallOptions,
): Promise<void> {
  const { cluster: opened, profile } = await openChosen(line, name, yes);
  await using cluster = opened;
  const owner = await ownerOfAgent(cluster, usualAgentName, { name: profile.name, mark: homeId(line.home) });
  if (typeof owner === 'object' && !force) throw ofAnotherHome(profile, owner.home);
  const there =
    owner === 'none'
      ? []
      : ((await asked(line, profile, async (client) => await client.request('study/list', {})))?.studies ?? null);
  const own = there?.filter(({ movedTo }) => movedTo === null) ?? null;
  for (const study of own ?? []) line.note(`  ${study.studyId}  ${study.state}`);
  const going = own?.filter(({ state }) => state !== 'ended') ?? [];
  if (!force && owner !== 'none' && (own === null || going.length > 0 || (deleteData && own.length > 0)))
    throw hasStudies(profile, own === null ? null : (deleteData ? own : going).map(({ studyId }) => studyId));
  const what = own === null ? 'it is not known what studies are on it' : `${own.length} studies are on it`;
  const data = deleteData ? 'with its volume: they are lost' : `its volume stays (${agentClaim(usualAgentName)})`;
  await agree(`Remove the agent in ${profile.context}/${profile.namespace}? ${what}; ${data}.`, yes);
  const removed = await uninstallAgent(cluster, usualAgentName, deleteData);
  for (const text of removed) line.print(`removed ${text}`);
  if (removed.length === 0) line.print('there was nothing of it');
  if (profile.usesAgent === true) saveProfile(line, { ...profile, usesAgent: false }, false);
}

function ofAnotherHome({ context, namespace }: ClusterProfile, home: string): HpoError {
  return new HpoError(
    'HPO-2517',
    `the agent in ${context}/${namespace} was installed by ${home === '' ? 'somebody else' : `another home (${home})`}: its studies are theirs`,
    'ask who installed it; to remove it all the same: --force',
  );
}

function hasStudies({ context, namespace }: ClusterProfile, studyIds: readonly string[] | null): HpoError {
  return new HpoError(
    'HPO-2517',
    studyIds === null
      ? `the agent in ${context}/${namespace} does not answer, so nobody knows which studies are on it`
      : `the agent in ${context}/${namespace} has studies that would stand still or be lost: ${studyIds.join(', ')}`,
    studyIds === null
      ? 'see why: hpo cluster agent status; to remove it all the same: --force'
      : 'bring them back first (hpo move STUDY --to local), or let them end (hpo stop STUDY --agent cluster); to remove it all the same: --force',
  );
}

/** For people: how much is sent. */
function agentBytes(objects: ReturnType<typeof planAgent>['objects']): string {
  return formatBytes(objects.reduce((sum, { binaryData }) => sum + ((binaryData?.['part']?.length ?? 0) * 3) / 4, 0));
}

function use(line: CommandLine, word: string): void {
  if (word !== 'on' && word !== 'off')
    throw new HpoError('HPO-2511', `neither on nor off: ${word}`, 'hpo cluster agent use on', { exitCode: 2 });
  const profile = chosenProfile(readProfiles(line.home), null);
  saveProfile(line, { ...profile, usesAgent: word === 'on' }, false);
  line.print(
    word === 'on'
      ? `commands are for the agent in ${profile.name} from now on`
      : 'commands are for the agent of this machine from now on',
  );
}
