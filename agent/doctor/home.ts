import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AttemptKey } from '../protocol/study.ts';

/** What lies in a home, by name; nothing of it is opened. */
export interface HomeFiles {
  readonly path: string;
  readonly journal: string;
  /** Study folders, and of each the attempts that have one. */
  readonly studies: ReadonlyMap<string, readonly AttemptKey[]>;
  /** Hashes of stored code. */
  readonly snapshots: readonly string[];
  /** Files and folders that a step leaves only where it was interrupted, with their paths. */
  readonly unfinished: readonly string[];
}

/** What is younger may be a step under way. */
const settledMs = 60_000;

export function readHome(path: string, nowMs: number): HomeFiles {
  const unfinished: string[] = [];
  const note = (folder: string, names: readonly string[], pattern: RegExp): void => {
    for (const name of names) {
      const file = join(folder, name);
      const changed = lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
      if (pattern.test(name) && nowMs - changed > settledMs) unfinished.push(file);
    }
  };
  const run = join(path, 'run');
  note(run, namesIn(run), /\.new$|^shim-\w+\.sh\./);
  note(path, namesIn(path), /^journal\.db\.repairing/);
  const snapshotsDir = join(path, 'snapshots');
  const snapshots = namesIn(snapshotsDir);
  note(snapshotsDir, snapshots, /^\.(?:taking|removing)-/);
  const studies = new Map<string, readonly AttemptKey[]>();
  const studiesDir = join(path, 'studies');
  for (const studyId of namesIn(studiesDir)) {
    const keys: AttemptKey[] = [];
    const trialsDir = join(studiesDir, studyId, 'trials');
    for (const trial of namesIn(trialsDir).filter((name) => /^\d+$/.test(name))) {
      const trialDir = join(trialsDir, trial);
      const names = namesIn(trialDir);
      note(trialDir, names, /^checkpoint\.new$/);
      for (const name of names) {
        const attempt = name.match(/^attempt-(\d+)$/)?.[1];
        if (attempt === undefined) continue;
        keys.push({ studyId, trial: Number(trial), attempt: Number(attempt) });
        const attemptDir = join(trialDir, name);
        note(attemptDir, namesIn(attemptDir), /^(?:start|exit)\.json\.(?:new|\d+)$/);
      }
    }
    studies.set(studyId, keys);
  }
  return {
    path,
    journal: join(path, 'journal.db'),
    studies,
    snapshots: snapshots.filter((name) => /^[0-9a-f]{64}$/.test(name)),
    unfinished,
  };
}

/** Empty for a folder that is not there or cannot be read. */
function namesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
