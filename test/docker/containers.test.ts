import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { containerName } from '../../agent/executors/docker/containerName.ts';
import { LocalExecutor } from '../../agent/executors/local/localExecutor.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { attemptOf, eventually, key, Observer, type Step, text } from '../contract/executorSuite.ts';
import { bases, engineClient, ensureBases } from '../support/docker.ts';
import { type DockerWorld, openDockerWorld } from './dockerWorld.ts';

const forever: Step = { do: 'sleep', ms: 60_000 };
const sh = (script: string, ...args: string[]) => ['/bin/sh', '-c', script, 'sh', ...args];
const docker = engineClient();
const nameOf = (world: DockerWorld, of = key(0)): string => containerName(world.files.homeMark, of);
const inspect = (world: DockerWorld) => docker.getContainer(nameOf(world)).inspect();

/** An image of the test's own, which brings along what it says. */
async function buildImage(world: DockerWorld, name: string, dockerfile: string): Promise<string> {
  return world.engine.buildImage(
    {
      name: `hpo-test-${world.files.homeMark}-${name}`,
      labels: world.labels,
      dockerfile: 'Dockerfile',
      context: [{ path: 'Dockerfile', content: Buffer.from(dockerfile), isExecutable: false }],
      secrets: {},
      arguments: {},
      platform: null,
      isFresh: false,
    },
    { onProgress: () => undefined },
  );
}

async function output(world: DockerWorld, script: string, ...args: string[]): Promise<string> {
  const observer = new Observer();
  await using executor = world.connect(observer);
  await executor.start(attemptOf(world, [], { command: sh(script, ...args) }));
  await observer.ending(key(0));
  return world.read(key(0), 'out');
}

beforeAll(() => ensureBases('python'), 300_000);

