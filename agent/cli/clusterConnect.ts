import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  areDifferent,
  chosenProfile,
  identify,
  type Kubeconfig,
  type KubeContext,
  readKubeconfig,
  readProfiles,
  usualKubeconfig,
  withoutProfile,
  withProfile,
  writeProfiles,
} from '../cluster/index.ts';
import type { ClusterProfile, RegistryPlace } from '../cluster/profile.ts';
import { isRegistryPlace } from '../clusters/clusterFile.ts';
import { requireVersion } from '../clusters/testCluster.ts';
import { projectOf } from '../packaging/projectRoot.ts';
import { HpoError } from '../protocol/errors.ts';
import { openCluster, saveProfile } from './clusterOpen.ts';
import type { CommandLine } from './commandLine.ts';
import { formatTable } from './table.ts';

interface ConnectOptions {
  readonly context?: string;
  readonly namespace?: string;
  readonly registry?: string;
  readonly registryPull?: string;
  readonly plain?: boolean;
  readonly queue?: string;
  readonly pullSecret?: readonly string[];
  readonly checkpoints?: string;
  readonly name?: string;
  readonly kubeconfig?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function connectCommands(cluster: Command, line: CommandLine): void {
  cluster
    .command('connect')
    .description('use a cluster that is there, by a context of your kubeconfig; changes nothing in it')
    .option('--context <context>', 'of your kubeconfig (default: its current one)')
    .option('--namespace <namespace>', 'where everything of studies is (default: that of the context)')
    .option('--registry <place>', 'where images are pushed to: HOST[:PORT]/PATH')
    .option('--registry-pull <place>', 'the same place as the nodes know it, where that differs')
    .option('--plain', 'speak to a registry of this machine without encryption')
    .option('--queue <name>', "Kueue's LocalQueue in which Jobs wait")
    .option('--pull-secret <name...>', 'secrets of the namespace by which nodes pull images')
    .option(
      '--checkpoints <store>',
      'where checkpoints are kept if a script does not say: pvc://CLAIM/PATH or s3://BUCKET/PREFIX?secret=NAME',
    )
    .option('--name <name>', 'how you call it here (default: the context)')
    .option('--kubeconfig <path>', 'a kubeconfig elsewhere than KUBECONFIG or ~/.kube/config')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON')
    .action((options: ConnectOptions) => connect(line, options));
  cluster
    .command('list')
    .description('the clusters that are connected, and the contexts that could be')
    .option('--json', 'print JSON')
    .action((options: { readonly json?: boolean }) => list(line, options.json === true));
  cluster
    .command('use <name>')
    .description('make it the one that --on kubernetes means')
    .action((name: string) => {
      const known = readProfiles(line.home);
      const chosen = chosenProfile(known, name);
      writeProfiles(line.home, withProfile(known, chosen, true));
      line.print(`${chosen.name} is in use`);
    });
  cluster
    .command('disconnect [name]')
    .description('forget a cluster; nothing in it is changed')
    .action((name: string | undefined) => disconnect(line, name));
}

async function connect(line: CommandLine, options: ConnectOptions): Promise<void> {
  const paths = options.kubeconfig === undefined ? usualKubeconfig({ environment: process.env }) : [resolve(options.kubeconfig)];
  // One of a project is refused whenever it is used: better said now. KUBECONFIG may have been set by that of the current folder.
  const project = projectOf(options.kubeconfig === undefined ? resolve('kubeconfig') : (paths[0] ?? ''));
  const context = contextOf(readKubeconfig(paths, project), options.context);
  const name = options.name ?? context.name;
  const known = readProfiles(line.home).profiles.find((profile) => profile.name === name);
  const registry = registryOf(options);
  const namespace = options.namespace ?? context.namespace;
  const wanted: ClusterProfile = {
    name,
    kubeconfig: paths,
    context: context.name,
    namespace,
    registry: registry ?? known?.registry ?? null,
    queue: options.queue ?? known?.queue ?? null,
    pullSecrets: options.pullSecret ?? known?.pullSecrets ?? [],
    checkpoints: options.checkpoints ?? known?.checkpoints ?? null,
    usualCpus: known?.context === context.name && known.namespace === namespace ? known.usualCpus : undefined,
    confirmedCommands: known?.confirmedCommands ?? [],
    usesAgent: known?.usesAgent,
    // What was made there stays to be destroyed.
    made: known !== undefined && known.context === context.name ? known.made : null,
  };
  refuseForgetting(known, wanted);
  const { cluster: opened, profile: agreed } = await openCluster(line, wanted, options.yes === true);
  await using cluster = opened;
  const version = await requireVersion(cluster);
  const profile = { ...agreed, identity: await identify(cluster) };
  refuseAnother(known, profile);
  saveProfile(line, profile, true);
  if (options.json === true) {
    line.printJson({ ...shown(profile, true), server: cluster.place.server, version });
    return;
  }
  line.print(`${line.style('bold', name)} is in use: ${version} at ${cluster.place.server}, namespace ${profile.namespace}`);
  line.note('see whether all that studies need works there: hpo cluster test');
}

/** What was made is found again by its profile alone. */
function refuseForgetting(known: ClusterProfile | undefined, wanted: ClusterProfile): void {
  const made = known?.made;
  if (made === null || made === undefined) return;
  if (known?.context === wanted.context && known.namespace === wanted.namespace) return;
  throw new HpoError(
    'HPO-2496',
    `${wanted.name} is the namespace ${known?.namespace ?? ''} of ${known?.context ?? ''}, which hpo cluster create has made`,
    'take another name: --name NAME',
    { exitCode: 2 },
  );
}

/** What was made in one cluster is never taken for what is in another. */
function refuseAnother(known: ClusterProfile | undefined, { name, context, identity }: ClusterProfile): void {
  if (known?.made == null || known.identity === undefined || identity === undefined) return;
  if (known.context !== context || !areDifferent(known.identity, identity)) return;
  throw new HpoError(
    'HPO-2496',
    `${name} is what hpo cluster create has made in another cluster than the one that answers for the context ${context} now`,
    `take another name: --name NAME; or, if that one is gone, forget it first: hpo cluster disconnect ${name}`,
    { exitCode: 2 },
  );
}

function contextOf(config: Kubeconfig, wanted: string | undefined): KubeContext {
  const { contexts } = config;
  const found = contexts.find(({ name, isCurrent }) => (wanted === undefined ? isCurrent : name === wanted));
  if (found !== undefined) return found;
  const [only, ...others] = contexts;
  if (wanted === undefined && only !== undefined && others.length === 0) return only;
  if (wanted !== undefined) config.access(wanted);
  throw new HpoError(
    'HPO-2461',
    contexts.length === 0 ? 'the kubeconfig has no context' : 'the kubeconfig has several contexts, and none is the current one',
    contexts.length === 0 ? 'get one that has' : `say which: --context ${contexts.map(({ name }) => name).join(' or ')}`,
    { exitCode: 4 },
  );
}

function registryOf({ registry, registryPull, plain }: ConnectOptions): RegistryPlace | null {
  for (const place of [registry, registryPull]) {
    if (place !== undefined && !isRegistryPlace(place))
      throw new HpoError(
        'HPO-2495',
        `"${place}" is no place in a registry`,
        'write it as HOST[:PORT]/PATH, such as ghcr.io/team/hpo',
        {
          exitCode: 2,
        },
      );
  }
  return registry === undefined ? null : { push: registry, pull: registryPull ?? registry, isPlain: plain ?? false };
}

function shown({ name, context, namespace, registry, queue, made }: ClusterProfile, inUse: boolean) {
  return { name, inUse, context, namespace, registry, queue, madeBy: made?.by ?? null };
}

function list(line: CommandLine, isJson: boolean): void {
  const { profiles, inUse } = readProfiles(line.home);
  if (isJson) {
    for (const profile of profiles) line.printJson(shown(profile, profile.name === inUse));
    return;
  }
  if (profiles.length > 0) {
    const rows = profiles.map(({ name, context, namespace, registry, queue, made }) => [
      name === inUse ? '*' : ' ',
      name,
      `context ${context}`,
      `namespace ${namespace}`,
      registry === null ? 'no registry' : registry.push,
      queue === null ? '' : `queue ${queue}`,
      made === null ? 'connected' : `made by ${made.by === 'context' ? 'hpo' : made.by}`,
    ]);
    line.print(formatTable(rows));
  }
  const connected = new Set(profiles.map(({ context }) => context));
  const others = contextsThere().filter(({ name }) => !connected.has(name));
  if (profiles.length === 0) line.note('no cluster is connected');
  for (const { name, server } of others) line.note(`could be connected: hpo cluster connect --context ${name}  (${server})`);
}

/** None where there is no kubeconfig. */
function contextsThere(): readonly KubeContext[] {
  try {
    return readKubeconfig(usualKubeconfig({ environment: process.env })).contexts;
  } catch (error) {
    if (error instanceof HpoError) return [];
    throw error;
  }
}

function disconnect(line: CommandLine, name: string | undefined): void {
  const known = readProfiles(line.home);
  const profile = chosenProfile(known, name ?? null);
  if (profile.made !== null && profile.made.objects.length > 0) {
    line.note(
      `what was made in ${profile.namespace} of ${profile.context} stays there; to find it later: kubectl get all,role,networkpolicy -n ${profile.namespace} -l hpo.cluster=${profile.name}`,
    );
  }
  writeProfiles(line.home, withoutProfile(known, profile.name));
  line.print(`${profile.name} is disconnected; nothing in it was changed`);
}
