import type { Cluster } from '../../cluster/cluster.ts';
import { identify } from '../../cluster/index.ts';
import { boundingPolicies } from '../../cluster/networkBounds.ts';
import type { ClusterProfile } from '../../cluster/profile.ts';
import { nodeArchitectures, poolsFor, type RunsOn, wantedArchitecture } from './clusterArchitecture.ts';
import { chooseCluster, type KnownClusters } from './clusterChoice.ts';
import { usualCpus } from './clusterCpus.ts';
import type { AskedCredential } from './clusterCredentials.ts';
import { networkNotes } from './clusterNetwork.ts';
import { rehearse, type Rehearsed } from './clusterRehearsal.ts';
import { type ClusterInputs, type ClusterPlan, clusterSettings, storeText } from './clusterSettings.ts';
import {
  type ContainerLook,
  type ContainerPorts,
  importable,
  lookAtImage,
  refuseMissingSecrets,
  refuseQuestion,
} from '../container/containerPreflight.ts';
import { containerSettings } from '../container/containerSettings.ts';
import type { ImageRecipe } from '../../packaging/image/recipe.ts';
import type { SnapshotEntry } from '../../packaging/selectFiles.ts';
import type { SnapshotInfo } from '../../packaging/snapshot.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ClusterChoice, ClusterPreflight, PreflightQuestion, TuneRequest } from '../../protocol/requests.ts';
import type { ClusterSettings, ContainerSettings, EnvironmentChoice, ImageReference } from '../../protocol/study.ts';
import type { ProjectReading } from '../readProject.ts';
import { podLimits } from '../studySpec.ts';

/** What a start on a cluster needs of the agent, besides what a start in containers does. */
export interface ClusterPorts extends ContainerPorts {
  readonly clusters: {
    /**
     * Read anew each time; `root` is the project, of which no kubeconfig is used. `kubeconfig`: absolute paths of who asks; null: as the
     * agent's environment says. Throws HPO-2460 where there is none, or it cannot be read.
     */
    known(root: string, kubeconfig: readonly string[] | null): KnownClusters;
    /** Connects when it is asked; rejects with HPO-2460 to 2466, and where the kubeconfig is in the project. Whoever asks does not dispose it. */
    connect(profile: ClusterProfile, root: string): Promise<Cluster>;
    readonly images: ClusterImages;
    /** Mark of the agent's home, in the names of what it makes. */
    readonly homeMark: string;
    /** Text of a file; relative paths are below the root. */
    readText(root: string, path: string): Promise<string>;
  };
}

/** Images as nodes of a cluster can pull them. */
export interface ClusterImages {
  /** What `make` would do, without doing it. Rejects (HPO-247x) where it could not. */
  look(wanted: WantedImage): Promise<{
    /** Nothing has to be built or sent before the start; null where that is not known. */
    readonly isReady: boolean | null;
    /** Where it comes from, for people. */
    readonly from: string;
    readonly codeIn: ClusterSettings['codeIn'];
    readonly runsOn: RunsOn;
  }>;
  /** Builds, pushes or resolves it. */
  make(
    wanted: WantedImage & { readonly snapshot: string },
    progress: { readonly onProgress: (message: string) => void; readonly signal?: AbortSignal },
  ): Promise<{ readonly image: ImageReference; readonly codeIn: ClusterSettings['codeIn']; readonly runsOn: RunsOn }>;
}

export interface WantedImage {
  readonly recipe: ImageRecipe;
  readonly profile: ClusterProfile;
  readonly cluster: Cluster;
  /** Wanted, as in image manifests: of the nodes that pools ask for, or of most. */
  readonly architecture: string;
  /** Of nodes, that of most first; empty where nobody may look. */
  readonly nodes: readonly string[];
  /** The code that the attempts need with it. */
  readonly entries: readonly SnapshotEntry[];
}

/** What is known of a start on a cluster, without having built or written anything. */
export interface ClusterLook {
  readonly image: ContainerLook;
  readonly container: ContainerLook['container'];
  readonly cluster: ClusterPreflight | null;
  /** What the start goes on with; null where `refusal` or a question is in its way. */
  readonly found: Found | null;
  readonly refusal: HpoError | null;
  readonly questions: readonly PreflightQuestion[];
}