describe('what keeps a container in its bounds', () => {
  /** What a workspace may bring along by its image, and cannot weaken anything with. */
  const hostile = (base: string): string =>
    [
      `FROM ${base}`,
      'USER root',
      'VOLUME ["/hpo/attempt/deep", "/data", "/var/mail"]',
      'RUN mkdir -p /data && echo kept >/data/file',
      'ENTRYPOINT ["/bin/false"]',
      'STOPSIGNAL SIGUSR1',
      'HEALTHCHECK --interval=1s CMD /bin/false',
      'EXPOSE 8080',
      'ENV NVIDIA_VISIBLE_DEVICES=all HPO_TRIAL=7 HOME=/root',
      'LABEL hpo.home=other hpo.study=other privileged=true',
      'WORKDIR /root',
    ].join('\n');

  it.each([
    { name: 'an ordinary image', isHostile: false },
    { name: 'an image that asks for more', isHostile: true },
  ])('is set on every container: $name', async ({ isHostile }) => {
    await using world = await openDockerWorld();
    const image = isHostile ? await buildImage(world, 'hostile', hostile(bases.python)) : world.container.image.id;
    await world.prepare('study-1', { image: { ...world.container.image, id: image } });
    const observer = new Observer();
    await using executor = world.connect(observer);
    const environment = { HPO_STUDY: 'another', NVIDIA_VISIBLE_DEVICES: 'all' };
    await executor.start(attemptOf(world, [forever], { environment, cpus: 1 }));
    const found = await inspect(world);
    expect(found.State.Running).toBe(true);
    expect(found.Config).toMatchObject({
      User: '65532:65532',
      Entrypoint: ['/bin/sh'],
      WorkingDir: '/hpo/work',
      StopSignal: 'SIGTERM',
      Healthcheck: { Test: ['NONE'] },
      Tty: false,
      OpenStdin: false,
    });
    expect(found.Config.Labels).toMatchObject({
      ...world.labels,
      'hpo.study': 'study-1',
      'hpo.trial': '0',
      'hpo.attempt': '1',
    });
    const bounds = found.HostConfig as typeof found.HostConfig & { CgroupnsMode: string };
    expect(bounds).toMatchObject({
      Privileged: false,
      CapAdd: null,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      Init: true,
      NetworkMode: 'none',
      IpcMode: 'private',
      PidMode: '',
      UTSMode: '',
      UsernsMode: '',
      CgroupnsMode: 'private',
      PidsLimit: 200,
      Memory: 512 * 1024 ** 2,
      MemorySwap: 512 * 1024 ** 2,
      NanoCpus: 1e9,
      ShmSize: 64 * 1024 ** 2,
      DeviceRequests: [],
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      AutoRemove: false,
      PublishAllPorts: false,
      Binds: null,
      VolumesFrom: null,
      GroupAdd: null,
      LogConfig: { Type: 'none', Config: {} },
    });
    expect([bounds.Devices ?? [], bounds.PortBindings ?? {}]).toEqual([[], {}]);
    // What an image calls a volume is no place on the engine's disk.
    const volumes = isHostile ? ['/data', '/hpo/attempt/deep', '/var/mail'] : [];
    const inMemory = (paths: readonly string[], bytes: number) =>
      paths.map((path) => [path, `rw,exec,nosuid,nodev,size=${bytes},mode=1777`]);
    expect(bounds.Tmpfs).toEqual(
      Object.fromEntries([...inMemory(['/tmp', '/hpo/home'], 256 * 1024 ** 2), ...inMemory(volumes, 64 * 1024 ** 2)]),
    );
    const dir = world.files.attemptDir(key(0));
    const writable = found.Mounts.filter(({ RW }) => RW).map(({ Source, Destination }) => `${Source} ${Destination}`);
    expect(writable.toSorted()).toEqual([
      `${dir} /hpo/attempt`,
      `${dir}/work /hpo/work`,
      `${world.files.checkpointDir(key(0))} /hpo/checkpoint`,
    ]);
    for (const { Source } of found.Mounts) expect(Source).not.toMatch(/docker\.sock|^\/(?:proc|sys|dev|etc|run)?$/);
    expect(found.Mounts.filter(({ Type }) => Type !== 'bind')).toEqual([]);
    expect(found.Config.Env).toContain('NVIDIA_VISIBLE_DEVICES=void');
    expect(found.Config.Env).toContain('HPO_STUDY=study-1');
    expect(found.Config.Env).toContain('HPO_TRIAL=0');
    await executor.stop(key(0), 0);
    await observer.ending(key(0));
  });

  it('is felt inside: no privilege, no network, nothing to write to but the attempt’s own', async () => {
    await using world = await openDockerWorld();
    const seen = await output(
      world,
      [
        'id -u',
        "sed -n 's/^\\(CapEff\\|CapBnd\\|NoNewPrivs\\|Seccomp\\):\\s*//p' /proc/self/status",
        'ls /sys/class/net',
        'for path in /new /etc/new /hpo/work/train.py /hpo/shim.sh /hpo/new; do (: >>"$path") 2>/dev/null && echo "wrote $path"; done',
        'for path in /tmp/new /hpo/home/new /hpo/work/new /hpo/attempt/new /hpo/checkpoint/new; do : >"$path" && echo ok; done',
        'printf "#!/bin/sh\\necho runs" >/tmp/program; chmod +x /tmp/program; /tmp/program',
        'echo "$HOME"; ls /var/run/docker.sock /run/docker.sock 2>/dev/null',
        'dd if=/dev/zero of=/tmp/large bs=1M count=400 2>/dev/null || echo full',
      ].join('\n'),
    );
    expect(seen.split('\n')).toEqual([
      '65532',
      '0000000000000000',
      '0000000000000000',
      '1',
      '2',
      'lo',
      ...Array.from({ length: 5 }, () => 'ok'),
      'runs',
      '/hpo/home',
      'full',
      '',
    ]);
  });

  it('gives secrets by name and nothing else of the agent’s environment', async () => {
    await using world = await openDockerWorld();
    await world.prepare('study-1', { secrets: ['TOKEN', 'MISSING'] });
    const observer = new Observer();
    await using executor = world.connect(observer, { environment: { TOKEN: 'secret', OTHER: 'not this' } });
    await executor.start(attemptOf(world, [], { command: sh('env') }));
    await observer.ending(key(0));
    const names = (await world.read(key(0), 'out')).split('\n').map((line) => line.split('=')[0]);
    expect(names).toContain('TOKEN');
    for (const name of ['MISSING', 'OTHER']) expect(names).not.toContain(name);
  });

  const forbidden = [
    { what: 'the root', source: () => '/' },
    { what: 'processes', source: () => '/proc' },
    { what: 'devices', source: () => '/dev/shm' },
    { what: 'settings of the system', source: () => '/etc/ssl' },
    { what: 'a folder with sockets', source: () => '/var/run' },
    { what: 'the user’s home', source: () => process.env['HOME'] ?? '/root' },
    { what: 'the home of the agent', source: (world: DockerWorld) => world.homeDir },
    { what: 'a part of it', source: (world: DockerWorld) => join(world.homeDir, 'studies') },
    { what: 'what has it in it', source: (world: DockerWorld) => world.base },
    {
      what: 'a link to such a folder',
      source: (world: DockerWorld) => {
        symlinkSync('/etc', join(world.root, 'data'));
        return join(world.root, 'data');
      },
    },
  ];
  it.each(forbidden)('mounts no data that leads out: $what', async ({ source }) => {
    await using world = await openDockerWorld();
    await world.prepare('study-1', { mounts: [{ source: source(world), target: '/data', readOnly: true }] });
    await using executor = world.connect(new Observer());
    await expect(executor.start(attemptOf(world, []))).rejects.toMatchObject({
      code: 'HPO-2453',
      message: expect.stringContaining('@hpo.data -> /data') as string,
    });
    expect(await executor.list()).toEqual([]);
  });

  it('never mounts the socket of the engine, whatever folder it is in', async () => {
    await using world = await openDockerWorld();
    const socket = (process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock').replace('unix://', '');
    const link = join(world.root, 'link');
    symlinkSync(dirname(socket), link);
    for (const source of [socket, dirname(socket), link]) {
      const spec = {
        name: nameOf(world),
        labels: world.labels,
        image: world.container.image.id,
        command: ['/bin/true'],
        environment: {},
        workingDir: '/',
        user: '65532:65532',
        mounts: [{ source, target: '/engine', isReadOnly: true }],
        tmpfs: {},
        network: false,
        cpus: 1,
        memoryBytes: null,
        shmBytes: 1 << 20,
        pids: 10,
        gpus: 0,
      };
      await expect(world.engine.createContainer(spec)).rejects.toMatchObject({ code: 'HPO-2405' });
    }
  });
});

describe('what an attempt in a container is given', () => {
  it('has data mounted where it says, read-only or not, in the project as well', async () => {
    await using world = await openDockerWorld();
    const data = join(world.base, 'data');
    mkdirSync(data, { mode: 0o777 });
    writeFileSync(join(data, 'x'), 'data\n');
    await world.prepare('study-1', {
      mounts: [
        { source: data, target: '/data', readOnly: true },
        { source: data, target: '/hpo/work/sets/here', readOnly: true },
        { source: join(data, 'x'), target: '/hpo/work/one.txt', readOnly: true },
      ],
    });
    expect(await output(world, 'cat /data/x sets/here/x one.txt; (: >/data/y) 2>/dev/null || echo denied')).toBe(
      'data\ndata\ndata\ndenied\n',
    );
  });

  it('gets a project of very many files at its top without a mount for each', async () => {
    await using world = await openDockerWorld();
    const many = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`file${n}.txt`, `${n}\n`]));
    await world.store({ ...many, 'src/deep/model.py': 'a = 1\n' });
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(
      attemptOf(world, [], {
        command: sh('cat file7.txt train.py src/deep/model.py; echo out >result.txt; echo ck >src/ck/a; cat src/ck/a; sleep 1'),
        files: [
          { path: 'train.py', content: 'lr = 0.5\n' },
          { path: 'src/deep/model.py', content: 'a = 2\n' },
        ],
        checkpointDir: 'src/ck/',
      }),
    );
    expect((await inspect(world)).Mounts.length).toBeLessThan(20);
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    expect(await world.read(key(0), 'out')).toBe('7\nlr = 0.5\na = 2\nck\n');
    expect(readFileSync(join(world.files.attemptDir(key(0)), 'work', 'result.txt'), 'utf8')).toBe('out\n');
    expect(readFileSync(join(world.files.checkpointDir(key(0)), 'a'), 'utf8')).toBe('ck\n');
  });

  it('leaves its results in the work folder, and after the cleaning these alone', async () => {
    await using world = await openDockerWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [], { command: sh('mkdir -p runs; echo 1 >runs/loss.csv') }));
    await observer.ending(key(0));
    await executor.cleanup('study-1', { removeFiles: false });
    const work = join(world.files.attemptDir(key(0)), 'work');
    expect(readdirSync(work, { recursive: true }).map(String).toSorted()).toEqual(['runs', 'runs/loss.csv']);
    expect(statSync(join(work, 'runs/loss.csv')).uid).toBe(process.getuid?.() === 0 ? 65_532 : process.getuid?.());
    expect(await world.engine.listContainers(world.labels)).toEqual([]);
    await executor.cleanup('study-1', { removeFiles: true });
    expect(existsSync(world.files.studyDir('study-1'))).toBe(false);
  });
});

