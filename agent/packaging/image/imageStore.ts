import { join } from 'node:path';
import type { BuildFile, Engine, EngineProgress, ImageInfo } from '../../engine/engine.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ImageReference } from '../../protocol/study.ts';
import type { System } from '../../system/system.ts';
import { refuseSecrets } from '../secrets/index.ts';
import { type ImageRecipe, imageName } from './recipe.ts';

export interface ImageStorePorts {
  /** `HPO_HOME/images`. */
  readonly dir: string;
  /** Value of the label `hpo.home`: two homes on one engine keep their images apart by it. */
  readonly mark: string;
  readonly system: Pick<System, 'clock' | 'files'>;
  readonly engine: () => Promise<Engine>;
  /** Package settings of this machine, by the ids of build secrets. */
  readonly secrets: () => Promise<Readonly<Record<string, Uint8Array>>>;
}

/** A recipe that this home keeps. */
export interface StoredImage {
  readonly key: string;
  /** Name on the engine. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly lastUsedAt: number;
  /** On the engine, when it was last looked at; layers that images share count in each. 0 for one that is not there. */
  readonly bytes: number;
}

export interface KeepOptions {
  /** Keys that a study needs. */
  readonly inUse: ReadonlySet<string>;
  /** Keys of which only the image may go: the recipe makes it again. Absent: none. */
  readonly mayGoOn?: ReadonlySet<string>;
  /** Bytes that all images together may have; the ones used least lately go first. */
  readonly maxBytes: number;
  readonly maxUnusedMs: number;
}

/** An image that can go. */
export interface SuperfluousImage {
  /** On the engine. */
  readonly name: string;
  /** Layers that images share count in each. */
  readonly bytes: number;
  /** Why it can go, for people. */
  readonly reason: string;
  /** False where a container uses it after all: then it stays. */
  readonly remove: () => Promise<boolean>;
}

const dayMs = 24 * 60 * 60 * 1000;

export const usualImageLimits = { maxBytes: 20e9, maxUnusedMs: 30 * dayMs } as const;

const homeLabel = 'hpo.home';
const keyLabel = 'hpo.image';

/**
 * The environment images of one home, and how each is made again.
 *
 * An image belongs to the home that built it: its name ends with the home's mark, and it carries the label `hpo.home`. A
 * second home with the same recipe builds an image of its own, which costs a moment and no room, as the engine has every
 * step already; so neither can take the other's away. The user's own images are pulled where they are missing, and never removed.
 */
export class ImageStore {
  readonly #ports: ImageStorePorts;
  /** One build at a time of each key: others wait for it. */
  readonly #builds = new Map<string, Promise<unknown>>();

  constructor(ports: ImageStorePorts) {
    this.#ports = ports;
  }

