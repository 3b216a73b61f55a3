import { posix } from 'node:path';
import type { ClusterProfile } from '../../cluster/profile.ts';
import { targetOf, targetRefusal } from '../container/containerSettings.ts';
import { type AskedCredential, pullCredentials, storeCredentials, templateCredentials } from './clusterCredentials.ts';
import { type SaidCpus, templateCpus } from './clusterCpus.ts';
import { readPodTemplate } from './podTemplate.ts';
import { readTemplate } from '../../executors/kubernetes/podTemplate.ts';
import { gpuResourceOf, isVolume, parseStore, parseVolume } from '../../protocol/clusterWords.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ClusterWish } from '../../protocol/requests.ts';
import type { PoolWords, ScriptSpec } from '../../protocol/space.ts';
import type { CheckpointStore, ClusterSettings, ClusterVolume, Pool, PodCpus, Toleration } from '../../protocol/study.ts';
import { moneyOf, wholeOf } from '../studySpec.ts';

export interface ClusterInputs {
  readonly script: ScriptSpec;
  readonly wish: ClusterWish;
  /** As it is used: with the context and namespace that the user chose. */
  readonly profile: ClusterProfile;
  /** Mark of the agent's home. */
  readonly home: string;
  /** LocalQueues of the namespace; empty without Kueue, null where the user may not list them. */
  readonly queues: readonly string[] | null;
  readonly codeIn: ClusterSettings['codeIn'];
  /** What a pod gets where neither script nor template say it. */
  readonly usual: SaidCpus;
  /** Text of a pod template: a path of the project relative to its root, or an absolute one of the user's. */
  readonly readTemplate: (path: string) => Promise<string>;
  readonly followsCapacity: boolean;
}

/** What pods get, and what there is to say of it. */
export interface ClusterPlan {
  readonly settings: ClusterSettings;
  readonly notes: readonly string[];
  /** What the project asks for, and the user has to agree to. */
  readonly asked: readonly AskedCredential[];
}

/**
 * What the pods of a study get besides `ContainerSettings`. The user's choice wins over the annotations, those over the section
 * `kubernetes` of an hpo.yml, that over the profile. Throws HPO-2485 to HPO-2489 for what no cluster can give.
 */
export async function clusterSettings(inputs: ClusterInputs): Promise<ClusterPlan> {
  const { script, wish, profile, home, codeIn, followsCapacity } = inputs;
  const words = script.kubernetes;
  const path = wish.podTemplate ?? words?.podTemplate ?? null;
  const template = path === null ? null : await readPodTemplate(await inputs.readTemplate(path), path);
  const pools = poolsOf(script);
  const checkpoints = checkpointsOf(script, profile);
  const cpus = cpusOf(inputs, template?.json ?? null, path);
  const settings: ClusterSettings = {
    context: profile.context,
    ...(profile.kubeconfig === null ? {} : { kubeconfig: profile.kubeconfig }),
    namespace: profile.namespace,
    ...(profile.identity === undefined ? {} : { identity: profile.identity }),
    home,
    codeIn,
    pullSecrets: [...new Set([...profile.pullSecrets, ...(words?.pullSecrets ?? [])])],
    queue: queueOf(inputs),
    priorityClass: script.resources['priority'] ?? words?.priority ?? null,
    volumes: volumesOf(script),
    checkpoints,
    pools,
    ...(cpus.cpus === null ? {} : { cpus: cpus.cpus }),
    podTemplate: template?.json ?? null,
    followsCapacity,
  };
  const given = template === null || path === null ? [] : templateCredentials(template.json, path);
  return {
    settings,
    // What the user names is the user's own wish.
    asked: [
      ...(wish.podTemplate === undefined ? given : []),
      ...askedPulls(inputs, settings, path),
      ...askedStore(script, profile, checkpoints),
    ],
    notes: [
      ...(template?.notes ?? []),
      ...cpus.notes,
      ...queueNotes(inputs, settings.queue),
      ...checkpointNotes(script, checkpoints),
    ],
  };
}

function saidQueue({ script, wish, profile }: ClusterInputs): string | null {
  return wish.queue ?? script.resources['queue'] ?? script.kubernetes?.queue ?? profile.queue;
}

/** Of who may not look nobody can say whether there is a queue. */
function queueNotes(inputs: ClusterInputs, queue: string | null): readonly string[] {
  const { profile, queues } = inputs;
  if (queues !== null || saidQueue(inputs) === 'none') return [];
  const right = `you may not list the queues of the namespace ${profile.namespace} (list localqueues of kueue.x-k8s.io)`;
  return [
    queue === null
      ? `${right}: trials wait in none; if there is one that they need: --queue NAME; --queue none says that it is meant so`
      : `${right}: whether ${queue} is one of them is seen when trials wait in it`,
  ];
}

