import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { HpoError } from '../protocol/errors.ts';
import type { StudySpec } from '../protocol/study.ts';
import type { Files } from '../system/files.ts';
import { writeDurably } from '../system/writeDurably.ts';
import { parseImageName } from './imageName.ts';
import { unreachable } from './registryError.ts';
import type { Registry } from './registry.ts';

/** An image with the code of studies that this home has pushed, and no other home has the like of. */
export interface CodeImage {
  /** As this machine reaches it, with its tag. */
  readonly name: string;
  /** Its registry is asked by http. */
  readonly isPlain: boolean;
  /** Null until all of it is there. */
  readonly digest: string | null;
  /** When a start of a study wanted it last, in ms since the epoch. */
  readonly wantedAt: number;
  /** A study that another agent acts on runs in it: for how long is not known here. */
  readonly isAway?: true;
}

/** Digests of the images that studies run in. */
export function imagesOf(studies: Iterable<{ readonly spec: Pick<StudySpec, 'container'> }>): ReadonlySet<string> {
  return new Set([...studies].flatMap(({ spec }) => spec.container?.image.id ?? []));
}

/** From then on, no study that is about to start wants it: one that does is known by then. */
const startMs = 3_600_000;
/** A deletion waits no longer for a registry. */
const patienceMs = 20_000;

/**
 * The code images of a home, in a file each: of several processes, each changes what it means alone. What is not noted here is never
 * removed, whatever its name is.
 */
export class CodeImages {
  readonly #disk: Files;
  readonly #folder: string;
  readonly #registry: (image: CodeImage) => Registry;
  /** One at a time. */
  #acting: Promise<unknown> = Promise.resolve();

  constructor(disk: Files, homeDir: string, registry: (image: CodeImage) => Registry) {
    this.#disk = disk;
    this.#folder = join(homeDir, 'run', 'code-images');
    this.#registry = registry;
  }

  async all(): Promise<readonly CodeImage[]> {
    const names = (await this.#disk.names(this.#folder)).filter((name) => name.endsWith('.json'));
    const read = await Promise.all(names.map((name) => this.#read(join(this.#folder, name))));
    return read.filter((image) => image !== null);
  }

  /** Resolves when it is on the disk, as it is before anything is pushed. */
  note(image: Omit<CodeImage, 'isAway'>): Promise<void> {
    return this.#inTurn(async () => {
      const path = this.#path(image.name);
      const before = await this.#read(path);
      const digest = image.digest ?? before?.digest ?? null;
      await writeDurably(this.#disk, path, JSON.stringify({ ...before, ...image, digest }));
    });
  }

  /** The study in that image is another agent's from now on. */
  giveAway(digest: string): Promise<void> {
    return this.#inTurn(async () => {
      for (const image of await this.all())
        if (image.digest === digest)
          await writeDurably(this.#disk, this.#path(image.name), JSON.stringify({ ...image, isAway: true }));
    });
  }

  /** Those that nobody needs, where studies have the images of these digests. */
  async unused(digests: ReadonlySet<string>, now: number): Promise<readonly CodeImage[]> {
    return (await this.all()).filter(
      ({ digest, wantedAt, isAway }) => isAway !== true && now - wantedAt >= startMs && (digest === null || !digests.has(digest)),
    );
  }

  /**
   * Removes the image of a study that is deleted, unless one of these others has it, or a start has wanted it since `since` (ms since
   * the epoch). Rejects as `remove` does.
   */
  removeOf(digest: string, others: ReadonlySet<string>, since: number): Promise<void> {
    return this.#inTurn(async () => {
      if (others.has(digest)) return;
      for (const image of await this.all())
        if (image.digest === digest && image.isAway !== true && image.wantedAt <= since) await this.#remove(image);
    });
  }

  /**
   * Resolves with whether it was there. Rejects with HPO-2525 where its registry lets nobody remove images, which is said once, as
   * nothing is known of it here afterwards; with the registry's own fault where another try may help.
   */
  remove(image: CodeImage): Promise<boolean> {
    return this.#inTurn(() => this.#remove(image));
  }

  async #remove(image: CodeImage): Promise<boolean> {
    const name = parseImageName(image.name);
    const signal = AbortSignal.timeout(patienceMs);
    const removal = await this.#removal(image, signal).catch((error: unknown) => {
      throw error instanceof HpoError || !signal.aborted ? error : unreachable(name.registry, 'it does not answer', error);
    });
    await this.#disk.remove(this.#path(image.name));
    if (removal !== 'forbidden') return removal === 'removed';
    throw new HpoError(
      'HPO-2525',
      `the registry ${name.registry} lets nobody remove images: ${image.name}, with the code of a study that is gone, stays there`,
      `remove ${image.name} by the registry's own means: its web page or its rules for old images; one of your own can allow it (docker-registry: storage.delete.enabled)`,
    );
  }

  /** A start that comes while one is removed finds that it is gone, and makes it anew. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const acting = this.#acting.then(act);
    this.#acting = acting.catch(() => {});
    return acting;
  }

  async #removal(image: CodeImage, signal: AbortSignal): ReturnType<Registry['remove']> {
    const registry = this.#registry(image);
    const name = parseImageName(image.name);
    const digest = image.digest ?? (await registry.digestOf(name));
    return digest === null ? 'gone' : await registry.remove({ ...name, reference: digest }, signal);
  }

  /** Null for what is not there, or damaged from outside: it is left alone. */
  async #read(path: string): Promise<CodeImage | null> {
    if ((await this.#disk.stat(path)) === null) return null;
    const text = await this.#disk.readText(path);
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written above
      return JSON.parse(text) as CodeImage;
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }

  #path(name: string): string {
    return join(this.#folder, `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.json`);
  }
}
