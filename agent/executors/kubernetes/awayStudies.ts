import { join } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';
import type { JournalEntry } from '../../protocol/events.ts';
import type { Files } from '../../system/files.ts';
import { writeDurably } from '../../system/writeDurably.ts';

/**
 * Studies that another agent acts on by now. What they have on a cluster carries the mark of the home where they began, so it must be
 * known whose they are for as long as anything may be left of them, also when their folders here are gone.
 */
export class AwayStudies {
  readonly #disk: Files;
  readonly #homeDir: string;
  readonly #recall: (() => ReadonlySet<string>) | null;
  #known: Promise<Set<string>> | null = null;
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve();

  /** `recall` says the same from elsewhere: it is asked where the file is damaged, which is then written anew. Null: HPO-2514 then. */
  constructor(disk: Files, homeDir: string, recall: (() => ReadonlySet<string>) | null = null) {
    this.#disk = disk;
    this.#homeDir = homeDir;
    this.#recall = recall;
  }

  async has(studyId: string): Promise<boolean> {
    return (await this.all()).has(studyId);
  }

  /** Resolves when it is on the disk. */
  set(studyId: string, isAway: boolean): Promise<void> {
    const changing = this.#changing.then(() => this.#set(studyId, isAway));
    this.#changing = changing.catch(() => {});
    return changing;
  }

  all(): Promise<ReadonlySet<string>> {
    return this.#all();
  }

  async #set(studyId: string, isAway: boolean): Promise<void> {
    const known = await this.#all();
    if (known.has(studyId) === isAway) return;
    // From now on, whatever the disk says: nothing of it may be touched while it is written.
    if (isAway) known.add(studyId);
    const others = [...known].filter((id) => id !== studyId);
    await this.#write(isAway ? [...others, studyId] : others);
    if (!isAway) known.delete(studyId);
  }

  #all(): Promise<Set<string>> {
    this.#known ??= this.#read().catch((error: unknown) => {
      this.#known = null;
      throw error;
    });
    return this.#known;
  }

  async #read(): Promise<Set<string>> {
    const text = await textOf(this.#disk, this.#homeDir);
    const written = text === null ? new Set<string>() : parsed(text);
    if (written !== null) return written;
    if (this.#recall === null) throw damaged(this.#homeDir);
    const recalled = new Set(this.#recall());
    await this.#write([...recalled]);
    return recalled;
  }

  async #write(studyIds: readonly string[]): Promise<void> {
    await writeDurably(this.#disk, pathOf(this.#homeDir), JSON.stringify(studyIds));
  }
}

/** As they are on the disk. Rejects with HPO-2514 where that is damaged: an agent of the home knows better. */
export async function awayStudies(disk: Files, homeDir: string): Promise<ReadonlySet<string>> {
  const text = await textOf(disk, homeDir);
  const written = text === null ? new Set<string>() : parsed(text);
  if (written !== null) return written;
  throw damaged(homeDir);
}

function damaged(homeDir: string): HpoError {
  return new HpoError(
    'HPO-2514',
    `the list of studies that have moved away is damaged: ${pathOf(homeDir)}`,
    'the agent makes it anew from its journal when it starts: hpo agent stop, then hpo status',
  );
}

/** What a journal says: studies, also deleted ones, that moved away last and did not come back. */
export function movedAway(entries: Iterable<JournalEntry>): ReadonlySet<string> {
  const away = new Set<string>();
  for (const { studyId, event } of entries) {
    if (event.type === 'studyMovedAway') away.add(studyId);
    else if (event.type === 'studyMovedHere') away.delete(studyId);
  }
  return away;
}

/** Null where nothing was ever written. */
async function textOf(disk: Files, homeDir: string): Promise<string | null> {
  const path = pathOf(homeDir);
  return (await disk.stat(path)) === null ? null : await disk.readText(path);
}

/** Null for what was never written like this. */
function parsed(text: string): Set<string> | null {
  try {
    const ids: unknown = JSON.parse(text);
    return Array.isArray(ids) && ids.every((id) => typeof id === 'string') ? new Set(ids) : null;
  } catch {
    return null;
  }
}

function pathOf(homeDir: string): string {
  return join(homeDir, 'run', 'away.json');
}
