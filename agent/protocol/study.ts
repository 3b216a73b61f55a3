import type { Fidelity, MetricSource, Objective, Params, SearchSpace } from './space.ts';

export const samplerNames = ['auto', 'random', 'grid', 'qmc', 'tpe', 'gp', 'evolution', 'cmaes'] as const;
export type SamplerName = (typeof samplerNames)[number];

export const schedulerNames = [
  'auto',
  'none',
  'median',
  'sha',
  'hyperband',
  'asha-stop',
  'asha-promote',
  'async-hyperband',
  'pbt',
] as const;
export type SchedulerName = (typeof schedulerNames)[number];

export const executorNames = ['local', 'docker', 'kubernetes'] as const;
export type ExecutorName = (typeof executorNames)[number];

export interface SearchSettings {
  readonly sampler: SamplerName;
  readonly scheduler: SchedulerName;
  readonly seed: number;
  /** Most trials that run at once. */
  readonly parallel: number;
  readonly liar: Liar;
  /**
   * Starts are decided this many at a time, and what they come to counts when the last of them has ended; so the decisions are
   * the same however many run at once. Absent: whatever is known counts at once.
   */
  readonly batch?: number;
  /** How early `async-hyperband` may stop a trial; absent: standard. */
  readonly mode?: HyperbandMode;
  /** Points to try first, right after the script's own values; absent: none. */
  readonly points?: readonly Params[];
  /** Results from elsewhere that the sampler may learn from, mapped to this study's space; absent: none. */
  readonly prior?: readonly PriorTrial[];
}

/** Optimism about pending trials: each counts as if it had reached the best, mean or worst loss so far, or a draw of the model. */
export const liars = ['min', 'mean', 'max', 'fantasy'] as const;
export type Liar = (typeof liars)[number];

export const hyperbandModes = ['conservative', 'standard', 'aggressive'] as const;
export type HyperbandMode = (typeof hyperbandModes)[number];

/** What another study, or a table of earlier results, knows about a point of this study's space. */
export interface PriorTrial {
  readonly params: Params;
  readonly state: 'complete' | 'pruned' | 'failed' | 'infeasible';
  /** By metric. */
  readonly values: MetricValues;
  /** Resource reached; null where that study had none. */
  readonly resource: number | null;
}

export interface Money {
  readonly amount: number;
  /** ISO 4217, such as USD; all prices and limits of a study have one. */
  readonly currency: string;
}

/** Null means unlimited. */
export interface Budget {
  readonly trials: number | null;
  readonly wallTimeMs: number | null;
  /** Sum over all attempts of the resource consumed, in units of the fidelity. */
  readonly resource: number | null;
  /** Time of one GPU in ms, summed over all attempts; absent: without limit. */
  readonly gpuMs?: number;
  /** What all attempts may cost, by `StudySpec.price` and `Pool.price`; absent: without limit. */
  readonly cost?: Money;
  /** The study ends after this many trials in a row without a better result; absent: it does not. */
  readonly patience?: number;
  /** It ends when the next trials are expected to improve the objective by less, in its units; absent: it does not. */
  readonly minGain?: number;
}

export interface TrialLimits {
  /** An attempt is ended after this long; null means never. */
  readonly timeoutMs: number | null;
  /** Time between asking an attempt to end and killing it. */
  readonly graceMs: number;
  /** Bytes of output after which an attempt is ended. */
  readonly outputBytes: number;
  /** Processors that one trial is meant to use. */
  readonly cpus: number;
  /** Different metrics that are kept of an attempt, besides those that the study reads; absent: `usualMetricNames`. */
  readonly metricNames?: number;
  /** Reports of one metric that are all kept of an attempt; then each tenth is, each hundredth …; absent: `usualMetricRecords`. */
  readonly metricRecords?: number;
}

export const usualMetricNames = 200;
export const usualMetricRecords = 10_000;
/** Objectives and what constraints read are kept in full up to here: a hundred seconds of all that can be recorded. */
export const maxRequiredRecords = 2_000_000;

export const retryNames = ['error', 'memory', 'timeout', 'lost', 'preempted'] as const;

/** How many further attempts a trial gets after failures of one kind in a row; null: without limit. */
export interface RetrySettings extends Readonly<Record<(typeof retryNames)[number], number | null>> {
  /** The program failed. */
  readonly error: number;
  /** It ran out of memory beside other trials; the further attempt runs alone. */
  readonly memory: number;
  /** Its time limit was over; only with a checkpoint. */
  readonly timeout: number;
  /** Lost, or not to be started. */
  readonly lost: number;
  readonly preempted: number | null;
}