/** LocalQueue in which Jobs wait. One that is there alone is used; of several somebody has to choose. */
function queueOf(inputs: ClusterInputs): string | null {
  const { profile, queues } = inputs;
  const said = saidQueue(inputs);
  if (said === 'none') return null;
  if (queues === null) return said;
  if (said !== null) {
    if (queues.includes(said)) return said;
    const there = queues.length === 0 ? 'the namespace has no LocalQueue (of Kueue)' : `there are ${queues.join(', ')}`;
    throw new HpoError(
      'HPO-2485',
      `the queue ${said} is not in the namespace ${profile.namespace}: ${there}`,
      'name one of them: --queue NAME, or --queue none',
      {
        exitCode: 4,
      },
    );
  }
  if (queues.length > 1) {
    throw new HpoError(
      'HPO-2485',
      `the namespace ${profile.namespace} has several queues: ${queues.join(', ')}`,
      'choose one: --queue NAME, # @hpo.resources queue=NAME, or --queue none',
      { exitCode: 4 },
    );
  }
  return queues[0] ?? null;
}

/**
 * Pools in the order in which they are tried. Without any there is one, `default`, of what the annotations say; a pool's own words win
 * over theirs.
 */
function poolsOf(script: ScriptSpec): readonly Pool[] {
  const named = script.kubernetes?.pools ?? [];
  const wanted = script.resources['pool'];
  const chosen = wanted === undefined ? named : named.filter(({ name }) => name === wanted);
  if (wanted !== undefined && chosen.length === 0) {
    const there =
      named.length === 0 ? 'hpo.yml describes no pool' : `hpo.yml describes ${named.map(({ name }) => name).join(', ')}`;
    throw new HpoError(
      'HPO-2486',
      `@hpo.resources pool=${wanted}: ${there}`,
      'describe it: kubernetes: {pools: [{name: …, nodeSelector: …}]}',
      {
        exitCode: 4,
      },
    );
  }
  if (chosen.length === 0) return [poolOf(script, nothing)];
  if (chosen.every(({ when }) => when !== null)) {
    const names = chosen.map(({ name }) => name).join(', ');
    throw new HpoError(
      'HPO-2486',
      `every pool (${names}) has a condition: a trial for which none holds would have no place`,
      'let the last pool be without "when"',
      { exitCode: 4 },
    );
  }
  return chosen.map((pool) => poolOf(script, pool));
}

const nothing: PoolWords = {
  name: 'default',
  when: null,
  slots: null,
  gpus: null,
  gpu: null,
  spot: null,
  price: null,
  nodeSelector: {},
  tolerations: [],
};

function poolOf(script: ScriptSpec, words: PoolWords): Pool {
  const { name, when, slots, nodeSelector, tolerations } = words;
  const isSpot = words.spot ?? flagOf(script.resources['spot']) ?? script.kubernetes?.spot ?? false;
  const gpu = words.gpu ?? script.resources['gpu'] ?? 'nvidia';
  const price = moneyOf(words.price);
  return {
    name,
    when,
    slots,
    gpus: words.gpus ?? wholeOf(script.resources['gpus'], 'gpus=1') ?? 0,
    gpuResource: gpuResourceOf(gpu) ?? gpu,
    ...(price === null ? {} : { price }),
    nodeSelector,
    tolerations: isSpot ? [...tolerations, ...spotTolerations] : tolerations,
    ...(isSpot ? { prefers: spotLabels } : {}),
  };
}

/**
 * How providers mark machines that can be taken away. Preferred and never demanded, as no label is everywhere: a cluster without such
 * machines runs the trials on others. Where only they will do, a pool names one of these labels as its nodeSelector.
 */
const spotLabels: NonNullable<Pool['prefers']> = [
  { label: 'cloud.google.com/gke-spot', value: 'true' },
  { label: 'cloud.google.com/gke-preemptible', value: 'true' },
  { label: 'eks.amazonaws.com/capacityType', value: 'SPOT' },
  { label: 'karpenter.sh/capacity-type', value: 'spot' },
  { label: 'kubernetes.azure.com/scalesetpriority', value: 'spot' },
];

/** The taints that keep others away from them: AKS sets its own, those of GKE are what its documentation tells people to set. */
const spotTolerations: readonly Toleration[] = [
  { key: 'cloud.google.com/gke-spot', value: 'true', effect: 'NoSchedule' },
  { key: 'cloud.google.com/gke-preemptible', value: 'true', effect: 'NoSchedule' },
  { key: 'kubernetes.azure.com/scalesetpriority', value: 'spot', effect: 'NoSchedule' },
];

function flagOf(text: string | undefined): boolean | null {
  return text === undefined ? null : /^(?:yes|true)$/.test(text);
}

/** Volumes for all data; data of this machine is refused unless a volume has its place. */
function volumesOf({ data }: ScriptSpec): readonly ClusterVolume[] {
  const volumes: ClusterVolume[] = [];
  for (const { from, to, readOnly } of data) {
    const volume = parseVolume(from);
    if (typeof volume === 'string') continue;
    const target = targetOf(to);
    const refusal = targetRefusal(target);
    if (refusal !== null)
      throw dataRefusal(`@hpo.data ${from} -> ${to} is not mounted: ${refusal}`, 'choose another place, such as /data');
    if (volumes.some((other) => other.target === target))
      throw dataRefusal(`@hpo.data mounts two volumes at ${target}`, 'give each a place of its own');
    volumes.push({ ...volume, target, readOnly });
  }
  for (const { from, to } of data) {
    if (isVolume(from) || volumes.some(({ target }) => target === targetOf(to))) continue;
    throw new HpoError(
      'HPO-2487',
      `@hpo.data ${from} -> ${to} is on this machine, and pods of a cluster cannot have it`,
      `put it on a volume of the cluster and say beside it: # @hpo.data pvc://CLAIM/PATH -> ${to} ro`,
      { exitCode: 4 },
    );
  }
  return volumes;
}

