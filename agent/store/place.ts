import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { HpoError } from '../protocol/errors.ts';
import { flush } from './flush.ts';
import { keepPrivate } from './lock.ts';
import { repairedFile } from './repair.ts';

/**
 * Whether the file that is open is still the one at its path. Where an open file can be removed, SQLite goes on writing to
 * what nobody can open any more, and says nothing.
 */
export class Place {
  readonly #path: string;
  /** Null for what is not on a disk, and on Windows, which removes no open file. */
  readonly #file: string | null;

  constructor(path: string) {
    this.#path = path;
    this.#file = process.platform === 'win32' ? null : identity(path);
  }

  /** Costs microseconds. */
  look(): 'kept' | 'empty' | 'taken' {
    if (this.#file === null) return 'kept';
    const now = identity(this.#path);
    if (now === this.#file) return 'kept';
    return now === null ? 'empty' : 'taken';
  }
}

function identity(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.dev}:${stat.ino}`;
}

/**
 * Writes all that an open journal holds to a file beside it, which the next agent or `hpo doctor --repair` puts in its place
 * should this process end before `putInPlace`.
 */
export function rescue(db: DatabaseSync, path: string): void {
  const unfinished = `${path}.repairing`;
  rmSync(unfinished, { force: true });
  keepPrivate(unfinished);
  db.prepare('VACUUM INTO ?').run(unfinished);
  flush(unfinished);
  renameSync(unfinished, repairedFile(path));
  flush(dirname(path));
}

/** Only where nothing is at the path: a WAL that is left there is the removed file's. */
export function putInPlace(path: string): void {
  if (existsSync(path)) throw placeTaken(path);
  for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  renameSync(repairedFile(path), path);
  flush(dirname(path));
}

export function placeTaken(path: string): HpoError {
  return new HpoError(
    'HPO-6014',
    `Another file was put in the place of the journal ${path} while it was in use; nothing new is recorded and no trial starts. The agent still holds all that was recorded.`,
    `Move the other file away: the agent then writes the journal there anew, and nothing is lost. If the agent is stopped first, it leaves the journal as ${repairedFile(path)}, and hpo doctor --repair puts it back and moves the other file aside.`,
  );
}