/** Everything that a study is, fixed when it starts. */
export interface StudySpec {
  readonly name: string;
  /** Absolute path of the project root on the machine of the agent. */
  readonly root: string;
  /** Script relative to the root; null for an hpo.yml study that only has a command. */
  readonly script: string | null;
  /** The argument vector; the element `{script}` stands for the spliced script. */
  readonly command: readonly string[];
  readonly space: SearchSpace;
  readonly objectives: readonly Objective[];
  readonly constraints: readonly string[];
  readonly fidelity: Fidelity | null;
  readonly metrics: readonly MetricSource[];
  readonly search: SearchSettings;
  readonly budget: Budget;
  readonly limits: TrialLimits;
  /** What the place of one trial costs in an hour, where its pool says nothing else; absent: nothing. */
  readonly price?: Money;
  /** Absent: the usual ones, see `failurePolicy`. */
  readonly retry?: RetrySettings;
  readonly checkpoint: { readonly dir: string } | null;
  readonly executor: ExecutorName;
  /** Present where attempts run in containers. */
  readonly container?: ContainerSettings;
  /** Present where they do so on a cluster. */
  readonly cluster?: ClusterSettings;
  readonly environment: EnvironmentChoice;
  /** Hash of the code snapshot. */
  readonly snapshot: string;
  readonly spaceHash: string;
}

/** What the attempts of a study in containers get. */
export interface ContainerSettings {
  readonly image: ImageReference;
  /** Data of this machine, as `@hpo.data` says; paths are absolute on both sides. Empty on a cluster. */
  readonly mounts: readonly { readonly source: string; readonly target: string; readonly readOnly: boolean }[];
  readonly network: boolean;
  /** Null: no limit but the machine's. */
  readonly memoryBytes: number | null;
  readonly shmBytes: number;
  /** What /tmp and HOME can hold each, in memory; absent: half of the memory, at most 1 GB. */
  readonly tmpBytes?: number;
  /** Most processes and threads. */
  readonly pids: number;
  readonly gpus: number;
  /** Variables handed on from the agent's environment, by name (`@hpo.secret`). */
  readonly secrets: readonly string[];
  /** What of the project is not in the stored code and may be missed as a module, relative to its root. Studies of earlier versions have none. */
  readonly leftOut?: readonly { readonly path: string; readonly reason: string }[];
}

/** By what a cluster is known again, whatever kubeconfigs call it. */
export interface ClusterIdentity {
  /** Uid of its namespace kube-system; null where the user may not see that. */
  readonly cluster: string | null;
  /** Uid of what the cluster itself has put into the namespace of the studies; null where the user may not see that. */
  readonly namespace: string | null;
}

/** What the pods of a study get besides `ContainerSettings`, fixed when the study starts. */
export interface ClusterSettings {
  /** Name of the kubeconfig's context, and the namespace in which everything of the study is. */
  readonly context: string;
  /** Absolute paths of the kubeconfig files that have the context, on the machine where the study began; studies of earlier versions have none. */
  readonly kubeconfig?: readonly string[] | undefined;
  readonly namespace: string;
  /** Of that cluster and that namespace; studies of earlier versions have none. */
  readonly identity?: ClusterIdentity | undefined;
  /** Mark of the home in which the study began: in the names and labels of all that it has on the cluster, also after it moved to another home. */
  readonly home: string;
  /** `objects`: the code travels in ConfigMaps; `image`: it is the last layer of the image. */
  readonly codeIn: 'objects' | 'image';
  /** Secrets of the namespace by which the image is pulled. */
  readonly pullSecrets: readonly string[];
  /** LocalQueue of Kueue in which Jobs wait; null for none. */
  readonly queue: string | null;
  readonly priorityClass: string | null;
  /** Volume claims of the namespace: data (`pvc://CLAIM/PATH`), and what programs write. */
  readonly volumes: readonly ClusterVolume[];
  /** Where checkpoints are kept over attempts; null: no attempt has what an earlier one saved. */
  readonly checkpoints: CheckpointStore | null;
  /** Kinds of nodes to which trials are sent, the first that fits; never empty. */
  readonly pools: readonly Pool[];
  /** What a pod gets where its script says no cpus; absent: what `limits.cpus` of the study says. */
  readonly cpus?: PodCpus;
  /** PodTemplateSpec of the user's as JSON, merged below what is ours; null for none. */
  readonly podTemplate: string | null;
  /** Parallel trials follow what the cluster has room for, up to `search.parallel`. */
  readonly followsCapacity: boolean;
}