function dataRefusal(message: string, next: string): HpoError {
  return new HpoError('HPO-2487', message, next, { exitCode: 4 });
}

/** Data as the code of a study on a cluster goes by: what is on this machine is not stored, where a volume takes its place. */
export function localData(data: ScriptSpec['data']): ScriptSpec['data'] {
  return data.filter(({ from }) => !isVolume(from));
}

/** The annotation's store, else the profile's. Null where the script keeps none. */
function checkpointsOf({ checkpoint }: ScriptSpec, profile: ClusterProfile): CheckpointStore | null {
  if (checkpoint === null) return null;
  const said = checkpoint['store'] ?? profile.checkpoints;
  if (said === null) return null;
  const store = parseStore(said);
  if (typeof store !== 'string') return store;
  const where = checkpoint['store'] === undefined ? `the profile ${profile.name}` : '@hpo.checkpoint';
  throw new HpoError(
    'HPO-2488',
    `${where} keeps checkpoints at ${said}; needed is ${store}`,
    'write for example store=pvc://checkpoints/mine',
    {
      exitCode: 4,
    },
  );
}

/** Of a pod whose script says none, with what the user has to know: who says so, and what a template says in vain. */
function cpusOf(
  { script: { resources }, usual }: ClusterInputs,
  podTemplate: string | null,
  path: string | null,
): { readonly cpus: PodCpus | null; readonly notes: readonly string[] } {
  const asked = readTemplate(podTemplate).container.resources ?? {};
  const notes = [['cpu', 'cpus'] as const, ['memory', 'memory'] as const].flatMap(([resource, word]) => {
    const said = resources[word];
    const isAsked = asked.requests?.[resource] !== undefined || asked.limits?.[resource] !== undefined;
    return said === undefined || !isAsked
      ? []
      : [`${path}: ${resource} in the resources of the container has no effect: the script says ${word}=${said}`];
  });
  if (resources['cpus'] !== undefined) return { cpus: null, notes };
  const template = templateCpus(asked);
  const found = template === null ? usualOf(usual) : { cpus: template, notes: [] };
  return { ...found, notes: [...notes, ...found.notes] };
}

function usualOf({ cpus, by }: SaidCpus): { readonly cpus: PodCpus | null; readonly notes: readonly string[] } {
  const { request, limit } = cpus;
  if (by === null || (request === 1 && limit === 1)) return { cpus: null, notes: [] };
  const amount = limit === request ? `${request}` : `${request} to ${limit}`;
  return { cpus, notes: [`a trial gets cpus=${amount}, ${by}; another amount: # @hpo.resources cpus=2`] };
}

/** Those that the project names, itself or in its template, and the profile does not. */
function askedPulls(
  { wish, profile, script }: ClusterInputs,
  { podTemplate }: Pick<ClusterSettings, 'podTemplate'>,
  path: string | null,
): readonly AskedCredential[] {
  const others = (names: readonly string[]): readonly string[] => names.filter((name) => !profile.pullSecrets.includes(name));
  const own = others(script.kubernetes?.pullSecrets ?? []);
  const given = readTemplate(podTemplate).spec.imagePullSecrets?.flatMap(({ name }) => name ?? []) ?? [];
  const more = wish.podTemplate === undefined ? others(given).filter((name) => !own.includes(name)) : [];
  return [...pullCredentials(own, null), ...pullCredentials(more, path)];
}

/** One that the project names and the profile does not. */
function askedStore(
  { checkpoint }: ScriptSpec,
  profile: ClusterProfile,
  store: CheckpointStore | null,
): readonly AskedCredential[] {
  const said = checkpoint?.['store'];
  return said === undefined || said === profile.checkpoints ? [] : storeCredentials(store, said);
}

function checkpointNotes({ checkpoint, resources }: ScriptSpec, store: CheckpointStore | null): readonly string[] {
  if (checkpoint === null) return [];
  if (store === null)
    return [
      'no place keeps checkpoints: a trial whose pod is taken away begins anew; name one by # @hpo.checkpoint store=pvc://CLAIM/PATH',
    ];
  // A policy is for whole pods.
  return store.type === 's3' && !(flagOf(resources['network']) ?? false)
    ? ['checkpoints travel to an object store: trials of this study, too, may reach the network']
    : [];
}

/** For people: `pvc://CLAIM/PATH`. */
export function storeText(store: CheckpointStore): string {
  return store.type === 'volume'
    ? `pvc://${posix.join(store.claim, store.path)}`
    : `s3://${posix.join(store.bucket, store.prefix)}${store.endpoint === null ? '' : ` at ${store.endpoint}`}`;
}
