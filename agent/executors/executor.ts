import type { AttemptKey, ClusterSettings, ContainerSettings, WaitReason } from '../protocol/study.ts';

/**
 * Runs attempts somewhere. Every call is idempotent: names are deterministic, starting is create-or-adopt, and
 * `list` finds everything that carries our mark, also what an agent before this one started.
 * One conformance suite (`test/contract/executorSuite.ts`) holds every implementation to this.
 */
export interface Executor extends AsyncDisposable {
  readonly name: string;
  /** Makes ready what all attempts of a study share (the extracted snapshot). Called again after a restart of the agent. */
  prepare(study: PreparedStudy): Promise<void>;
  /**
   * Starts the attempt, or adopts it when it is there already. Resolves when it runs, or waits for a place that others give
   * (or has ended: adopting an attempt that ended while no agent was there leads to `ended` once); rejects with an HpoError of
   * kind infrastructure.
   */
  start(attempt: AttemptStart): Promise<void>;
  /** Asks the whole process tree of an attempt to end, and kills it after the grace. Resolves at once; `ended` follows. No-op when it is not there. */
  stop(key: AttemptKey, graceMs: number): Promise<void>;
  /**
   * Everything that runs or has ended and not been cleaned up, also what an agent before this one started. Only looks:
   * output and end of an attempt are told once it has been adopted by `start` (or ended by `stop`).
   */
  list(): Promise<readonly AttemptListing[]>;
  /** Studies of which anything is left, cleaned up or not. */
  studies(): Promise<readonly string[]>;
  /** Lets go of everything that belongs to the study; its attempts are killed first. The attempt folders stay unless `removeFiles`. */
  cleanup(studyId: string, options: { readonly removeFiles: boolean }): Promise<void>;
  /**
   * Another agent acts on the study from here on, and adopts its attempts: nothing of it is changed, removed, stopped or told any
   * more, and when this resolves nothing is under way and all that was read of its output is in the attempts' folders, which stay unless
   * `removeFiles`. Called again after a restart, before anything else of the study; `prepare` takes it back. Absent where attempts
   * are this machine's, so that no other agent can adopt them.
   */
  release?(studyId: string, options: { readonly removeFiles: boolean }): Promise<void>;
  /**
   * Before a study that goes on moves away: what the other agent could have from nowhere else, as secrets of this one's environment, is
   * left where its attempts find it. Rejects where that cannot be; the study stays then.
   */
  handOver?(study: PreparedStudy): Promise<void>;
  capacity(): Promise<Capacity>;
  /** Whether attempts of the study can be started here at present, as far as that can be seen without starting one. Never rejects. */
  isReady(studyId: string): Promise<boolean>;
}

export interface ExecutorListener {
  /** It has been asked for and has not begun, for this reason; null when nothing is known to be in its way. Repeated calls are allowed. */
  waits(key: AttemptKey, reason: WaitReason | null): void;
  /** The process runs. Repeated calls for one key are allowed. */
  started(key: AttemptKey, info: { readonly pid: number | null }): void;
  /** New bytes of output exist; a hint to read, never the truth. */
  output(key: AttemptKey): void;
  /** Exactly once per key and agent life, after all output is readable. */
  ended(key: AttemptKey, ending: Ending): void;
  /**
   * So many attempts of the study have room now, those that run included, by the names of the pools to which they are sent (`''`: none);
   * pools of which nothing is known yet are not there. Told by executors whose room changes.
   */
  room(studyId: string, attempts: Readonly<Record<string, number>>): void;
  /**
   * Another agent acts on the study, which nobody handed over to it, as this agent was taken for lost. Repeated calls are allowed; told by
   * executors with `release`.
   */
  takenOver?(studyId: string): void;
}

export interface PreparedStudy {
  readonly studyId: string;
  /** Absolute path of the project. */
  readonly root: string;
  /** Hash of the code snapshot. */
  readonly snapshot: string;
  /** Null where attempts run as processes. */
  readonly container: ContainerSettings | null;
  /** Null where they do not run on a cluster. */
  readonly cluster: ClusterSettings | null;
  /** How often it has moved between agents; absent: never. */
  readonly moves?: number;
}

export interface AttemptStart {
  readonly key: AttemptKey;
  readonly snapshot: string;
  /** Argument vector; the first element is the program. Paths inside the snapshot are relative to the work folder, which is the current directory. */
  readonly command: readonly string[];
  /** Added to the agent's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Files of the snapshot with the trial's values spliced in; paths are relative to the root. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  /** Folder relative to the work folder that is kept over the attempts of a trial, besides HPO_CHECKPOINT_DIR; null for none. */
  readonly checkpointDir: string | null;
  /**
   * Number of the trial of this study with a copy of whose checkpoint the trial's first attempt begins; null to begin with
   * none. Where that trial has none either, there is nothing to copy.
   */
  readonly checkpointFrom: number | null;
  readonly timeoutMs: number | null;
  readonly graceMs: number;
  /**
   * Most bytes of output and of metrics, whole: an attempt with more of either is ended even if no agent is there, with one the
   * driver is sooner. Of what it ended with, this many are kept and one more, which says that there was more.
   */
  readonly outputBytes: number;
  /** Files in the work folder from which metrics are read, relative to it. */
  readonly metricFiles: readonly string[];
  /** Name of the pool to which it is sent; null where there are none. */
  readonly pool: string | null;
  /** Threads that numeric libraries should take, so that trials side by side do not fight for processors; the user's own setting wins. */
  readonly cpus: number;
}

export interface AttemptListing {
  readonly key: AttemptKey;
  readonly state: 'running' | 'ended';
}

export interface Ending {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Ended by the shim because the deadline passed. */
  readonly isTimeout: boolean;
  /** Killed for memory by the kernel or the runtime. */
  readonly isOutOfMemory: boolean;
  /** The process vanished without a record of its end (a reboot, a kill of the shim). */
  readonly isLost: boolean;
  /** The machine was taken away, or somebody else ended it there: no fault of the program's. */
  readonly isPreempted: boolean;
  /** What else is known of a loss, a preemption, a start that failed, or a limit for which it was killed, for people; empty for nothing. */
  readonly detail: string;
}

/** The end of an attempt of which nothing is known. */
export const lostEnding: Ending = {
  exitCode: null,
  signal: null,
  isTimeout: false,
  isOutOfMemory: false,
  isLost: true,
  isPreempted: false,
  detail: '',
};

export interface Capacity {
  readonly cpus: number;
}

/** Where an attempt's files are; shared by local and Docker. */
export interface AttemptFiles {
  /** Folder with out.log, metrics.jsonl, start.json, exit.json. */
  attemptDir(key: AttemptKey): string;
}
