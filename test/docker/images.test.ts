import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../agent/engine/engine.ts';
import { connectEngine } from '../../agent/engine/index.ts';
import type { DetectedEnvironment } from '../../agent/packaging/detect/detected.ts';
import { type ImageRecipe, ImageStore, machineSecrets, recipeOf } from '../../agent/packaging/image/index.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { bases, engineClient, ensureBases } from '../support/docker.ts';

const docker = engineClient();
let engine: Engine;

beforeAll(async () => {
  await ensureBases('python');
  engine = await connectEngine({ host: process.env['DOCKER_HOST'] ?? null, environment: process.env });
}, 900_000);
afterAll(() => engine[Symbol.asyncDispose]());

/** A home with images of its own, all of which are gone at the end. */
class Home implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'hpo-images-'));
  readonly mark = `test${randomUUID().slice(0, 8)}`;
  readonly lines: string[] = [];
  readonly secrets: Record<string, Uint8Array> = {};
  readonly progress = { onProgress: (line: string) => void this.lines.push(line) };
  readonly store = this.open();

  /** As another process of the same home would. */
  open(): ImageStore {
    return new ImageStore({
      dir: join(this.dir, 'images'),
      mark: this.mark,
      system: nodeSystem(),
      engine: () => Promise.resolve(engine),
      secrets: async () => ({ ...(await machineSecrets()), ...this.secrets }),
    });
  }

  async images(): Promise<readonly string[]> {
    return (await engine.listImages({ 'hpo.home': this.mark })).map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of await this.images()) await docker.getImage(id).remove({ force: true });
    await rm(this.dir, { recursive: true });
  }
}

function environment(more: Partial<DetectedEnvironment>): DetectedEnvironment {
  return {
    kind: 'requirements',
    reason: 'requirements.txt',
    language: 'python',
    languageVersion: '3.11',
    image: null,
    dockerfile: null,
    manifests: [],
    requirements: [],
    isReproducible: true,
    cuda: null,
    needsCompiler: false,
    systemPackages: [],
    passedOver: [],
    diagnostics: [],
    question: null,
    ...more,
  };
}

const options = { architecture: process.arch === 'x64' ? 'amd64' : process.arch };

/** Of a Dockerfile of the user's own; another text is another image. */
function own(text: string, files: Readonly<Record<string, string>> = {}): ImageRecipe {
  const context = Object.entries({ Dockerfile: text, ...files }).map(([path, content]) => ({
    path,
    content: Buffer.from(content),
    isExecutable: false,
  }));
  return recipeOf(environment({ kind: 'dockerfile', dockerfile: 'Dockerfile' }), { ...options, context });
}

function small(): ImageRecipe {
  return own(`FROM ${bases.python}\nRUN echo ${randomUUID()} > /made\n`);
}

/** What a program prints in a container that may do as little as those of trials. */
async function runIn(image: string, ...command: string[]): Promise<string> {
  const container = await docker.createContainer({
    Image: image,
    Cmd: command,
    // The output as it is, in one stream.
    Tty: true,
    User: '12345:12345',
    Env: ['HOME=/tmp'],
    HostConfig: { ReadonlyRootfs: true, NetworkMode: 'none', CapDrop: ['ALL'], Tmpfs: { '/tmp': '' } },
  });
  try {
    await container.start();
    await container.wait();
    const logs = await container.logs({ stdout: true, stderr: true, follow: false });
    // Output that is a number comes as one.
    return String(logs).trim();
  } finally {
    await container.remove({ force: true });
  }
}

/** Whether an image has a text anywhere: in its layers, its history or what it is described by. */
async function holds(image: string, text: string): Promise<boolean> {
  const described = [await docker.getImage(image).history(), await docker.getImage(image).inspect()];
  if (JSON.stringify(described).includes(text)) return true;
  const saved = (await docker.getImage(image).get()) as unknown as Readable;
  const unpack = saved.pipe(tar.extract());
  let isHeld = false;
  unpack.on('entry', (_header, stream, next) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const isZipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
      isHeld ||= (isZipped ? gunzipSync(bytes) : bytes).includes(text);
      next();
    });
  });
  await new Promise((resolve, reject) => unpack.on('finish', resolve).on('error', reject));
  return isHeld;
}

