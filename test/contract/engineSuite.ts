import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ContainerSpec, ContainerState, Engine, Labels } from '../../agent/engine/engine.ts';
import { readSavedImage } from '../../agent/registry/savedImage.ts';
import { eventually } from './executorSuite.ts';

/** What a program in a container does, in words that every engine's machine can be taught. */
export type ContainerStep =
  /** Writes a file anew; the program fails with 9 where it cannot. */
  | { readonly do: 'write'; readonly path: string; readonly text: string }
  | { readonly do: 'copy'; readonly from: string; readonly to: string }
  /** Writes a variable into a file. */
  | { readonly do: 'writeVariable'; readonly name: string; readonly path: string }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'ignoreTerm' }
  | { readonly do: 'exit'; readonly code: number };

/** A machine with an engine, an image in it, and an empty folder. */
export interface EngineWorld extends AsyncDisposable {
  readonly image: { readonly id: string; readonly name: string };
  /** Absolute, on the machine of the engine. */
  readonly folder: string;
  /** Marks all that the test makes. */
  readonly labels: Labels;
  /** Begins the names of all that the test makes. */
  readonly prefix: string;
  connect(): Promise<Engine>;
  command(steps: readonly ContainerStep[]): readonly string[];
  /** A Dockerfile that makes an image from the other one, with the variable in it; one whose step fails where that is asked for. */
  dockerfile(variable: string, fails: boolean): string;
  write(path: string, text: string): Promise<void>;
  /** Null where there is no such file. */
  read(path: string): Promise<string | null>;
  makeFolder(path: string): Promise<void>;
  /** As a user does it behind everyone's back. */
  pause(name: string): Promise<void>;
}

const forever: ContainerStep = { do: 'sleep', ms: 60_000 };
async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const quiet = { onProgress: (): void => undefined };

