import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { CodeLayer, ImageName, Platform, Registry } from '../../agent/registry/registry.ts';
import { tarOf } from '../support/tar.ts';

/** A registry with nothing in it, and who may use it. */
export interface RegistryWorld extends AsyncDisposable {
  /** `HOST[:PORT]` */
  readonly host: string;
  readonly registry: Registry;
  /** The same registry, for who is not known there; null where everybody may do everything. */
  readonly stranger: Registry | null;
}

export const platform: Platform = { os: 'linux', architecture: 'amd64' };
export const quiet = { onProgress: (): void => undefined };

/** As `docker save` writes it: layers of so many random bytes, or of those that are given. */
export async function savedImage(layers: readonly (number | Buffer)[], more: Record<string, unknown> = {}): Promise<Buffer> {
  const tars = await Promise.all(
    layers.map((layer) => tarOf({ 'file.bin': typeof layer === 'number' ? randomBytes(layer) : layer })),
  );
  const ids = tars.map((bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  const config = JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: ids }, ...more });
  const names = tars.map((_, i) => `${i}/layer.tar`);
  return await tarOf({
    ...Object.fromEntries(tars.map((bytes, i) => [names[i] ?? '', bytes])),
    'c.json': Buffer.from(config),
    'manifest.json': Buffer.from(JSON.stringify([{ Config: 'c.json', RepoTags: [], Layers: names }])),
  });
}

export async function* bytesOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

export function codeOf(text: string): CodeLayer {
  return {
    tar: async function* () {
      yield await tarOf({ 'hpo/code/train.py': Buffer.from(text) });
    },
    labels: { 'hpo.snapshot': text },
    createdBy: 'hpo',
  };
}

/** What every registry must do. `open` gives one that has nothing in it yet below the name. */
export function registrySuite(kind: string, open: () => Promise<RegistryWorld>): void {
  const named = ({ host }: RegistryWorld, repository: string, reference = '1'): ImageName => ({
    registry: host,
    repository,
    reference,
  });

  describe(`registry: ${kind}`, () => {
    it('takes an image that an engine saved, and says what it has', async () => {
      await using world = await open();
      const { registry } = world;
      const name = named(world, 'a/one');
      expect(await registry.digestOf(name)).toBeNull();
      await expect(registry.manifest(name, platform)).rejects.toMatchObject({ code: 'HPO-2472' });
      const saved = await savedImage([3_000_000, 10], { config: { Labels: { who: 'test' } } });
      const digest = await registry.push(bytesOf(saved), name, quiet);
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(await registry.digestOf(name)).toBe(digest);
      expect(await registry.digestOf({ ...name, reference: digest })).toBe(digest);
      const manifest = await registry.manifest(name, platform);
      expect(manifest.digest).toBe(digest);
      expect(manifest.layers).toHaveLength(2);
      expect(manifest.layers[0]?.size).toBeGreaterThan(2_900_000);
      expect(await registry.push(bytesOf(saved), name, quiet)).toBe(digest);
      expect(await registry.architectures(name)).toEqual([platform.architecture]);
      await expect(registry.architectures({ ...name, reference: 'none' })).rejects.toMatchObject({ code: 'HPO-2472' });
    });

    it('puts a layer on an image, and leaves the image as it is', async () => {
      await using world = await open();
      const { registry } = world;
      const [base, to] = [named(world, 'a/base'), named(world, 'b/with-code')];
      const digest = await registry.push(bytesOf(await savedImage([50_000])), base, quiet);
      const first = await registry.append(base, codeOf('one'), to, platform, quiet);
      const [below, above] = [await registry.manifest(base, platform), await registry.manifest(to, platform)];
      expect(above.digest).toBe(first);
      expect(above.layers.slice(0, -1)).toEqual(below.layers);
      expect(await registry.digestOf(base)).toBe(digest);
      expect(await registry.append(base, codeOf('one'), to, platform, quiet)).toBe(first);
      expect(await registry.append(base, codeOf('two'), to, platform, quiet)).not.toBe(first);
    });

    it('copies an image between repositories as it is', async () => {
      await using world = await open();
      const { registry } = world;
      const [from, to] = [named(world, 'a/from'), named(world, 'c/to')];
      const digest = await registry.push(bytesOf(await savedImage([20_000, 2_000_000])), from, quiet);
      expect(await registry.copy(from, to, platform, quiet)).toBe(digest);
      expect(await registry.manifest(to, platform)).toEqual(await registry.manifest(from, platform));
    });

    it('lets in whom it knows, and says who is not', async () => {
      await using world = await open();
      const { registry, stranger } = world;
      const name = named(world, 'a/mine');
      await registry.push(bytesOf(await savedImage([10])), name, quiet);
      if (stranger === null) return;
      await expect(stranger.digestOf(name)).rejects.toMatchObject({ code: 'HPO-2471' });
      const refusal = stranger.push(bytesOf(await savedImage([10])), name, quiet);
      await expect(refusal).rejects.toThrow(new RegExp(`${world.host}.*no login`));
    });

    it('removes an image by its digest with all of its tags, and nothing of others', async () => {
      await using world = await open();
      const { registry, stranger } = world;
      const [base, first, second] = [named(world, 'a/env'), named(world, 'a/env', 'one'), named(world, 'a/env', 'two')];
      const environment = await registry.push(bytesOf(await savedImage([50_000])), base, quiet);
      const digest = await registry.append(base, codeOf('one'), first, platform, quiet);
      expect(await registry.append(base, codeOf('one'), { ...first, reference: 'same' }, platform, quiet)).toBe(digest);
      const other = await registry.append(base, codeOf('two'), second, platform, quiet);
      const wanted = { ...first, reference: digest };
      await expect(registry.remove(first)).rejects.toThrow(RangeError);
      if (stranger !== null) await expect(stranger.remove(wanted)).rejects.toMatchObject({ code: 'HPO-2471' });
      expect(await registry.digestOf(first)).toBe(digest);
      expect(await registry.remove(wanted)).toBe('removed');
      expect(await registry.remove(wanted)).toBe('gone');
      for (const name of [first, { ...first, reference: 'same' }, wanted]) expect(await registry.digestOf(name)).toBeNull();
      expect(await registry.digestOf(base)).toBe(environment);
      expect(await registry.digestOf(second)).toBe(other);
      // Made again, it is there again.
      expect(await registry.append(base, codeOf('one'), first, platform, quiet)).toBe(digest);
      expect(await registry.digestOf(first)).toBe(digest);
    });

    it('refuses what is no image', async () => {
      await using world = await open();
      const name = named(world, 'a/none');
      const push = (archive: Buffer) => world.registry.push(bytesOf(archive), name, quiet);
      await expect(push(await tarOf({ 'manifest.json': Buffer.from('[]') }))).rejects.toMatchObject({ code: 'HPO-2473' });
      const saved = await savedImage([100_000]);
      await expect(push(saved.subarray(0, 60_000))).rejects.toThrow();
      const damaged = Buffer.from(saved);
      damaged[20_000] = (damaged[20_000] ?? 0) ^ 1;
      await expect(push(damaged)).rejects.toMatchObject({ code: 'HPO-2474' });
      expect(await world.registry.digestOf(name)).toBeNull();
    });
  });
}
