import type { JournalEntry } from './events.ts';
import type { Diagnostic, Params, ScriptSpec } from './space.ts';
import type {
  BestTrial,
  ClusterVolume,
  EnvironmentChoice,
  ExecutorName,
  Failure,
  Pool,
  SamplerName,
  SchedulerName,
  StudyEndReason,
  Money,
  StudySpec,
  StudyState,
  WaitReason,
} from './study.ts';
import type { StudyView, TrialCounts, TrialView } from './view.ts';

/** Raised by one whenever a request, an answer or an event changes its meaning. */
export const protocolVersion = 1;

/** What the user chose on top of the annotations; every field is optional and wins over the script. */
export interface TuneRequest {
  /** Absolute path of the script or hpo.yml. */
  readonly script: string;
  readonly trials?: number;
  /** `auto`: as many as there is room for, on a cluster as that changes. */
  readonly parallel?: number | 'auto';
  /** See `SearchSettings.batch`. */
  readonly batch?: number;
  readonly seed?: number;
  readonly sampler?: SamplerName;
  readonly scheduler?: SchedulerName;
  readonly executor?: ExecutorName;
  /** Words of `--budget`, as in `@hpo.budget`: `hours=1`, `minutes=10`, `trials=30`, `resource=500`. */
  readonly budget?: Readonly<Record<string, string>>;
  /** Chosen by the user for a script that annotates none (rule 7). */
  readonly objective?: { readonly metric: string; readonly direction: 'min' | 'max' };
  /** Interpreter and the words for why (a setting, or the environment chosen in the editor). */
  readonly interpreter?: { readonly path: string; readonly reason: string };
  /** `auto` makes an environment from the script's manifest where the chosen interpreter lacks packages. */
  readonly env?: 'auto' | 'current';
  /** Stops an attempt after this long. */
  readonly trialTimeoutMs?: number;
  /** Words of `--retry`, as in `@hpo.retry`: `lost=3`, `timeout=2`. */
  readonly retry?: Readonly<Record<string, string>>;
  /** Points to try first, right after the script's own values; what one leaves out keeps the script's own value. */
  readonly points?: readonly Params[];
  /** Studies whose trials the search may learn from, as far as they have a place in this one's space. */
  readonly from?: readonly string[];
  /** For containers: `auto`, `devcontainer` (the user agreed to it), the path of a Dockerfile, or the name of an image. Wins over `@hpo.image`. */
  readonly image?: string;
  /** The user agreed to a snapshot above `askedSnapshotBytes`. */
  readonly allowLarge?: boolean;
  /** What the user agreed to of the credentials that the project asks for, as the question `credentials` has them. */
  readonly allow?: readonly string[];
  /** The study begins paused: it is resumed where it is to run. */
  readonly isPaused?: boolean;
  /** Which cluster, and what of it; for `kubernetes` only. Never from a project. */
  readonly cluster?: ClusterWish;
}

/** What is absent is as the profile in use says. */
export interface ClusterWish {
  /** Name of a profile. */
  readonly name?: string;
  /**
   * Absolute paths of the kubeconfig files of who asks, as kubectl finds them: the agent may have been started with others. Never
   * from a project. Absent: as the agent's own environment says.
   */
  readonly kubeconfig?: readonly string[];
  /** Of the user's kubeconfig. */
  readonly context?: string;
  readonly namespace?: string;
  /** Kueue's LocalQueue; `none`: none. Wins over the project's words. */
  readonly queue?: string;
  /** Absolute path of a pod template; wins over the project's. */
  readonly podTemplate?: string;
}

/** Everything there is to know before a start; nothing has been started or written. */
export interface Preflight {
  readonly spec: ScriptSpec;
  readonly diagnostics: readonly Diagnostic[];
  readonly environment: EnvironmentChoice | null;
  /** Requirements of the manifest that the interpreter lacks. */
  readonly missingPackages: readonly string[];
  /** The manifest that asked for them, relative to the root; null when there is none. */
  readonly manifest: string | null;
  /** `linked`: files and folders that are not stored but linked into each attempt, relative to the root. */
  readonly snapshot: { readonly files: number; readonly bytes: number; readonly linked: readonly string[] };
  /** Null where attempts run as processes. */
  readonly container: ContainerPreflight | null;
  /** Null where they do not run on a cluster. */
  readonly cluster: ClusterPreflight | null;
  readonly plan: StudyPlan;
  /** What has to be answered before a start, in order. Empty: it can start. */
  readonly questions: readonly PreflightQuestion[];
}