interface Found {
  readonly profile: ClusterProfile;
  readonly cluster: Cluster;
  /** For which an image is made. */
  readonly architecture: string;
  /** Architectures of nodes, that of most first; empty where nobody may look. */
  readonly nodes: readonly string[];
  readonly version: string;
  readonly queues: ClusterInputs['queues'];
  readonly usual: ClusterInputs['usual'];
  /** See `boundingPolicies`. */
  readonly policies: readonly string[] | null;
}

export async function lookAtCluster(
  request: TuneRequest,
  project: ProjectReading,
  entries: readonly SnapshotEntry[],
  ports: ClusterPorts,
): Promise<ClusterLook> {
  const chosen = choose(request, project.root, ports);
  const { found, refusal } =
    'profile' in chosen ? await connect(chosen.profile, project, ports) : { found: null, refusal: chosen.refusal };
  const image = await lookAtImage(request, project, ports, found?.architecture ?? null);
  const container = { ...image.container, notes: [...image.container.notes, ...leftHere(project, entries)] };
  const questions: readonly PreflightQuestion[] = [
    ...refusalQuestion(refusal),
    ...('choices' in chosen ? [contextQuestion(chosen.choices)] : []),
    ...image.questions,
  ];
  if (found === null) return { image, container, cluster: null, found, refusal, questions };
  const wanted = { recipe: image.recipe, ...found, entries };
  const made = await ports.clusters.images.look(wanted);
  const { settings, notes, asked } = await planFor(request, project, { ...found, recipe: image.recipe }, made, ports);
  const named = { name: imageBefore(wanted), id: '', recipe: null };
  const parts = { container: { ...(await containerOf(project, ports.home)), image: named }, cluster: settings };
  const rehearsal = await rehearse(found.cluster, rehearsedOf(request, project, settings), parts, false).catch(
    (error: unknown) => {
      if (error instanceof HpoError) return { refusal: error, isWhole: true };
      throw error;
    },
  );
  const refused = rehearsal.refusal === null ? null : withWayAround(rehearsal.refusal);
  const partly = rehearsal.isWhole ? [] : [notRehearsed(found.cluster)];
  return {
    image,
    container: {
      ...container,
      isReady: made.isReady,
      notes: [...container.notes, ...notes, ...partly, ...networkNotes(found, parts)],
    },
    cluster: preflightOf(found, settings, made),
    found: refused === null ? found : null,
    refusal: refused,
    questions: [...refusalQuestion(refused), ...credentialsQuestion(asked), ...questions],
  };
}

/** Makes the image ready where nodes can pull it, and settles what pods get. What has to be asked for is refused here. */
export async function settleCluster(
  request: TuneRequest,
  look: ClusterLook,
  code: {
    readonly project: ProjectReading;
    readonly entries: readonly SnapshotEntry[];
    readonly snapshot: Pick<SnapshotInfo, 'hash' | 'excluded'>;
  },
  ports: ClusterPorts,
  progress: { readonly onProgress: (message: string) => void; readonly signal?: AbortSignal },
): Promise<{
  readonly environment: EnvironmentChoice;
  readonly container: ContainerSettings;
  readonly cluster: ClusterSettings;
}> {
  const { project, entries, snapshot } = code;
  const found = settledOf(look);
  refuseQuestion(look.image);
  refuseCredentials(look);
  refuseMissingSecrets(project, ports);
  const { recipe, environment } = look.image;
  // Before the image, which takes longer than to say that something else is wrong.
  const ahead = await ports.clusters.images.look({ recipe, ...found, entries });
  await planFor(request, project, { ...found, recipe }, ahead, ports);
  const container = await containerOf(project, ports.home);
  const made = await ports.clusters.images.make({ recipe, ...found, entries, snapshot: snapshot.hash }, progress);
  const { image } = made;
  const { settings } = await planFor(request, project, { ...found, recipe }, made, ports);
  const settled = { container: { ...container, image, leftOut: importable(snapshot.excluded) }, cluster: settings };
  const { refusal } = await rehearse(found.cluster, rehearsedOf(request, project, settings), settled, true);
  if (refusal !== null) throw refusal;
  return { environment, ...settled };
}