describe('how attempts in containers end', () => {
  it('tells want of memory from every other end', async () => {
    await using world = await openDockerWorld();
    const memoryBytes = 64 * 1024 ** 2;
    await world.prepare('study-1', { memoryBytes });
    const observer = new Observer();
    await using executor = world.connect(observer);
    const greedy = ['python', '-c', 'x = bytearray(200 * 1024 ** 2); print(len(x))'];
    await executor.start(attemptOf(world, [], { command: greedy }));
    // A part of the program that was killed.
    const child = sh('python -c "bytearray(200 * 1024 ** 2)"; echo "failed: $?"; exit 3');
    await executor.start(attemptOf(world, [], { key: key(1), command: child }));
    await executor.start(attemptOf(world, [{ do: 'raise', signal: 'SIGKILL' }], { key: key(2) }));
    expect(await observer.ending(key(0))).toMatchObject({ isOutOfMemory: true, isLost: false, isTimeout: false });
    expect(await observer.ending(key(1))).toMatchObject({ exitCode: 3, isOutOfMemory: true, isLost: false });
    expect(await observer.ending(key(2))).toMatchObject({ signal: 'SIGKILL', isOutOfMemory: false, isLost: false });
    // The next agent says the same, when the containers are long gone.
    const again = new Observer();
    await using next = world.connect(again);
    for (const trial of [0, 1, 2]) {
      await next.start(attemptOf(world, [], { key: key(trial) }));
      expect(await again.ending(key(trial))).toEqual(observer.endings.get(text(key(trial))));
    }
  });

  const removals = [
    { name: 'docker kill', act: (name: string) => docker.getContainer(name).kill() },
    { name: 'docker rm -f', act: (name: string) => docker.getContainer(name).remove({ force: true }) },
    { name: 'docker stop', act: (name: string) => docker.getContainer(name).stop({ t: 0 }) },
  ];
  it.each(removals)('tells a loss: $name', async ({ act }) => {
    await using world = await openDockerWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [{ do: 'ignoreTerm' }, forever]));
    await act(nameOf(world));
    expect(await observer.ending(key(0))).toMatchObject({ isLost: true, isOutOfMemory: false });
    await executor[Symbol.asyncDispose]();
    expect(await world.engine.listContainers(world.labels)).toEqual([]);
    // Known for ever, and never run again.
    const again = new Observer();
    await using next = world.connect(again);
    await next.start(attemptOf(world, []));
    expect(await again.ending(key(0))).toMatchObject({ isLost: true });
  });

  it('stops one that somebody paused, and ends it at its deadline', async () => {
    await using world = await openDockerWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [forever]));
    await executor.start(attemptOf(world, [forever], { key: key(1), timeoutMs: 5_000, graceMs: 100 }));
    for (const trial of [0, 1]) await docker.getContainer(nameOf(world, key(trial))).pause();
    await executor.stop(key(0), 5_000);
    expect(await observer.ending(key(0))).toMatchObject({ signal: 'SIGTERM', isLost: false });
    // Continued for the kill, the shim may see first that the deadline is over.
    expect(await observer.ending(key(1))).toMatchObject({ exitCode: null, isTimeout: true, isLost: false });
  });

  it('takes one for lost that nobody continues', async () => {
    await using world = await openDockerWorld();
    const observer = new Observer();
    await using executor = world.connect(observer, { maxPausedMs: 1_000 });
    await executor.start(attemptOf(world, [forever]));
    await docker.getContainer(nameOf(world)).pause();
    expect(await observer.ending(key(0))).toMatchObject({ isLost: true, isTimeout: false, isOutOfMemory: false });
    await executor[Symbol.asyncDispose]();
    expect(await world.engine.listContainers(world.labels)).toEqual([]);
  });

  it('tells why it could not begin, and leaves nothing behind', async () => {
    await using world = await openDockerWorld();
    const image = await buildImage(world, 'empty', 'FROM scratch\nENV A=1\nCOPY Dockerfile /file\n');
    await world.prepare('study-1', { image: { ...world.container.image, id: image } });
    await using executor = world.connect(new Observer());
    await expect(executor.start(attemptOf(world, []))).rejects.toMatchObject({ code: 'HPO-2451' });
    await eventually(async () => (await executor.list()).length === 0, 'nothing is left of it');
    expect(await world.engine.listContainers(world.labels)).toEqual([]);
    // The driver asks once more where it finds something: for the same reason.
    await expect(executor.start(attemptOf(world, []))).rejects.toMatchObject({ code: 'HPO-2451' });
  });

  it('says that the machine has no GPUs for containers', async () => {
    await using world = await openDockerWorld();
    expect((await world.engine.info()).hasGpus).toBe(false);
    await world.prepare('study-1', { gpus: 1 });
    await using executor = world.connect(new Observer());
    const starting = executor.start(attemptOf(world, []));
    await expect(starting).rejects.toMatchObject({ code: 'HPO-2405', next: expect.stringContaining('NVIDIA') as string });
    await eventually(async () => (await executor.list()).length === 0, 'nothing is left of it');
  });

  it('makes an image that is gone anew', async () => {
    await using world = await openDockerWorld();
    const gone = `sha256:${'0'.repeat(64)}`;
    await world.prepare('study-1', { image: { ...world.container.image, id: gone } });
    const observer = new Observer();
    let nRestored = 0;
    const restore = () => {
      nRestored++;
      return Promise.resolve(world.container.image.id);
    };
    await using executor = world.connect(observer, { images: { restore } });
    await executor.start(attemptOf(world, []));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    expect(nRestored).toBe(1);
  });
});