export type PreflightQuestion =
  /** No objective is annotated; the candidates are metric names found in the script, likeliest first. */
  | {
      readonly type: 'objective';
      readonly candidates: readonly { readonly metric: string; readonly direction: 'min' | 'max' | null }[];
    }
  /** No interpreter, or one that lacks packages: make an environment? */
  | { readonly type: 'environment'; readonly message: string }
  /** Containers were asked for and there is no engine, it does not run, or it refuses: run as processes instead? */
  | { readonly type: 'engine'; readonly code: string; readonly message: string; readonly next: string }
  /** A cluster was asked for and there is none, it gives no answer, or it refuses: run on this machine instead? */
  | { readonly type: 'cluster'; readonly code: string; readonly message: string; readonly next: string }
  /** Several clusters could be meant: which one? */
  | { readonly type: 'context'; readonly message: string; readonly choices: readonly ClusterChoice[] }
  /** The project asks for credentials of the cluster, and may be somebody else's: may it have them? `words` are the answer. */
  | { readonly type: 'credentials'; readonly message: string; readonly words: readonly string[] }
  /** A devcontainer describes the environment, and may do anything: use it? */
  | { readonly type: 'devcontainer'; readonly message: string }
  /** The snapshot is large: store it all the same? */
  | { readonly type: 'size'; readonly bytes: number; readonly message: string };

/** What containers of the study would get. */
export interface ContainerPreflight {
  /** Name on the engine. */
  readonly image: string;
  /** What says which packages are in it, and why: `uv.lock beside train.py`. */
  readonly reason: string;
  readonly isReproducible: boolean;
  /** Nothing has to be built or pulled before the start. Null where the engine cannot be asked. */
  readonly isReady: boolean | null;
  /** What else was found and why it was passed over. */
  readonly passedOver: readonly { readonly file: string; readonly reason: string }[];
  readonly notes: readonly string[];
  /** Paths in the script's literals that no container would have, each with the annotation that mounts it. */
  readonly outside: readonly {
    readonly file: string;
    readonly line: number;
    readonly path: string;
    readonly annotation: string;
  }[];
}

/** A cluster that the user has; `wish` chooses it. */
export interface ClusterChoice {
  /** For people: the profile's name, or the context. */
  readonly label: string;
  readonly namespace: string;
  /** URL of the API server. */
  readonly server: string;
  readonly wish: ClusterWish;
}

/** Where pods of the study would run, and what they would get besides `ContainerPreflight`. */
export interface ClusterPreflight {
  /** Name of the profile; the context's where there is none. */
  readonly name: string;
  readonly context: string;
  /** URL of the API server. */
  readonly server: string;
  readonly namespace: string;
  /** Version of Kubernetes; null where the cluster gives no answer. */
  readonly version: string | null;
  /** Where the image comes from, for people: `pushed to REGISTRY from the engine`, `pulled by the nodes`. */
  readonly imageFrom: string;
  /** How the code gets there, for people. */
  readonly codeBy: string;
  readonly queue: string | null;
  readonly pools: readonly Pool[];
  /** Where checkpoints are kept, for people; null for nowhere. */
  readonly checkpoints: string | null;
  readonly volumes: readonly ClusterVolume[];
}

/** What will run, computed without running: rungs are null without a fidelity. */
export interface StudyPlan {
  readonly sampler: SamplerName;
  readonly scheduler: SchedulerName;
  readonly trials: number | null;
  readonly parallel: number;
  /** Starts that are decided together; null where whatever is known counts at once. */
  readonly batch: number | null;
  readonly rungs: readonly { readonly resource: number; readonly trials: number }[] | null;
  /** Groups of trials that are compared with one another only, alike ones counted, without trial 0; null when there is one. */
  readonly brackets:
    | readonly {
        readonly count: number;
        readonly rungs: readonly { readonly resource: number; readonly trials: number }[];
      }[]
    | null;
  /** Total resource if every rung fills; null without a fidelity or an end. */
  readonly totalResource: number | null;
  /** The same trials, each at full resource. */
  readonly fullResource: number | null;
}