/** Processors of a pod: what it has in any case, and the most that it uses where others leave more; null: no limit. */
export interface PodCpus {
  readonly request: number;
  readonly limit: number | null;
}

export interface ClusterVolume {
  readonly claim: string;
  /** Path within the volume, without a slash at its beginning; empty for all of it. */
  readonly path: string;
  /** Absolute, in the container. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** A folder of a volume, or objects under a prefix to which archives are sent. */
export type CheckpointStore =
  | { readonly type: 'volume'; readonly claim: string; readonly path: string }
  /**
   * `secret` of the namespace has the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `endpoint` null: Amazon's. `image` has the
   * Python that brings and sends; null: that of the trials.
   */
  | {
      readonly type: 's3';
      readonly bucket: string;
      readonly prefix: string;
      readonly region: string;
      readonly endpoint: string | null;
      readonly secret: string;
      readonly image: string | null;
    };

export interface Pool {
  readonly name: string;
  /** Condition on the trial's parameters, in the words of `@hpo … when`; null: any trial. */
  readonly when: string | null;
  /** Most trials of this study that run there at once; null: no limit. */
  readonly slots: number | null;
  /** GPUs of one trial, and the resource by which the cluster knows them, such as `nvidia.com/gpu`. */
  readonly gpus: number;
  readonly gpuResource: string;
  /** What the place of one trial costs there in an hour; absent: what the study says. */
  readonly price?: Money;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly Toleration[];
  /** Labels of nodes that are taken first where there are such, each of them alone; absent: none. */
  readonly prefers?: readonly { readonly label: string; readonly value: string }[];
}

export interface Toleration {
  /** Null: every key. */
  readonly key: string | null;
  /** Null: every value. */
  readonly value: string | null;
  /** Null: every effect. */
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute' | null;
}

/** Why an attempt that was asked for has not begun; the words are for people. */
export interface WaitReason {
  readonly kind: 'queued' | 'unschedulable' | 'image' | 'starting' | 'unreachable';
  readonly message: string;
}

export interface ImageReference {
  /** Name on the engine, for people; on a cluster `REGISTRY/NAME@sha256:…`, which its nodes pull. */
  readonly name: string;
  /** `sha256:…`: exactly what every attempt of the study runs in. */
  readonly id: string;
  /** Key of the stored recipe that makes it again; null for the user's own image. */
  readonly recipe: string | null;
}

/** The interpreter that runs the trials and why it was chosen; shown to the user, never guessed silently. */
export interface EnvironmentChoice {
  readonly interpreter: string;
  readonly version: string;
  /** `setting`, `editor`, `project .venv`, `uv`, `conda`, `PATH`, `made from requirements.txt` … */
  readonly reason: string;
}

export type StudyState = 'running' | 'paused' | 'stopping' | 'ended';

export type StudyEndReason = 'budget' | 'goal' | 'plateau' | 'exhausted' | 'stopped' | 'failed';

/**
 * ```
 *                    ┌──────────────┐ promoted / resumed
 *                    ▼              │
 *  waiting ──────► running ──────► paused
 *     │               │              │
 *     └─► cancelled ◄─┼──────────────┤
 *                     ▼              ▼
 *        complete · pruned · failed · infeasible   (pruned also from paused, when the study ends)
 * ```
 * A running trial goes back to `waiting` when its attempt is to be repeated (preempted, lost …), or made room because the study
 * paused; a failed or cancelled one when the user retries it.
 */
export type TrialState = 'waiting' | 'running' | 'paused' | 'complete' | 'pruned' | 'failed' | 'infeasible' | 'cancelled';

export const endedTrialStates = [
  'complete',
  'pruned',
  'failed',
  'infeasible',
  'cancelled',
] as const satisfies readonly TrialState[];

/** Why an attempt did not deliver. Preempted and infrastructure are never the trial's failure. */
export type FailureKind = 'userError' | 'badMetric' | 'outOfMemory' | 'timeout' | 'preempted' | 'infrastructure' | 'cancelled';

export interface Failure {
  readonly kind: FailureKind;
  /** Stable, documented code such as `HPO-3001`. */
  readonly code: string;
  /** What, why and what next. */
  readonly message: string;
}

/** A metric's value; the three that JSON lacks are named. */
export type MetricValue = number | 'nan' | 'inf' | '-inf';
export type MetricValues = Readonly<Record<string, MetricValue>>;

export interface AttemptKey {
  readonly studyId: string;
  /** Trial number, from 0. */
  readonly trial: number;
  /** Attempt number within the trial, from 1. */
  readonly attempt: number;
}

export interface BestTrial {
  readonly number: number;
  readonly params: Params;
  readonly values: MetricValues;
}