/** What every engine must do. `open` makes a machine with nothing on it but the image. */
export function engineSuite(engineName: string, open: () => Promise<EngineWorld>): void {
  const specOf = (world: EngineWorld, steps: readonly ContainerStep[], more: Partial<ContainerSpec> = {}): ContainerSpec => ({
    name: `${world.prefix}one`,
    labels: world.labels,
    image: world.image.id,
    command: world.command(steps),
    environment: {},
    workingDir: '/work',
    user: '65532:65532',
    mounts: [{ source: world.folder, target: '/work', isReadOnly: false }],
    tmpfs: { '/tmp': 1 << 20 },
    network: false,
    cpus: 1,
    memoryBytes: 64 << 20,
    shmBytes: 1 << 20,
    pids: 50,
    gpus: 0,
    ...more,
  });

  async function begin(engine: Engine, spec: ContainerSpec): Promise<void> {
    expect(await engine.createContainer(spec)).toBe('created');
    expect(await engine.startContainer(spec.name)).toBe(true);
  }

  async function ended(engine: Engine, name: string): Promise<ContainerState> {
    await eventually(async () => (await engine.inspectContainer(name))?.status === 'exited', `${name} ends`);
    const state = await engine.inspectContainer(name);
    if (state === null) throw new Error(`${name} has vanished`);
    return state;
  }

  describe.concurrent(`engine: ${engineName}`, () => {
    it('says what it is', async () => {
      await using world = await open();
      await using engine = await world.connect();
      const info = await engine.info();
      expect(info.name).toMatch(/^\w+ \d/);
      expect(info.endpoint).toMatch(/^\w+:\/\/.+ \(.+\)$/);
      expect(info.architecture).toMatch(/^(amd64|arm64)$/);
      expect(info.cpus).toBeGreaterThanOrEqual(1);
      expect(info.memoryBytes).toBeGreaterThan(1 << 20);
    });

    it('makes a container, starts it, and tells its end', async () => {
      await using world = await open();
      await using engine = await world.connect();
      const spec = specOf(world, [
        { do: 'sleep', ms: 300 },
        { do: 'exit', code: 7 },
      ]);
      expect(await engine.createContainer(spec)).toBe('created');
      const made = await engine.inspectContainer(spec.name);
      expect(made).toMatchObject({ status: 'created', exitCode: null, isOutOfMemory: false, error: '', pid: null });
      expect(made?.labels).toMatchObject(world.labels);
      expect(await engine.startContainer(spec.name)).toBe(true);
      const runs = await engine.inspectContainer(spec.name);
      expect(runs).toMatchObject({ status: 'running', exitCode: null, id: made?.id });
      expect(runs?.pid).toBeGreaterThan(0);
      expect(await ended(engine, spec.name)).toMatchObject({ exitCode: 7, isOutOfMemory: false, error: '', pid: null });
    });

    it('takes the name for the identity: what is there is not made again, nor changed', async () => {
      await using world = await open();
      await using engine = await world.connect();
      await using other = await world.connect();
      const spec = specOf(world, [forever]);
      const made = await Promise.all([engine.createContainer(spec), other.createContainer(spec)]);
      expect(new Set(made)).toEqual(new Set(['created', 'exists']));
      const id = (await engine.inspectContainer(spec.name))?.id;
      expect(await engine.createContainer({ ...spec, command: world.command([]), labels: {} })).toBe('exists');
      expect(await engine.inspectContainer(spec.name)).toMatchObject({ id, labels: world.labels, status: 'created' });
    });

    it('runs a container once, however often and by whomever it is started', async () => {
      await using world = await open();
      await using engine = await world.connect();
      await using other = await world.connect();
      const spec = specOf(world, [
        { do: 'write', path: '/work/ran', text: 'yes' },
        { do: 'exit', code: 3 },
      ]);
      await begin(engine, spec);
      await ended(engine, spec.name);
      await world.write(`${world.folder}/ran`, 'no');
      expect(await engine.startContainer(spec.name)).toBe(true);
      expect(await other.startContainer(spec.name)).toBe(true);
      await sleep(300);
      expect(await engine.inspectContainer(spec.name)).toMatchObject({ status: 'exited', exitCode: 3 });
      expect(await world.read(`${world.folder}/ran`)).toBe('no');
    });

    it('says so where nothing is there', async () => {
      await using world = await open();
      await using engine = await world.connect();
      const name = `${world.prefix}none`;
      expect(await engine.inspectContainer(name)).toBeNull();
      expect(await engine.startContainer(name)).toBe(false);
      expect(await engine.signalContainer(name, 'SIGTERM')).toBe(false);
      await engine.removeContainer(name);
      expect(await engine.inspectImage(`${name}:latest`)).toBeNull();
      const spec = specOf(world, [], { image: `sha256:${'0'.repeat(64)}` });
      await expect(engine.createContainer(spec)).rejects.toMatchObject({ code: 'HPO-2406' });
      const unmountable = specOf(world, [], {
        mounts: [{ source: `${world.folder}/none`, target: '/work', isReadOnly: false }],
      });
      await expect(engine.createContainer(unmountable)).rejects.toMatchObject({ code: 'HPO-2405' });
      expect(await engine.listContainers(world.labels)).toEqual([]);
    });

    const signals = [
      { signal: 'SIGTERM', isPaused: false, exitCode: 143 },
      { signal: 'SIGKILL', isPaused: false, exitCode: 137 },
      { signal: 'SIGTERM', isPaused: true, exitCode: 143 },
      { signal: 'SIGKILL', isPaused: true, exitCode: 137 },
    ] as const;
    it.each(signals)('sends $signal, also to one that is paused: $isPaused', async ({ signal, isPaused, exitCode }) => {
      await using world = await open();
      await using engine = await world.connect();
      const spec = specOf(world, [{ do: 'write', path: '/work/ready', text: '' }, forever]);
      await begin(engine, spec);
      await eventually(async () => (await world.read(`${world.folder}/ready`)) !== null, 'it runs');
      if (isPaused) {
        await world.pause(spec.name);
        expect(await engine.inspectContainer(spec.name)).toMatchObject({ status: 'paused', exitCode: null });
      }
      expect(await engine.signalContainer(spec.name, signal)).toBe(true);
      expect(await ended(engine, spec.name)).toMatchObject({ exitCode });
      expect(await engine.signalContainer(spec.name, signal)).toBe(false);
    });

    it('removes what runs, what is paused and what was never started, whoever else does so too', async () => {
      await using world = await open();
      await using engine = await world.connect();
      const names = ['runs', 'paused', 'made'].map((name) => `${world.prefix}${name}`);
      const [runs = '', paused = '', made = ''] = names;
      for (const name of [runs, paused]) await begin(engine, specOf(world, [{ do: 'ignoreTerm' }, forever], { name }));
      await engine.createContainer(specOf(world, [], { name: made }));
      await world.pause(paused);
      await Promise.all([...names, ...names].map((name) => engine.removeContainer(name)));
      for (const name of names) expect(await engine.inspectContainer(name), name).toBeNull();
      expect(await engine.createContainer(specOf(world, [], { name: runs }))).toBe('created');
    });

    it('lists what carries all of the labels, whatever it does', async () => {
      await using world = await open();
      await using engine = await world.connect();
      const labelled = (name: string, study: string, steps: readonly ContainerStep[]) =>
        specOf(world, steps, { name: `${world.prefix}${name}`, labels: { ...world.labels, 'hpo.study': study } });
      await begin(engine, labelled('runs', 'a', [forever]));
      await begin(engine, labelled('ended', 'a', []));
      await ended(engine, `${world.prefix}ended`);
      await engine.createContainer(labelled('made', 'a', []));
      await engine.createContainer(labelled('other', 'b', []));
      const listed = async (labels: Labels) =>
        new Map((await engine.listContainers(labels)).map(({ name, isRunning }) => [name.slice(world.prefix.length), isRunning]));
      expect(await listed({ ...world.labels, 'hpo.study': 'a' })).toEqual(
        new Map([
          ['runs', true],
          ['ended', false],
          ['made', false],
        ]),
      );
      expect([...(await listed(world.labels)).keys()]).toHaveLength(4);
      const [one] = await engine.listContainers({ ...world.labels, 'hpo.study': 'b' });
      expect(one?.labels).toMatchObject({ ...world.labels, 'hpo.study': 'b' });
    });

    it('hints at what starts and ends, to who wants to hear', async () => {
      await using world = await open();
      await using engine = await world.connect();
      const [told, others, none]: string[][] = [[], [], []];
      using _watch = engine.watchContainers(world.labels, (name) => told?.push(name));
      using _others = engine.watchContainers({ ...world.labels, 'hpo.study': 'other' }, (name) => others?.push(name));
      engine.watchContainers(world.labels, (name) => none?.push(name))[Symbol.dispose]();
      // Hints may be missing, so there are some.
      await sleep(200);
      for (let n = 0; n < 4; n++) {
        const name = `${world.prefix}${n}`;
        await begin(engine, specOf(world, [], { name }));
        await ended(engine, name);
      }
      await eventually(() => (told?.length ?? 0) > 0, 'a hint came');
      for (const name of told ?? []) expect(name.startsWith(world.prefix)).toBe(true);
      expect([others, none]).toEqual([[], []]);
    });

    it('gives a container its folders, its variables and nothing else to write', async () => {
      await using world = await open();
      await using engine = await world.connect();
      await world.makeFolder(`${world.folder}/work`);
      await world.makeFolder(`${world.folder}/code`);
      await world.write(`${world.folder}/code/train.py`, 'stored');
      await world.write(`${world.folder}/spliced`, 'spliced');
      const mounts = [
        { source: `${world.folder}/work`, target: '/work', isReadOnly: false },
        { source: `${world.folder}/code`, target: '/work/code', isReadOnly: true },
        { source: `${world.folder}/spliced`, target: '/work/code/train.py', isReadOnly: true },
      ];
      const spec = specOf(
        world,
        [
          { do: 'copy', from: '/work/code/train.py', to: '/work/seen' },
          { do: 'writeVariable', name: 'LR', path: '/work/lr' },
          { do: 'write', path: '/tmp/scratch', text: 'x' },
          { do: 'copy', from: '/tmp/scratch', to: '/work/scratch' },
        ],
        { mounts, environment: { LR: `it's "$(id)"` } },
      );
      await begin(engine, spec);
      expect(await ended(engine, spec.name)).toMatchObject({ exitCode: 0 });
      expect(await world.read(`${world.folder}/work/seen`)).toBe('spliced');
      expect(await world.read(`${world.folder}/work/lr`)).toBe(`it's "$(id)"`);
      expect(await world.read(`${world.folder}/work/scratch`)).toBe('x');
      for (const [n, path] of ['/work/code/new', '/work/code/train.py', '/etc/new', '/new'].entries()) {
        const name = `${world.prefix}write${n}`;
        await begin(engine, specOf(world, [{ do: 'write', path, text: 'x' }], { mounts, name }));
        expect((await ended(engine, name)).exitCode, path).toBe(9);
      }
      expect(await world.read(`${world.folder}/spliced`)).toBe('spliced');
      expect(await world.read(`${world.folder}/code/new`)).toBeNull();
    });

    it('makes images, finds them by name, id and label, and lets go of those that nobody uses', async () => {
      await using world = await open();
      await using engine = await world.connect();
      const name = `${world.prefix}image:1`;
      const labels = { ...world.labels, 'hpo.recipe': 'one' };
      const lines: string[] = [];
      const build = (fails: boolean) =>
        engine.buildImage(
          {
            name,
            labels,
            dockerfile: 'Dockerfile',
            context: [
              { path: 'Dockerfile', content: new TextEncoder().encode(world.dockerfile('made', fails)), isExecutable: false },
            ],
            secrets: {},
            arguments: {},
            platform: null,
            isFresh: false,
          },
          { onProgress: (line) => lines.push(line) },
        );
      await expect(build(true)).rejects.toMatchObject({ code: 'HPO-2408' });
      expect(await engine.inspectImage(name)).toBeNull();
      const id = await build(false);
      expect(lines.length).toBeGreaterThan(0);
      expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
      for (const asked of [id, name]) expect(await engine.inspectImage(asked)).toMatchObject({ id, names: [name], labels });
      expect((await engine.inspectImage(name))?.environment).toContain('IMAGE=made');
      expect((await engine.listImages(labels)).map((image) => image.id)).toEqual([id]);
      expect(await build(false)).toBe(id);

      await using saved = await readSavedImage(engine.saveImage(name), undefined);
      expect(saved.layers.length).toBeGreaterThan(0);
      expect(JSON.parse(saved.config.toString())).toMatchObject({
        config: { Labels: labels, Env: expect.arrayContaining(['IMAGE=made']) },
      });
      await expect(collect(engine.saveImage(`${name}-none`))).rejects.toMatchObject({ code: 'HPO-2406' });

      const spec = specOf(world, [{ do: 'writeVariable', name: 'IMAGE', path: '/work/image' }], { image: id });
      await begin(engine, spec);
      expect(await ended(engine, spec.name)).toMatchObject({ exitCode: 0 });
      expect(await world.read(`${world.folder}/image`)).toBe('made');
      expect(await engine.removeImage(name)).toBe(false);
      await engine.removeContainer(spec.name);
      expect(await engine.removeImage(name)).toBe(true);
      expect(await engine.inspectImage(id)).toBeNull();
      expect(await engine.removeImage(name)).toBe(true);
      await expect(engine.createContainer(spec)).rejects.toMatchObject({ code: 'HPO-2406' });
      await expect(engine.pullImage('localhost:1/hpo-test-missing:1', quiet)).rejects.toMatchObject({ code: 'HPO-2407' });
    });
  });
}