export interface StudySummary {
  readonly studyId: string;
  readonly name: string;
  readonly script: string | null;
  readonly root: string;
  readonly state: StudyState;
  /** Where the agent is that acts on it, for people; null where that is this one. */
  readonly movedTo: string | null;
  /** How often it moved. */
  readonly moves: number;
  readonly message: string;
  /** The one cause for which the study paused itself; else null. */
  readonly failure: Failure | null;
  readonly endReason: StudyEndReason | null;
  /** What limits left out of the records of its trials, for people; null for nothing. */
  readonly leftOut: string | null;
  readonly trials: TrialCounts;
  readonly best: BestTrial | null;
  readonly budget: StudySpec['budget'];
  /** What its attempts used up so far. */
  readonly used: { readonly gpuHours: number /** Null where nothing has a price. */; readonly cost: Money | null };
  readonly executor: ExecutorName;
  /** What the containers run in, and what describes it, for people; null where attempts run as processes. */
  readonly image: string | null;
  /** Where on a cluster, for people: `CONTEXT, namespace NAME`; null for this machine. */
  readonly cluster: string | null;
  /** Why attempts that were asked for have not begun, the reason of most first. */
  readonly waits: readonly { readonly reason: WaitReason; readonly attempts: number }[];
  readonly createdAt: number;
  readonly endedAt: number | null;
}

export interface AgentStatus {
  /** Tells the agent's home from every other, on any machine. */
  readonly id: string;
  readonly pid: number;
  readonly version: string;
  readonly socket: string;
  readonly home: string;
  readonly studies: number;
  /** Endpoint of the engine that its starter chose (`HPO_DOCKER_HOST`); null where the agent looks for one. */
  readonly dockerHost: string | null;
  /** DOCKER_HOST of the environment that it was started with; null for none. */
  readonly dockerHostVariable: string | null;
}

export interface CleanRequest {
  /** Nothing is freed: what would be is said. */
  readonly dryRun: boolean;
  /** Images that no study uses go, whatever the limits say. */
  readonly images: boolean;
  /** Those, and the images of studies that have ended: they are made again when a trial of one is tried again. */
  readonly all: boolean;
}

export interface CleanReport {
  readonly freed: readonly Cleaned[];
  /** Images that stay, and why. */
  readonly kept: readonly Cleaned[];
  /** Why containers and images were not looked at; null where they were, or this home has none. */
  readonly engine: { readonly code: string; readonly message: string; readonly next: string } | null;
}

export interface Cleaned {
  readonly kind: 'container' | 'image' | 'snapshot' | 'attempt';
  readonly name: string;
  /** Null where that is not known. Layers that images share are counted in each. */
  readonly bytes: number | null;
  /** Why it is freed, or stays. */
  readonly reason: string;
}

/** The environment image of a script, and what else its containers would get; nothing has been built or written. */
export interface ImageDescription {
  readonly kind: string;
  readonly reason: string;
  readonly isReproducible: boolean;
  readonly passedOver: readonly { readonly file: string; readonly reason: string }[];
  readonly notes: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  /** To be agreed to before it is used; null for nothing. */
  readonly question: string | null;
  /** Name on the engine. */
  readonly image: string;
  /** Null for the user's own image. */
  readonly key: string | null;
  /** Of the image as it is on the engine; null where it is not there, or the engine cannot be asked. */
  readonly id: string | null;
  /** Why the engine cannot be asked; null where it can. */
  readonly engine: { readonly code: string; readonly message: string; readonly next: string } | null;
  /** How the image and the code get to a cluster, for people; null where they do not. */
  readonly cluster: {
    readonly name: string;
    readonly namespace: string;
    readonly imageFrom: string;
    readonly codeBy: string;
    /** Nothing has to be built or sent before a start; null where that is not known. */
    readonly isReady: boolean | null;
  } | null;
  readonly base: string | null;
  /** What it is built from; null for the user's own image. */
  readonly dockerfile: string | null;
  /** Package settings of this machine that the build gets as secrets, by their ids. */
  readonly secrets: readonly string[];
  /** What would be stored as the code of the trials. */
  readonly snapshot: {
    readonly bytes: number;
    /** Largest first. */
    readonly files: readonly { readonly path: string; readonly bytes: number }[];
    readonly linked: readonly string[];
    readonly excluded: readonly { readonly path: string; readonly reason: string }[];
  };
  readonly mounts: readonly { readonly source: string; readonly target: string; readonly readOnly: boolean }[];
}