/** As it will be called, but for its digest. */
function imageBefore({ recipe, profile }: WantedImage): string {
  return recipe.build === null ? recipe.name : `${profile.registry?.pull ?? recipe.name}/env:${recipe.key}`;
}

function rehearsedOf(request: TuneRequest, { spec, command, scriptPath }: ProjectReading, settings: ClusterSettings): Rehearsed {
  const { checkpoints } = settings;
  return {
    ...podLimits(request, spec, settings),
    command: command ?? ['python3', '-u', scriptPath],
    checkpointDir: checkpoints === null ? null : (spec.checkpoint?.['dir'] ?? null),
  };
}

function refusalQuestion(refusal: HpoError | null): readonly PreflightQuestion[] {
  if (refusal === null) return [];
  const { code, message, next } = refusal;
  return [{ type: 'cluster', code, message, next }];
}

function credentialsQuestion(asked: readonly AskedCredential[]): readonly PreflightQuestion[] {
  if (asked.length === 0) return [];
  return [
    {
      type: 'credentials',
      message: `this project asks for credentials of the cluster: ${asked.map(({ what }) => what).join('; ')}`,
      words: asked.map(({ word }) => word),
    },
  ];
}

/** Throws HPO-2521 where the user has not agreed to what the project asks for. */
function refuseCredentials({ questions }: ClusterLook): void {
  const question = questions.find(({ type }) => type === 'credentials');
  if (question?.type !== 'credentials') return;
  throw new HpoError(
    'HPO-2521',
    `nobody has agreed to it: ${question.message}`,
    `if you trust the project with it: ${question.words.map((word) => `--allow '${word}'`).join(' ')}; else take it out`,
    { exitCode: 4 },
  );
}

function notRehearsed({ place }: Cluster): string {
  return `whether the namespace ${place.namespace} takes the pods is seen when they begin: you may not ask for it beforehand (verb create on pods)`;
}

/** Pods get volumes in the place of mounts. */
async function containerOf({ spec, root }: ProjectReading, home: string): Promise<ContainerSettings> {
  return await containerSettings({ script: { ...spec, data: [] }, root, home, image: { name: '', id: '', recipe: null } });
}

/** What a start goes on with. Throws for what is in its way. */
export function settledOf({ found, refusal, questions }: ClusterLook): Found {
  if (refusal !== null) throw new HpoError(refusal.code, refusal.message, refusal.next, { cause: refusal, exitCode: 4 });
  if (found !== null) return found;
  const choices = questions.flatMap((question) => (question.type === 'context' ? question.choices : []));
  throw new HpoError('HPO-2484', 'several clusters could be meant', `choose one: ${choices.map(optionOf).join(', ')}`, {
    exitCode: 4,
  });
}

/** As the command line takes it. */
function optionOf({ wish }: ClusterChoice): string {
  return wish.name === undefined ? `--context ${wish.context ?? ''}` : `--cluster ${wish.name}`;
}

type Chosen =
  | { readonly profile: ClusterProfile }
  | { readonly choices: readonly ClusterChoice[]; readonly refusal: null }
  | { readonly refusal: HpoError };

function choose({ cluster }: TuneRequest, root: string, { clusters }: ClusterPorts): Chosen {
  try {
    const chosen = chooseCluster(cluster ?? {}, clusters.known(root, cluster?.kubeconfig ?? null));
    return 'context' in chosen ? { profile: chosen } : { choices: chosen, refusal: null };
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    return { refusal: withWayAround(error) };
  }
}

async function connect(
  profile: ClusterProfile,
  { root, spec }: ProjectReading,
  { clusters }: ClusterPorts,
): Promise<{ readonly found: Found; readonly refusal: null } | { readonly found: null; readonly refusal: HpoError }> {
  try {
    const cluster = await clusters.connect(profile, root);
    const version = await cluster.version();
    const [queues, seen, identity, usual, policies] = await Promise.all([
      queuesOf(cluster),
      orForbidden(nodeArchitectures(cluster)),
      identify(cluster),
      usualCpus(cluster, profile, orForbidden),
      boundingPolicies(cluster),
    ]);
    if (!(await cluster.may('create', { group: 'batch', resource: 'jobs' }))) throw forbidden(cluster);
    const nodes = seen ?? [];
    const architecture = wantedArchitecture(nodes, spec.kubernetes?.pools ?? []);
    return {
      found: { profile: { ...profile, identity }, cluster, version, queues, nodes, architecture, usual, policies },
      refusal: null,
    };
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    return { found: null, refusal: withWayAround(error) };
  }
}