  /** The image of a recipe if it needs no build and no pull; else null. */
  async find(recipe: ImageRecipe): Promise<ImageReference | null> {
    const engine = await this.#ports.engine();
    const image = await engine.inspectImage(this.#nameOf(recipe));
    return image === null ? null : this.#reference(recipe, image.id);
  }

  /** Builds or pulls what is not there. Rejects with HPO-2407, HPO-2408, HPO-2440 for what looks like a secret in its files, or as the engine does. */
  async ensure(
    recipe: ImageRecipe,
    progress: EngineProgress,
    options: { readonly isFresh?: boolean } = {},
  ): Promise<ImageReference> {
    const isFresh = options.isFresh ?? false;
    if (recipe.build === null) return this.#reference(recipe, await this.#pulled(recipe.name, progress, isFresh));
    return await this.#alone(recipe.key, progress, async () => {
      // Before anything of it is written: manifests and a Dockerfile of the user's end up in layers.
      await refuseSecrets(recipe.build?.context ?? [], 'built into an image');
      await this.#store(recipe);
      const engine = await this.#ports.engine();
      const known = isFresh ? null : await engine.inspectImage(this.#nameOf(recipe));
      const id = known?.id ?? (await this.#build(engine, recipe, progress, isFresh));
      await this.#used(recipe.key, engine, id);
      return this.#reference(recipe, id);
    });
  }

  /**
   * The image of a study, made again where it is gone: the id to run, which can be another one than before. Rejects with
   * HPO-2432 where the recipe is gone too, or the user's own image of that name is another one by now.
   */
  async restore(reference: ImageReference, progress: EngineProgress): Promise<string> {
    const engine = await this.#ports.engine();
    const { name, id, recipe: key } = reference;
    if ((await engine.inspectImage(id)) !== null) {
      if (key !== null) await this.#used(key, engine, id);
      return id;
    }
    if (key === null) return await this.#samePulled(reference, progress);
    const recipe = await this.#read(key);
    if (recipe === null) {
      throw new HpoError(
        'HPO-2432',
        `the image ${name} is gone, and so is the recipe that it was made from`,
        'start the study again: its image is built anew',
      );
    }
    progress.onProgress(`the image ${name} is gone: it is made again from its recipe`);
    return (await this.ensure(recipe, progress)).id;
  }

  /** All that this home keeps, the ones used most lately first. */
  async stored(): Promise<readonly StoredImage[]> {
    const { dir, system } = this.#ports;
    const found: StoredImage[] = [];
    for (const key of await system.files.names(dir)) {
      if (!isKey(key) || (await system.files.stat(join(dir, key, contextFile))) === null) continue;
      const path = join(dir, key, useFile);
      const use = (await system.files.stat(path)) === null ? unused : (JSON.parse(await system.files.readText(path)) as Use);
      found.push({ key, name: `${imageName(key)}-${this.#ports.mark}`, ...use });
    }
    return found.sort((a, b) => b.lastUsedAt - a.lastUsedAt);
  }

  /** Takes away an image and, unless it is to be made again, its recipe. False where a container uses it: then both stay. */
  async remove(key: string, keepsRecipe = false): Promise<boolean> {
    const engine = await this.#ports.engine();
    return await this.#alone(key, silent, async () => {
      const images = await engine.listImages({ [homeLabel]: this.#ports.mark, [keyLabel]: key });
      for (const image of images) if (!(await removeAll(engine, image))) return false;
      const { dir, system } = this.#ports;
      const folder = join(dir, key);
      if (keepsRecipe) await this.#write(join(folder, useFile), { lastUsedAt: system.clock.now(), bytes: 0 } satisfies Use);
      else await system.files.remove(folder);
      return true;
    });
  }

  /** Takes away what `superfluous` finds. Says the names. */
  async sweep(options: KeepOptions): Promise<readonly string[]> {
    const removed: string[] = [];
    for (const { name, remove } of await this.superfluous(options)) if (await remove()) removed.push(name);
    return removed;
  }

  /** What no study needs and goes beyond the limits; also images of this home whose recipe is gone. */
  async superfluous({ inUse, mayGoOn, maxBytes, maxUnusedMs }: KeepOptions): Promise<readonly SuperfluousImage[]> {
    const engine = await this.#ports.engine();
    const found: SuperfluousImage[] = [];
    const stored = await this.stored();
    const keys = new Set(stored.map(({ key }) => key));
    for (const image of await engine.listImages({ [homeLabel]: this.#ports.mark })) {
      const key = image.labels[keyLabel] ?? '';
      if (key === '' || keys.has(key) || inUse.has(key) || this.#builds.has(key)) continue;
      const { names, id, bytes } = image;
      found.push({ name: names[0] ?? id, bytes, reason: 'its recipe is gone', remove: () => removeAll(engine, image) });
    }
    const now = this.#ports.system.clock.now();
    let total = 0;
    for (const { key, name, lastUsedAt, bytes } of stored) {
      total += bytes;
      const isOld = now - lastUsedAt > maxUnusedMs;
      const keepsRecipe = mayGoOn?.has(key) === true;
      if (inUse.has(key) || (total <= maxBytes && !isOld) || (keepsRecipe && bytes === 0)) continue;
      total -= bytes;
      const days = Math.floor((now - lastUsedAt) / dayMs);
      const reason = keepsRecipe
        ? 'it is made again where a study that has ended goes on'
        : isOld && days > 0
          ? `no study needs it, and none has for ${days} days`
          : 'no study needs it';
      found.push({ name, bytes, reason, remove: () => this.remove(key, keepsRecipe) });
    }
    return found;
  }

  #nameOf({ name, build }: ImageRecipe): string {
    return build === null ? name : `${name}-${this.#ports.mark}`;
  }

  #reference(recipe: ImageRecipe, id: string): ImageReference {
    return { name: this.#nameOf(recipe), id, recipe: recipe.build === null ? null : recipe.key };
  }

  async #build(engine: Engine, recipe: ImageRecipe, progress: EngineProgress, isFresh: boolean): Promise<string> {
    const { build, key } = recipe;
    if (build === null) throw new RangeError(`${recipe.name} is not built`);
    const all = await this.#ports.secrets();
    const secrets = Object.fromEntries(Object.entries(all).filter(([id]) => build.secrets.includes(id)));
    progress.onProgress(`building the image ${this.#nameOf(recipe)} from ${recipe.reason}`);
    const before = await engine.listImages({ [homeLabel]: this.#ports.mark, [keyLabel]: key });
    const id = await engine.buildImage(
      {
        name: this.#nameOf(recipe),
        labels: { [homeLabel]: this.#ports.mark, [keyLabel]: key },
        dockerfile: build.dockerfile,
        context: build.context,
        secrets,
        arguments: {},
        platform: null,
        isFresh,
      },
      progress,
    );
    // What a new build took the name from; one that a container uses stays until the next time.
    for (const image of before) if (image.id !== id) await engine.removeImage(image.id);
    return id;
  }

  async #pulled(name: string, progress: EngineProgress, isFresh: boolean): Promise<string> {
    const engine = await this.#ports.engine();
    const known = isFresh ? null : await engine.inspectImage(name);
    if (known !== null) return known.id;
    progress.onProgress(`pulling the image ${name}`);
    await engine.pullImage(name, progress);
    const image = await engine.inspectImage(name);
    if (image !== null) return image.id;
    throw new HpoError('HPO-2406', `the image ${name} is not there, though it was pulled`, 'start the study again');
  }

  async #samePulled({ name, id }: ImageReference, progress: EngineProgress): Promise<string> {
    const found = await this.#pulled(name, progress, true);
    if (found === id) return id;
    throw new HpoError(
      'HPO-2432',
      `the image ${name} that the study began with is gone, and that name means another one now (${found} instead of ${id})`,
      'start the study again with the image as it is now, or name it by its digest: NAME@sha256:…',
    );
  }

  async #alone<T>(key: string, { onProgress }: EngineProgress, work: () => Promise<T>): Promise<T> {
    for (let other = this.#builds.get(key); other !== undefined; other = this.#builds.get(key)) {
      onProgress('waiting for the same image, which is being made for another start');
      await other;
    }
    const result = work();
    const settled = result.then(ignore, ignore).finally(() => this.#builds.delete(key));
    this.#builds.set(key, settled);
    return await result;
  }

  /** The recipe first and its context after it: a folder without the context is the remains of an attempt. */
  async #store(recipe: ImageRecipe): Promise<void> {
    const { files } = this.#ports.system;
    const folder = join(this.#ports.dir, recipe.key);
    if ((await files.stat(join(folder, contextFile))) !== null) return;
    const { build, ...rest } = recipe;
    if (build === null) return;
    const { context, ...how } = build;
    await files.makeFolder(folder);
    await this.#write(join(folder, recipeFile), { ...rest, build: how });
    // Counts as used from now on, also where the build fails.
    await this.#write(join(folder, useFile), { lastUsedAt: this.#ports.system.clock.now(), bytes: 0 } satisfies Use);
    await this.#write(
      join(folder, contextFile),
      context.map(({ path, content, isExecutable }) => ({ path, isExecutable, base64: Buffer.from(content).toString('base64') })),
    );
  }

  async #read(key: string): Promise<ImageRecipe | null> {
    const { files } = this.#ports.system;
    const folder = join(this.#ports.dir, key);
    if (!isKey(key) || (await files.stat(join(folder, contextFile))) === null) return null;
    // Both were written by `#store` alone.
    const { build, ...rest } = JSON.parse(await files.readText(join(folder, recipeFile))) as StoredRecipe;
    const stored = JSON.parse(await files.readText(join(folder, contextFile))) as readonly StoredFile[];
    const context = stored.map(
      ({ path, isExecutable, base64 }): BuildFile => ({ path, isExecutable, content: Buffer.from(base64, 'base64') }),
    );
    return { ...rest, build: { ...build, context } };
  }

  async #used(key: string, engine: Engine, id: string): Promise<void> {
    const { dir, system } = this.#ports;
    if ((await system.files.stat(join(dir, key))) === null) return;
    const bytes = (await engine.inspectImage(id))?.bytes ?? 0;
    const use: Use = { lastUsedAt: system.clock.now(), bytes };
    await this.#write(join(dir, key, useFile), use);
  }

  /** Whole or not at all. */
  async #write(path: string, value: unknown): Promise<void> {
    const { files } = this.#ports.system;
    await files.writeText(`${path}.new`, JSON.stringify(value), 0o600);
    await files.rename(`${path}.new`, path);
  }
}

/** Where that was not written. */
const unused: Use = { lastUsedAt: 0, bytes: 0 };

function isKey(name: string): boolean {
  return /^[0-9a-f]{20}$/.test(name);
}

const recipeFile = 'recipe.json';
const contextFile = 'context.json';
const useFile = 'use.json';

type StoredRecipe = Omit<ImageRecipe, 'build'> & { readonly build: Omit<NonNullable<ImageRecipe['build']>, 'context'> };

interface StoredFile {
  readonly path: string;
  readonly isExecutable: boolean;
  readonly base64: string;
}

interface Use {
  readonly lastUsedAt: number;
  readonly bytes: number;
}

const silent: EngineProgress = { onProgress: () => undefined };

function ignore(): void {}

/** By every name, as an image with several is not removed by its id. */
async function removeAll(engine: Engine, { id, names }: ImageInfo): Promise<boolean> {
  for (const name of names.length === 0 ? [id] : names) if (!(await engine.removeImage(name))) return false;
  return true;
}