/** The one map of requests: both ends derive their types from it. */
export interface Requests {
  /** First on every connection. `token` is in the discovery file, which only its owner can read. */
  hello: {
    params: { protocolVersion: number; client: string; version: string; token: string };
    result: { protocolVersion: number; version: string; pid: number };
  };
  'agent/status': { params: Record<string, never>; result: AgentStatus };
  /** Why an agent in a cluster does not reach its API server, and so can do nothing; null where it does, and for one that is in none. */
  'agent/reach': {
    params: Record<string, never>;
    result: { readonly problem: { readonly code: string; readonly message: string; readonly next: string } | null };
  };
  'image/describe': { params: TuneRequest; result: ImageDescription };
  /** Builds or pulls the image of a script; `isFresh`: every step anew, also where it is there. */
  'image/build': {
    params: { request: TuneRequest; isFresh: boolean };
    result: { image: string; id: string; wasThere: boolean };
  };
  /** Ends the agent; running attempts go on and are adopted by the next agent. */
  'agent/stop': { params: Record<string, never>; result: Record<string, never> };
  /** Frees what no study needs any more, or says what that would be. */
  'agent/clean': { params: CleanRequest; result: CleanReport };
  'study/preflight': { params: TuneRequest; result: Preflight };
  'study/create': { params: TuneRequest; result: { studyId: string } };
  'study/list': { params: Record<string, never>; result: { studies: readonly StudySummary[] } };
  /** A study as it is, in one answer; refused (HPO-5018) for one of more than 5,000 trials. */
  'study/view': { params: { studyId: string }; result: StudyView };
  /**
   * A study, or all, at one moment: in pages, as `page` notifications with the number that the client chose for `stream`, and
   * then `seq`, from which a subscription goes on without a gap.
   */
  'study/pages': {
    params: { studyId: string | null; stream: number /** For who does not look at them. */; withoutCurves?: boolean };
    result: { seq: number };
  };
  /**
   * Entries of one study (or of all: null) with seq > from arrive as `events` notifications, first the past, then the
   * present, without a gap. Ends with the connection or `study/unsubscribe`.
   */
  'study/subscribe': { params: { studyId: string | null; from: number }; result: { subscription: number } };
  'study/unsubscribe': { params: { subscription: number }; result: Record<string, never> };
  /**
   * The steps by which a client moves a study from one agent to another: see `moves.ts`. What goes over is a file, in pieces of base64;
   * `epoch` of a move is one more than the view's `moves`.
   */
  'move/pack': { params: { studyId: string; isRest: boolean }; result: { bytes: number; sha256: string } };
  'move/read': { params: { studyId: string; offset: number }; result: { data: string } };
  'move/write': { params: { studyId: string; offset: number; data: string }; result: Record<string, never> };
  'move/unpack': { params: { studyId: string; sha256: string; isRest: boolean }; result: { events: number } };
  'move/leave': { params: { studyId: string; to: string; agent: string; epoch: number }; result: Record<string, never> };
  'move/arrive': { params: { studyId: string; from: string }; result: Record<string, never> };
  /**
   * A study that is away is taken back as it was when it left, whatever has become of the agent that has it: what came since is lost. By a
   * move of its own, so that the other agent, where it comes back, does nothing with it.
   */
  'move/takeBack': { params: { studyId: string; from: string }; result: Record<string, never> };
  /** What was made for it at the side that it left is removed. */
  'move/done': { params: { studyId: string }; result: Record<string, never> };
  'study/command': { params: { studyId: string; command: StudyCommand }; result: Record<string, never> };
  /** Bytes of an attempt's output from `offset`, at most 1 MiB; `ended` when nothing more will come. The latest attempt when `attempt` is absent. */
  'trial/log': {
    params: { studyId: string; trial: number; attempt?: number; offset: number };
    result: { text: string; nextOffset: number; ended: boolean };
  };
}

export type StudyCommand =
  /** `because`: why it has to, where that is no mere wish of the user's. */
  | { readonly type: 'pause'; readonly because?: string | undefined }
  | { readonly type: 'resume' }
  | { readonly type: 'stop' }
  | { readonly type: 'delete' }
  /** `auto`: as many as the cluster has room for, up to what the study began with. */
  | { readonly type: 'scale'; readonly parallel: number | 'auto' }
  | { readonly type: 'stopTrial'; readonly trial: number }
  /** Tries a failed or cancelled trial again; a study that has ended, or paused itself, goes on for it. */
  | { readonly type: 'retry'; readonly number: number }
  /** Tries a point as soon as a slot is free; what it leaves out keeps the script's own value. */
  | { readonly type: 'enqueue'; readonly params: Params };

export type RequestName = keyof Requests;

export interface Notifications {
  /** What a long request is doing (making an environment, taking the snapshot), for people. */
  progress: { readonly message: string };
  /** Some trials of a study, in order; `view` is the study without its trials. */
  page: { readonly stream: number; readonly view: StudyView; readonly trials: readonly TrialView[] };
  events: { readonly subscription: number; readonly entries: readonly JournalEntry[] };
}
