import { dirname, join } from 'node:path';
import type { Files } from '../../system/files.ts';

/**
 * Studies that another agent acts on by now. What they have on a cluster carries the mark of the home where they began, so it must be
 * known whose they are for as long as anything may be left of them, also when their folders here are gone.
 */
export class AwayStudies {
  readonly #disk: Files;
  readonly #homeDir: string;
  readonly #path: string;
  #known: Promise<Set<string>> | null = null;
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve();

  constructor(disk: Files, homeDir: string) {
    this.#disk = disk;
    this.#homeDir = homeDir;
    this.#path = pathOf(homeDir);
  }

  async has(studyId: string): Promise<boolean> {
    return (await this.#all()).has(studyId);
  }

  /** Resolves when it is on the disk. */
  set(studyId: string, isAway: boolean): Promise<void> {
    const changing = this.#changing.then(() => this.#set(studyId, isAway));
    this.#changing = changing.catch(() => {});
    return changing;
  }

  async #set(studyId: string, isAway: boolean): Promise<void> {
    const known = await this.#all();
    if (known.has(studyId) === isAway) return;
    // From now on, whatever the disk says: nothing of it may be touched while it is written.
    if (isAway) known.add(studyId);
    const others = [...known].filter((id) => id !== studyId);
    await this.#disk.makeFolder(dirname(this.#path));
    await this.#disk.writeText(`${this.#path}.new`, JSON.stringify(isAway ? [...others, studyId] : others));
    await this.#disk.rename(`${this.#path}.new`, this.#path);
    if (!isAway) known.delete(studyId);
  }

  #all(): Promise<Set<string>> {
    this.#known ??= awayStudies(this.#disk, this.#homeDir).catch((error: unknown) => {
      this.#known = null;
      throw error;
    });
    return this.#known;
  }
}

/** As they are on the disk. */
export async function awayStudies(disk: Files, homeDir: string): Promise<Set<string>> {
  const path = pathOf(homeDir);
  if ((await disk.stat(path)) === null) return new Set();
  const parsed: unknown = JSON.parse(await disk.readText(path));
  return new Set(Array.isArray(parsed) ? parsed.filter((id) => typeof id === 'string') : []);
}

function pathOf(homeDir: string): string {
  return join(homeDir, 'run', 'away.json');
}
