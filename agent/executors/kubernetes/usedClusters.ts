import { dirname } from 'node:path';
import type { ClusterSettings } from '../../protocol/study.ts';
import type { Files } from '../../system/files.ts';

/** Tells one place of one home from others. */
export function placeKey({ context, namespace, home }: Pick<ClusterSettings, 'context' | 'namespace' | 'home'>): string {
  return JSON.stringify([context, namespace, home]);
}

/** The clusters on which this home may have anything, also of studies whose folders are gone. */
export class UsedClusters {
  readonly #disk: Files;
  readonly #path: string;
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve();

  constructor(disk: Files, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  async all(): Promise<readonly ClusterSettings[]> {
    if ((await this.#disk.stat(this.#path)) === null) return [];
    const text = await this.#disk.readText(this.#path);
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written below
      return JSON.parse(text) as ClusterSettings[];
    } catch (error) {
      // A power cut damaged it; studies that go on add theirs again.
      if (error instanceof SyntaxError) return [];
      throw error;
    }
  }

  add(settings: ClusterSettings): Promise<void> {
    const adding = this.#changing.then(() => this.#add(settings));
    this.#changing = adding.catch(() => {});
    return adding;
  }

  async #add(settings: ClusterSettings): Promise<void> {
    const known = await this.all();
    if (known.some((one) => placeKey(one) === placeKey(settings))) return;
    await this.#disk.makeFolder(dirname(this.#path));
    await this.#disk.writeText(`${this.#path}.new`, JSON.stringify([...known, settings]));
    await this.#disk.rename(`${this.#path}.new`, this.#path);
  }
}
