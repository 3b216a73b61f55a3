import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CodeImage, CodeImages, imagesOf } from '../../../agent/registry/codeImages.ts';
import { imageText } from '../../../agent/registry/imageName.ts';
import { unreachable } from '../../../agent/registry/registryError.ts';
import type { Registry, Removal } from '../../../agent/registry/registry.ts';
import { nodeFiles } from '../../../agent/system/nodeFiles.ts';

const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
const [own, other] = [digestOf('a'), digestOf('b')];
const image = (more: Partial<CodeImage> = {}): CodeImage => ({
  name: 'localhost:5000/p/env:code-1',
  isPlain: true,
  digest: own,
  wantedAt: 1_000,
  ...more,
});

/** A home, and a registry that answers so. */
class World implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), 'hpo-code-images-'));
  readonly removed: string[] = [];
  readonly images: CodeImages;
  answer: Removal | Error = 'removed';

  constructor() {
    const registry: Pick<Registry, 'remove' | 'digestOf'> = {
      remove: (name) => {
        this.removed.push(imageText(name));
        return this.answer instanceof Error ? Promise.reject(this.answer) : Promise.resolve(this.answer);
      },
      digestOf: () => Promise.resolve(this.answer === 'gone' ? null : other),
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is asked for
    this.images = new CodeImages(nodeFiles, this.home, () => registry as Registry);
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true });
  }
}

describe('the image of a study that is deleted', () => {
  const cases: readonly (readonly [string, CodeImage, string, readonly string[], number, boolean])[] = [
    ['goes', image(), own, [], 2_000, true],
    ['goes, whatever other studies have', image(), own, [other], 2_000, true],
    ['stays where another study has it', image(), own, [other, own], 2_000, false],
    ['stays where a start has wanted it since', image({ wantedAt: 2_001 }), own, [], 2_000, false],
    ['stays where it is not of this home', image(), other, [], 2_000, false],
  ];
  it.each(cases)('%s', async (_, noted, digest, others, since, isRemoved) => {
    using world = new World();
    await world.images.note(noted);
    await world.images.removeOf(digest, new Set(others), since);
    expect(world.removed).toEqual(isRemoved ? [`localhost:5000/p/env@${own}`] : []);
    expect(await world.images.all()).toEqual(isRemoved ? [] : [noted]);
  });

  it('stays where a study of another agent has it, also when a start here wants it again', async () => {
    using world = new World();
    await world.images.note(image());
    await world.images.giveAway(own);
    await world.images.note(image({ wantedAt: 1_500 }));
    await world.images.removeOf(own, new Set(), 2_000);
    expect(await world.images.unused(new Set(), 1e9)).toEqual([]);
    expect(world.removed).toEqual([]);
    expect(await world.images.all()).toEqual([image({ wantedAt: 1_500, isAway: true })]);
  });
});

describe('what becomes of the note', () => {
  const cases: readonly (readonly [string, Removal | Error, string | null, boolean | string, number])[] = [
    ['removed', 'removed', own, true, 0],
    ['not there', 'gone', own, false, 0],
    ['never pushed', 'gone', null, false, 0],
    ['pushed, and the agent ended before it knew', 'removed', null, true, 0],
    ['said once where nobody may remove anything', 'forbidden', own, 'HPO-2525', 0],
    ['tried again where the registry is away', unreachable('localhost:5000', 'away'), own, 'HPO-2470', 1],
  ];
  it.each(cases)('%s', async (_, answer, digest, outcome, left) => {
    using world = new World();
    world.answer = answer;
    await world.images.note(image({ digest }));
    const [noted] = await world.images.all();
    const result = await world.images.remove(noted ?? image()).catch((error: unknown) => error);
    if (typeof outcome === 'string') expect(result).toMatchObject({ code: outcome });
    else expect(result).toBe(outcome);
    expect(await world.images.all()).toHaveLength(left);
    if (outcome === true) expect(world.removed).toEqual([`localhost:5000/p/env@${digest ?? other}`]);
  });
});

it('an image that is wanted again keeps its digest, and is not unused for an hour', async () => {
  using world = new World();
  await world.images.note(image());
  await world.images.note(image({ digest: null, wantedAt: 5_000 }));
  const wanted = image({ wantedAt: 5_000 });
  expect(await world.images.all()).toEqual([wanted]);
  expect(await world.images.unused(new Set(), 5_000 + 3_599_999)).toEqual([]);
  expect(await world.images.unused(new Set(), 5_000 + 3_600_000)).toEqual([wanted]);
  expect(await world.images.unused(new Set([own]), 1e9)).toEqual([]);
});

it('a damaged note is left alone', async () => {
  using world = new World();
  await world.images.note(image());
  const folder = join(world.home, 'run', 'code-images');
  for (const name of readdirSync(folder)) writeFileSync(join(folder, name), '{"name":');
  expect(await world.images.unused(new Set(), 1e9)).toEqual([]);
});

it('the images of studies are those of their containers', () => {
  const container = { image: { name: 'n', id: own, recipe: null } };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is read
  expect(imagesOf([{ spec: {} }, { spec: { container } }] as unknown as Parameters<typeof imagesOf>[0])).toEqual(new Set([own]));
});