describe('containers and agents that come and go', () => {
  it('goes on where an agent was killed between making and starting, and between the end and its record', async () => {
    await using world = await openDockerWorld();
    const attempt = attemptOf(world, [
      { do: 'checkpoint', text: 'ran ' },
      { do: 'exit', code: 4 },
    ]);
    const dies = (name: 'startContainer' | 'inspectContainer') =>
      new Proxy(world.engine, {
        get: (engine, property) => {
          if (property === name || property === 'removeContainer') return () => new Promise(() => undefined);
          const value: unknown = Reflect.get(engine, property);
          return typeof value === 'function' ? (value.bind(engine) as unknown) : value;
        },
      });
    const first = world.connect(new Observer(), { engine: () => Promise.resolve(dies('startContainer')) });
    void first.start(attempt);
    await eventually(async () => (await world.engine.listContainers(world.labels)).length === 1, 'the container is made');

    const second = world.connect(new Observer(), { engine: () => Promise.resolve(dies('inspectContainer')) });
    expect(await second.list()).toEqual([{ key: key(0), state: 'running' }]);
    void second.start(attempt);
    // It asks first whether that one has run already.
    const third = world.connect(new Observer());
    await third.start(attempt);
    await eventually(() => existsSync(join(world.files.attemptDir(key(0)), 'exit.json')), 'it has ended');

    const observer = new Observer();
    await using last = world.connect(observer);
    await last.start(attempt);
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 4 });
    expect(await world.read(key(0), 'out')).toBe('ran ');
  });

  it('finds what is left of a study whose folder is gone', async () => {
    await using world = await openDockerWorld();
    const observer = new Observer();
    {
      await using executor = world.connect(new Observer());
      await executor.start(attemptOf(world, [forever]));
    }
    await nodeSystem().files.remove(world.files.studyDir('study-1'));
    await using executor = world.connect(observer);
    expect(await executor.list()).toEqual([{ key: key(0), state: 'running' }]);
    expect((await executor.studies()).toSorted()).toEqual(['study-1', 'study-10']);
    await executor.cleanup('study-1', { removeFiles: true });
    expect(await executor.studies()).toEqual(['study-10']);
    expect(await world.engine.listContainers(world.labels)).toEqual([]);
  });

  it('leaves studies of processes alone, as these leave its own', async () => {
    await using world = await openDockerWorld();
    const observer = new Observer();
    const options = { system: nodeSystem(), homeDir: world.homeDir, snapshots: world.snapshots, environment: process.env };
    await using local = new LocalExecutor({ ...options, listener: observer });
    await using executor = world.connect(observer);
    const mine = key(0, 1, 'local-1');
    await local.start(attemptOf(world, [forever], { key: mine, command: sh('sleep 60') }));
    await executor.start(attemptOf(world, [forever]));
    expect((await local.list()).map((listing) => text(listing.key))).toEqual([text(mine)]);
    expect((await executor.list()).map((listing) => text(listing.key))).toEqual([text(key(0))]);
    expect(await local.studies()).toEqual(['local-1']);
    expect((await executor.studies()).toSorted()).toEqual(['study-1', 'study-10']);
    await local.cleanup('study-1', { removeFiles: true });
    await executor.cleanup('local-1', { removeFiles: true });
    expect((await local.list()).length + (await executor.list()).length).toBe(2);
    await local.cleanup('local-1', { removeFiles: true });
    expect(observer.count('ended', mine)).toBe(1);
    expect(observer.count('ended', key(0))).toBe(0);
  });

  it('asks no engine while no study runs in containers', async () => {
    await using world = await openDockerWorld();
    const homeDir = join(world.base, 'other');
    let nAsked = 0;
    const engine = () => {
      nAsked++;
      return Promise.reject(new Error('asked'));
    };
    await using executor = world.connect(new Observer(), { homeDir, engine });
    expect(await executor.list()).toEqual([]);
    expect(await executor.studies()).toEqual([]);
    expect((await executor.capacity()).cpus).toBeGreaterThanOrEqual(1);
    await executor.stop(key(0), 0);
    await executor.cleanup('study-1', { removeFiles: true });
    expect(nAsked).toBe(0);
  });
});
