import { dirname } from 'node:path';
import type { Files } from '../../system/files.ts';

/**
 * Studies that another agent acts on by now. What they have on a cluster carries the mark of the home where they began, so it must be
 * known whose they are for as long as anything may be left of them, also when their folders here are gone.
 */
export class AwayStudies {
  readonly #disk: Files;
  readonly #path: string;
  #known: Promise<Set<string>> | null = null;
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve();

  constructor(disk: Files, path: string) {
    this.#disk = disk;
    this.#path = path;
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
    this.#known ??= this.#read().catch((error: unknown) => {
      this.#known = null;
      throw error;
    });
    return this.#known;
  }

  async #read(): Promise<Set<string>> {
    if ((await this.#disk.stat(this.#path)) === null) return new Set();
    const parsed: unknown = JSON.parse(await this.#disk.readText(this.#path));
    return new Set(Array.isArray(parsed) ? parsed.filter((id) => typeof id === 'string') : []);
  }
}
