import type { ProposerAnswer, ProposerRequest } from '../core/study/index.ts';
import type { Executor, ExecutorListener } from '../executors/executor.ts';
import type { JournalEntry, OutputStream, StudyEvent } from '../protocol/events.ts';
import type { AttemptKey, ExecutorName } from '../protocol/study.ts';
import type { Clock } from '../system/clock.ts';
import type { Failpoints } from '../system/failpoints.ts';

/** The journal as the driver needs it. Implemented by `store/journal.ts`. */
export interface Journal {
  /**
   * Appends all events in one durable transaction (and updates the derived tables in it), or throws and appends none.
   * Events of one call may belong to several studies; order is kept, and sequence numbers follow each other without a gap.
   */
  append(events: readonly { readonly studyId: string; readonly event: StudyEvent }[]): readonly JournalEntry[];
  /** Entries with seq > from in order; of one study, or of all when studyId is null. */
  read(studyId: string | null, from: number): Iterable<JournalEntry>;
  /** Ids of all studies that are not deleted, oldest first. */
  studies(): readonly string[];
  /** Sequence number of the last entry; 0 when there is none. */
  lastSeq(): number;
}

/** States of studies beside the journal. Implemented by `store/savedStates.ts`; anything in it may be missing. */
export interface SavedStates {
  /** `seq`: the last entry that was folded. Null where there is none that counts. Reading the pages may throw. */
  load(studyId: string): { readonly seq: number; readonly rest: string; readonly pages: Iterable<string> } | null;
  /** A page of a state that is coming. */
  savePage(studyId: string, page: number, seq: number, text: string): void;
  /** Completes a state, with the last of its pages. */
  save(studyId: string, seq: number, rest: string, nPages: number, pages: Iterable<readonly [number, string]>): void;
  forget(studyId: string): void;
}

/** What the attempts wrote, wherever they run. */
export interface AttemptOutput {
  /** At most `maxBytes` bytes from `offset`; empty at the end of what is there, and for a file that is not there. */
  read(key: AttemptKey, stream: OutputStream, offset: number, maxBytes: number): Promise<Uint8Array>;
  /** Bytes written so far. */
  size(key: AttemptKey, stream: OutputStream): Promise<number>;
}

/** The stored code of a study. */
export interface SnapshotReader {
  readText(hash: string, path: string): Promise<string>;
  /**
   * Removes what is stored under other hashes, but for what was stored only just now; of that too what studies had that are
   * deleted, by when they were created, unless it was stored again since.
   */
  prune(keep: ReadonlySet<string>, released: ReadonlyMap<string, number>): Promise<void>;
}

export interface Log {
  info(message: string, data?: Readonly<Record<string, unknown>>): void;
  error(message: string, data?: Readonly<Record<string, unknown>>): void;
}

/** A thread that computes proposals, so that the driver waits for no model. It ends when it is disposed, or breaks. */
export interface ProposerThread extends Disposable {
  /** Requests are handled in order. */
  post(request: ProposerRequest): void;
}

export interface ProposerListener {
  answered(answer: ProposerAnswer): void;
  /** It has ended by itself, once, and answers nothing more. */
  broke(reason: string): void;
}

export type StartProposer = (listener: ProposerListener) => ProposerThread;

export interface DriverPorts {
  readonly journal: Journal;
  /** Absent or null: every opening folds the whole journal. */
  readonly saved?: SavedStates | null;
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  readonly output: AttemptOutput;
  readonly snapshots: SnapshotReader;
  readonly log: Log;
  /** Null: proposals are computed in the driver's own thread, however long they take. */
  readonly proposer: StartProposer | null;
  /** Told when a deleted study has left nothing behind in its executor. */
  readonly onForgotten?: () => void;
  /** The executors, made once with the driver as their listener. */
  readonly executors: (listener: ExecutorListener) => ReadonlyMap<ExecutorName, Executor>;
}