/** Whatever is wrong with the cluster, the script runs elsewhere. */
function withWayAround(error: HpoError): HpoError {
  const { code, message, next } = error;
  if (next.includes('--on local')) return error;
  return new HpoError(code, message, `${next}; or run elsewhere: --on local, --on docker`, { cause: error, exitCode: 4 });
}

function forbidden({ place }: Cluster): HpoError {
  return new HpoError(
    'HPO-2464',
    `the cluster ${place.context} does not let you create jobs in the namespace ${place.namespace}`,
    'ask who runs it for the Role that hpo cluster create --dry-run prints, or choose another namespace: --namespace NAME',
    { exitCode: 4 },
  );
}

/** Empty without Kueue; null for who may not look. */
async function queuesOf(cluster: Cluster): Promise<readonly string[] | null> {
  const queues = await orForbidden(cluster.list('LocalQueue'));
  return queues?.flatMap(({ metadata }) => metadata?.name ?? []).sort() ?? null;
}

async function orForbidden<T>(asked: Promise<T>): Promise<T | null> {
  return await asked.catch((error: unknown) => {
    if (error instanceof HpoError && error.code === 'HPO-2464') return null;
    throw error;
  });
}

async function planFor(
  request: TuneRequest,
  { spec, root }: ProjectReading,
  { profile, queues, nodes, recipe, usual }: Found & Pick<WantedImage, 'recipe'>,
  { codeIn, runsOn }: { readonly codeIn: ClusterSettings['codeIn']; readonly runsOn: RunsOn },
  { clusters }: ClusterPorts,
): Promise<ClusterPlan> {
  const plan = await clusterSettings({
    script: spec,
    wish: request.cluster ?? {},
    profile,
    home: clusters.homeMark,
    queues,
    codeIn,
    usual,
    readTemplate: (path) => clusters.readText(root, path),
    followsCapacity: (request.parallel ?? spec.search['parallel']) === 'auto',
  });
  const { pools, podTemplate } = plan.settings;
  return {
    ...plan,
    settings: { ...plan.settings, pools: poolsFor(pools, podTemplate, nodes, runsOn, recipe.name) },
    asked: plan.asked.filter(({ word }) => request.allow?.includes(word) !== true),
  };
}

function preflightOf(
  { profile, cluster, version }: Found,
  settings: ClusterSettings,
  { from, codeIn }: { readonly from: string; readonly codeIn: ClusterSettings['codeIn'] },
): ClusterPreflight {
  const { context, namespace, queue, pools, checkpoints, volumes } = settings;
  return {
    name: profile.name,
    context,
    server: cluster.place.server,
    namespace,
    version,
    imageFrom: from,
    codeBy:
      codeIn === 'objects'
        ? 'in ConfigMaps of the study, no registry needed'
        : 'as the last layer of the image, pushed to the registry',
    queue,
    pools,
    checkpoints: checkpoints === null ? null : storeText(checkpoints),
    volumes,
  };
}

function contextQuestion(choices: readonly ClusterChoice[]): PreflightQuestion {
  return { type: 'context', message: 'Several clusters could be meant.', choices };
}

/** What of the project is too large to be copied, and not on a volume either. */
function leftHere({ spec }: ProjectReading, entries: readonly SnapshotEntry[]): readonly string[] {
  const onVolumes = spec.data
    .filter(({ from }) => from.startsWith('pvc:'))
    .map(({ to }) => to.replace(/^\.\//, '').replace(/\/$/, ''));
  const left = entries.flatMap(({ type, path }) => (type === 'link' && !onVolumes.includes(path) ? [path] : []));
  return left.map(
    (path) => `${path} stays on this machine, and no pod has it; if trials need it: # @hpo.data pvc://CLAIM/PATH -> ${path} ro`,
  );
}
