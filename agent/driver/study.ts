import type { StudyState } from '../core/study/index.ts';
import type { Executor, PreparedStudy } from '../executors/executor.ts';
import { HpoError } from '../protocol/errors.ts';

/** A study as the driver has it. */
export interface Study {
  readonly studyId: string;
  /** Replaced by what the journal holds where an append failed. */
  state: StudyState;
  readonly executor: Executor;
  /** Resolves when the executor has made the snapshot ready and the tuned files are read. */
  ready: Promise<ReadonlyMap<string, string>> | null;
  /** Whether the executor may have something of it that its end leaves behind. */
  isUntidy: boolean;
  /** The last tidying up after an end: a study that is resumed waits for it. */
  cleanup: Promise<void>;
  /** Resolves when nothing of a study that moved away is under way here; null while it is here. */
  released: Promise<void> | null;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function noSuchStudy(studyId: string): HpoError {
  return new HpoError('HPO-4004', `there is no study "${studyId}"`, 'list them with: hpo status', { exitCode: 3 });
}

/** What its executor is told of it. */
export function preparedOf({ studyId, state }: Study): PreparedStudy {
  const { moves, spec } = state.view;
  const { root, snapshot, container = null, cluster = null } = spec;
  return { studyId, root, snapshot, container, cluster, moves };
}