function contentOfFolder(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

describe('secrets of a build', () => {
  const password = 'Qv7-planted-pA55w0rd-2h';
  const certificateMark = 'planted among the certificates';

  it('reach the steps that mount them, and are in no layer, no history, no line of output and no stored recipe', async () => {
    await using home = new Home();
    home.secrets['pip'] = Buffer.from(`[global]\nindex-url = https://user:${password}@index.invalid/simple\n`);
    home.secrets['env'] = Buffer.from(`export NPM_TOKEN='${password}'\n`);
    const text = [
      // What was built before says nothing.
      `FROM ${bases.python}\nRUN echo ${randomUUID()}`,
      'RUN --mount=type=secret,id=pip --mount=type=secret,id=env cat /run/secrets/pip /run/secrets/env | tee /dev/stderr | wc -c > /seen',
      'RUN --mount=type=secret,id=pip python3 -m pip config --site list; PIP_CONFIG_FILE=/run/secrets/pip python3 -m pip config list',
      '',
    ].join('\n');
    const { id } = await home.store.ensure(own(text), home.progress);
    const bytes = home.secrets['pip'].length + home.secrets['env'].length;
    expect(await runIn(id, 'cat', '/seen')).toBe(String(bytes));
    expect(home.lines.join('\n')).toContain('index.invalid');
    expect(home.lines.join('\n')).not.toContain(password);
    expect(contentOfFolder(home.dir)).not.toContain(password);
    expect(await holds(id, password)).toBe(false);
  });

  it('would be found if a step wrote them down', async () => {
    await using home = new Home();
    home.secrets['netrc'] = Buffer.from(`machine x login y password ${password}\n`);
    const text = `FROM ${bases.python}\nRUN --mount=type=secret,id=netrc cp /run/secrets/netrc /leaked\n`;
    const { id } = await home.store.ensure(own(text), home.progress);
    expect(await holds(id, password)).toBe(true);
  });

  it('are those of the machine in a generated recipe too, with certificates among them', async () => {
    await using home = new Home();
    home.secrets['netrc'] = Buffer.from(`machine index.invalid login me password ${password}\n`);
    const { ca = Buffer.of() } = await machineSecrets();
    home.secrets['ca'] = Buffer.concat([ca, Buffer.from(`# ${certificateMark}\n`)]);
    const manifests = [{ path: 'requirements.txt', content: Buffer.from('six==1.17.0\n') }];
    const recipe = recipeOf(environment({ manifests }), options);
    const { id } = await home.store.ensure(recipe, home.progress);
    expect(await holds(id, password)).toBe(false);
    expect(await holds(id, certificateMark)).toBe(false);
    expect(contentOfFolder(home.dir)).not.toContain(password);
    expect(await runIn(id, 'python', '-c', 'import six, sys; print(six.__version__, sys.prefix)')).toBe('1.17.0 /opt/env');
  });
});

describe('a build', () => {
  it('that fails says the step and its last lines', async () => {
    await using home = new Home();
    const recipe = own(`FROM ${bases.python}\nRUN echo first && echo told-before-the-end && exit 7\n`);
    await expect(home.store.ensure(recipe, home.progress)).rejects.toMatchObject({
      code: 'HPO-2408',
      message: expect.stringMatching(/RUN echo first.*failed.*7[\s\S]*told-before-the-end/) as string,
    });
    expect(await home.images()).toEqual([]);
    const [stored] = await home.store.stored();
    expect(stored).toMatchObject({ key: recipe.key, bytes: 0 });
    expect(stored?.lastUsedAt).toBeGreaterThan(0);
  });

  it('that fails for a certificate says how a step gets those of this machine', async () => {
    await using home = new Home();
    const step = (mount: string) => `RUN ${mount} echo SSLError CERTIFICATE_VERIFY_FAILED ${randomUUID()}; exit 1\n`;
    const build = (mount: string) => home.store.ensure(own(`FROM ${bases.python}\n${step(mount)}`), home.progress);
    const says = expect.stringMatching(/RUN --mount=type=secret,id=ca /);
    await expect(build('')).rejects.toMatchObject({ code: 'HPO-2408', next: says });
    // It has them: that is not what is missing.
    home.secrets['ca'] = Buffer.from('x');
    await expect(build('--mount=type=secret,id=ca')).rejects.toMatchObject({
      code: 'HPO-2408',
      next: expect.not.stringContaining('id=ca'),
    });
  });

  it('of a Dockerfile that is none says so', async () => {
    await using home = new Home();
    await expect(home.store.ensure(own('FROM\nNONSENSE\n'), home.progress)).rejects.toMatchObject({ code: 'HPO-2408' });
  });

  it('without its base says which', async () => {
    await using home = new Home();
    await expect(home.store.ensure(own('FROM registry.invalid/none:1\n'), home.progress)).rejects.toMatchObject({
      code: 'HPO-2407',
      message: expect.stringContaining('registry.invalid/none:1') as string,
    });
  });

  it('ends when it is given up, and leaves nothing', async () => {
    await using home = new Home();
    const giveUp = new AbortController();
    const recipe = own(`FROM ${bases.python}\nRUN echo ${randomUUID()} && sleep 60\n`);
    const onProgress = (line: string): void => {
      if (line.includes('sleep 60')) giveUp.abort(new Error('given up'));
    };
    await expect(home.store.ensure(recipe, { onProgress, signal: giveUp.signal })).rejects.toThrow('given up');
    expect(await home.images()).toEqual([]);
  });
});

describe('the images of a home', () => {
  it('are built once, also when several ask at the same time', async () => {
    await using home = new Home();
    const recipe = small();
    const made = await Promise.all([1, 2, 3].map(() => home.store.ensure(recipe, home.progress)));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(home.lines.filter((line) => line.startsWith('building the image'))).toHaveLength(1);
    expect(await home.open().ensure(recipe, home.progress)).toEqual(made[0]);
    expect(await home.store.find(recipe)).toEqual(made[0]);
    expect(home.lines.filter((line) => line.startsWith('building the image'))).toHaveLength(1);
  });

  it('have nothing in them that a .dockerignore leaves out', async () => {
    await using home = new Home();
    const files = { '.dockerignore': 'private\n*.log\n', 'private/notes.txt': 'mine', 'a.log': '', 'sub/b.log': '' };
    const { id } = await home.store.ensure(own(`FROM ${bases.python}\nCOPY . /x\n`, files), home.progress);
    const found = await runIn(id, 'find', '/x', '-type', 'f');
    expect(found.split(/\s+/).sort()).toEqual(['/x/.dockerignore', '/x/Dockerfile', '/x/sub/b.log']);
    expect(await holds(id, 'notes.txt')).toBe(false);
  });

  it('are made again from what is stored when they are gone', async () => {
    await using home = new Home();
    const recipe = own(`FROM ${bases.python}\nCOPY conf.txt /conf.txt\n`, { 'conf.txt': 'as it was' });
    const reference = await home.store.ensure(recipe, home.progress);
    expect(await home.store.restore(reference, home.progress)).toBe(reference.id);
    await docker.getImage(reference.id).remove({ force: true });
    const id = await home.open().restore(reference, home.progress);
    expect(await runIn(id, 'cat', '/conf.txt')).toBe('as it was');
    expect(home.lines).toContain(`the image ${reference.name} is gone: it is made again from its recipe`);
  });

  it('cannot be made again without a recipe', async () => {
    await using home = new Home();
    const gone = { name: 'hpo-env:gone', id: `sha256:${'0'.repeat(64)}`, recipe: '0'.repeat(20) };
    await expect(home.store.restore(gone, home.progress)).rejects.toMatchObject({ code: 'HPO-2432' });
  });

  it('are built anew when that is asked for, and the one before is gone', async () => {
    await using home = new Home();
    const recipe = own(`FROM ${bases.python}\nRUN head -c 20 /dev/urandom > /made\n`);
    const before = await home.store.ensure(recipe, home.progress);
    const after = await home.store.ensure(recipe, home.progress, { isFresh: true });
    expect(after.id).not.toBe(before.id);
    expect(await home.images()).toEqual([after.id]);
  });

  it("are no other home's, though the engine has their steps in common", async () => {
    await using one = new Home();
    await using other = new Home();
    const recipe = small();
    const mine = await one.store.ensure(recipe, one.progress);
    const theirs = await other.store.ensure(recipe, other.progress);
    expect(other.lines.join('\n')).toContain('(kept from before)');
    expect(mine.id).not.toBe(theirs.id);
    expect(await one.store.remove(recipe.key)).toBe(true);
    expect(await one.images()).toEqual([]);
    expect(await runIn(theirs.id, 'cat', '/made')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('stay while a container uses them', async () => {
    await using home = new Home();
    const recipe = small();
    const { id } = await home.store.ensure(recipe, home.progress);
    const container = await docker.createContainer({ Image: id, Cmd: ['sleep', '60'] });
    try {
      await container.start();
      expect(await home.store.remove(recipe.key)).toBe(false);
      expect(await home.store.find(recipe)).toMatchObject({ id });
    } finally {
      await container.remove({ force: true });
    }
    expect(await home.store.remove(recipe.key)).toBe(true);
    expect(readdirSync(join(home.dir, 'images'))).toEqual([]);
  });

  it('are superfluous beyond the limits, and never while a study needs them', async () => {
    await using home = new Home();
    const recipes = [small(), small(), small()];
    for (const recipe of recipes) await home.store.ensure(recipe, home.progress);
    const [oldest, middle, newest] = recipes.map(({ key }) => key);
    const stored = await home.store.stored();
    expect(stored.map(({ key }) => key)).toEqual([newest, middle, oldest]);
    const bytes = stored[0]?.bytes ?? 0;
    expect(bytes).toBeGreaterThan(1_000_000);
    const names = async (
      inUse: readonly (string | undefined)[],
      maxBytes: number,
      maxUnusedMs = 1e9,
    ): Promise<readonly (string | undefined)[]> => {
      const found = await home.store.superfluous({ inUse: new Set(inUse.map(String)), maxBytes, maxUnusedMs });
      return found.map(({ name }) => stored.find((one) => one.name === name)?.key);
    };
    expect(await names([], 10 * bytes)).toEqual([]);
    expect(await names([], 2.5 * bytes)).toEqual([oldest]);
    expect(await names([oldest], 2.5 * bytes)).toEqual([]);
    expect(await names([oldest], 1.5 * bytes)).toEqual([middle]);
    expect(new Set(await names([newest], 10 * bytes, 0))).toEqual(new Set([middle, oldest]));
    expect(await home.store.sweep({ inUse: new Set(), maxBytes: 0, maxUnusedMs: 1e9 })).toHaveLength(3);
    expect(await home.images()).toEqual([]);
  });

  it('whose recipe is gone are superfluous too', async () => {
    await using home = new Home();
    const recipe = small();
    const { id, name } = await home.store.ensure(recipe, home.progress);
    await rm(join(home.dir, 'images', recipe.key), { recursive: true });
    const limits = { maxBytes: 1e12, maxUnusedMs: 1e12 };
    expect(await home.store.superfluous({ ...limits, inUse: new Set([recipe.key]) })).toEqual([]);
    expect((await home.store.superfluous({ ...limits, inUse: new Set() })).map((one) => one.name)).toEqual([name]);
    expect(await home.images()).toEqual([id]);
  });
});

describe("an image of the user's", () => {
  it('is used as it is, and not taken for another one of its name', async () => {
    await using home = new Home();
    const name = `hpo-test-own:${home.mark}`;
    const build = (text: string): Promise<string> =>
      engine.buildImage(
        {
          name,
          labels: { 'hpo.home': home.mark },
          dockerfile: 'Dockerfile',
          context: [{ path: 'Dockerfile', content: Buffer.from(text), isExecutable: false }],
          secrets: {},
          arguments: {},
          platform: null,
          isFresh: false,
        },
        home.progress,
      );
    const id = await build(`FROM ${bases.python}\nENV A=1\n`);
    const recipe = recipeOf(environment({ kind: 'image', image: name }), options);
    const reference = await home.store.ensure(recipe, home.progress);
    expect(reference).toEqual({ name, id, recipe: null });
    expect(await home.store.stored()).toEqual([]);
    await docker.getImage(name).remove({ force: true });
    // Neither the image nor a registry that has it.
    await expect(home.store.restore(reference, home.progress)).rejects.toMatchObject({ code: 'HPO-2407' });
  });
});
