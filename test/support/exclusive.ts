import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until no other process holds the lock file; an SQLite transaction, so the kernel frees it when a process dies. */
export async function exclusive(path: string): Promise<AsyncDisposable> {
  const db = new DatabaseSync(path, { timeout: 0 });
  for (;;) {
    try {
      db.exec('BEGIN EXCLUSIVE');
      return { [Symbol.asyncDispose]: () => Promise.resolve(db.close()) };
    } catch (error) {
      if (!(error instanceof Error && /locked/.test(error.message))) throw error;
      await sleep(200);
    }
  }
}
