import type { ClusterSettings } from '../../protocol/study.ts';
import type { Files } from '../../system/files.ts';
import { writeDurably } from '../../system/writeDurably.ts';

/** Tells one place of one home from others, also where a context has come to mean another cluster. */
export function placeKey({
  context,
  namespace,
  identity,
  home,
}: Pick<ClusterSettings, 'context' | 'namespace' | 'identity' | 'home'>): string {
  return JSON.stringify([context, namespace, home, identity?.namespace ?? identity?.cluster ?? null]);
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
      // Damaged from outside; studies that go on add theirs again.
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
    await writeDurably(this.#disk, this.#path, JSON.stringify([...known, settings]));
  }
}
