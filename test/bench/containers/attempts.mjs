import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectEngine } from '../../../agent/engine/index.ts';
import { DockerExecutor } from '../../../agent/executors/docker/dockerExecutor.ts';
import { SnapshotStore } from '../../../agent/packaging/snapshot.ts';
import { nodeSystem } from '../../../agent/system/node.ts';

const study = 'bench-containers';
const program = ['python', '-c', 'pass'];

/**
 * What one attempt costs: an empty program through the Docker executor, by `docker run`, and by the engine's API alone (create, start,
 * wait, remove), of the same image with the same flags; in turn, in blocks, so that a disturbance of the machine meets all. The flags
 * of the others are read from a container that the executor made. A row a block: milliseconds that an attempt takes
 * in its slot.
 */
export async function measureAttempts({ docker, base, image, blocks, perBlock, slots }) {
  await using ours = await Ours.open(base, image);
  const model = await ours.model(docker);
  const contenders = {
    ours: () => ours.attempt(program),
    run: () => dockerRun(runArguments(model)),
    api: () => byApi(docker, model),
  };
  const names = Object.keys(contenders);
  // Once each before: what is read for the first time comes from the disk.
  for (const name of names) await contenders[name]();
  const rows = [];
  const slowestMs = Object.fromEntries(names.map((name) => [name, 0]));
  const timed = async (name) => {
    const start = performance.now();
    await contenders[name]();
    slowestMs[name] = Math.max(slowestMs[name], performance.now() - start);
  };
  for (let block = 0; block < blocks; block++) {
    const row = {};
    for (const name of names.map((_, i) => names[(i + block) % names.length])) {
      const start = performance.now();
      await inSlots(perBlock, slots, () => timed(name));
      row[name] = ((performance.now() - start) * slots) / perBlock;
    }
    rows.push(row);
  }
  return { rows, slowestMs };
}

/** The executor, used as the driver uses it. */
class Ours {
  #next = 0;
  #waiting = new Map();

  static async open(base, image) {
    const ours = new Ours();
    const root = join(base, 'project');
    const homeDir = join(base, 'home');
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'train.py'), 'x = 0\n');
    const snapshots = new SnapshotStore(join(homeDir, 'snapshots'));
    const { hash: snapshot } = await snapshots.take({ root, mustHave: ['train.py'] });
    const engine = await connectEngine({ host: process.env.DOCKER_HOST, environment: process.env });
    const { id, names } = await engine.inspectImage(image);
    ours.snapshot = snapshot;
    ours.engine = engine;
    ours.executor = new DockerExecutor({
      system: nodeSystem(),
      homeDir,
      snapshots,
      images: { restore: async (reference) => reference.id },
      engine: async () => engine,
      listener: { started() {}, output() {}, ended: (key, ending) => ours.#waiting.get(key.trial)(ending) },
      environment: {},
    });
    await ours.executor.prepare({
      studyId: study,
      root,
      snapshot,
      container: {
        image: { name: names[0], id, recipe: null },
        mounts: [],
        network: false,
        memoryBytes: 1024 ** 3,
        shmBytes: 64 * 1024 ** 2,
        pids: 512,
        gpus: 0,
        secrets: [],
      },
    });
    return ours;
  }

  async attempt(command) {
    const { key, ended } = await this.#start(command);
    const { exitCode } = await ended;
    if (exitCode !== 0) throw new Error(`attempt ${key.trial} ended with ${exitCode}`);
  }

  /** What the engine says of a container that was made for an attempt. */
  async model(docker) {
    const { key, ended } = await this.#start(['python', '-c', 'import time; time.sleep(600)']);
    const [{ Id }] = await docker.listContainers({ all: true, filters: { label: [`hpo.study=${study}`] } });
    const model = await docker.getContainer(Id).inspect();
    await this.executor.stop(key, 1_000);
    await ended;
    return model;
  }

  async #start(command) {
    const key = { studyId: study, trial: this.#next++, attempt: 1 };
    const ended = new Promise((resolve) => this.#waiting.set(key.trial, resolve));
    await this.executor.start({
      key,
      snapshot: this.snapshot,
      command,
      environment: {},
      files: [{ path: 'train.py', content: `x = ${key.trial}\n` }],
      checkpointDir: null,
      checkpointFrom: null,
      timeoutMs: null,
      graceMs: 1_000,
      outputBytes: 1 << 30,
      cpus: 1,
    });
    return { key, ended };
  }

  async [Symbol.asyncDispose]() {
    await this.executor.cleanup(study, { removeFiles: true });
    await this.executor[Symbol.asyncDispose]();
    await this.engine[Symbol.asyncDispose]();
  }
}

/** `docker run` with every flag of the model that its command line knows. */
function runArguments({ HostConfig: host, Config: config, Image }) {
  const each = (flag, values) => (values ?? []).flatMap((value) => [flag, value]);
  return [
    'run',
    '--rm',
    '--network',
    host.NetworkMode,
    '--user',
    config.User,
    '--workdir',
    config.WorkingDir,
    '--pids-limit',
    String(host.PidsLimit),
    '--shm-size',
    String(host.ShmSize),
    '--ipc',
    host.IpcMode,
    '--cgroupns',
    host.CgroupnsMode,
    '--no-healthcheck',
    '--log-driver',
    host.LogConfig.Type,
    ...(host.Init ? ['--init'] : []),
    ...(host.ReadonlyRootfs ? ['--read-only'] : []),
    ...(host.NanoCpus > 0 ? ['--cpus', String(host.NanoCpus / 1e9)] : []),
    ...(host.Memory > 0 ? ['--memory', String(host.Memory), '--memory-swap', String(host.MemorySwap)] : []),
    ...each('--cap-drop', host.CapDrop),
    ...each('--security-opt', host.SecurityOpt),
    ...each(
      '--tmpfs',
      Object.entries(host.Tmpfs ?? {}).map(([path, options]) => `${path}:${options}`),
    ),
    ...each('--volume', host.Binds),
    ...each(
      '--mount',
      (host.Mounts ?? []).map(
        ({ Type, Source, Target, ReadOnly }) =>
          `type=${Type},source=${Source},target=${Target}${ReadOnly === true ? ',readonly' : ''}`,
      ),
    ),
    ...each('--env', config.Env),
    '--entrypoint',
    program[0],
    Image,
    ...program.slice(1),
  ];
}

async function dockerRun(args) {
  const [code] = await once(spawn('docker', args, { stdio: 'ignore' }), 'exit');
  if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}`);
}

async function byApi(docker, { HostConfig, Config, Image }) {
  const container = await docker.createContainer({
    Image,
    Entrypoint: [program[0]],
    Cmd: program.slice(1),
    User: Config.User,
    WorkingDir: Config.WorkingDir,
    Env: Config.Env,
    HostConfig,
  });
  await container.start();
  const { StatusCode } = await container.wait();
  await container.remove();
  if (StatusCode !== 0) throw new Error(`the container ended with ${StatusCode}`);
}

async function inSlots(count, slots, work) {
  let started = 0;
  const slot = async () => {
    while (started++ < count) await work();
  };
  await Promise.all(Array.from({ length: slots }, slot));
}
