import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { containerName } from '../../agent/executors/docker/containerName.ts';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import { bases, engineClient, ensureBases } from '../support/docker.ts';
import { EnvironmentProject } from '../support/environmentProject.ts';

const docker = engineClient();
beforeAll(() => ensureBases('python'), 300_000);

/** A script whose trials say that they began, and wait until the gate is open. */
const script = (...directives: readonly string[]): string =>
  [
    '# @hpo.objective loss min',
    ...directives.map((words) => `# @hpo.${words}`),
    '# @hpo.data ./gate -> /gate ro',
    'import os, time',
    'x = 3.0  # @hpo float(0, 10)',
    'print("began", flush=True)',
    'while not os.path.exists("/gate/open"):',
    '    time.sleep(0.05)',
    'print(f"loss={x}")',
    '',
  ].join('\n');

interface Status {
  readonly state: string;
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly trials: Readonly<Record<string, number>>;
}

/** A study of two trials, one after the other, whose first attempt waits in its container. */
class WaitingStudy extends EnvironmentProject {
  studyId = '';
  readonly #gate: string;

  constructor(env: Readonly<Record<string, string>> = {}) {
    super(null, env);
    this.#gate = join(this.project, 'gate');
    mkdirSync(this.#gate);
  }

  async begin(text: string = script(`image ${bases.python}`), ...more: readonly string[]): Promise<void> {
    this.write('train.py', text);
    const args = ['tune', 'train.py', '--on', 'docker', '-n', '2', '--parallel', '1', '--seed', '1', '--detach', ...more];
    const [started] = await this.json<{ studyId: string }>(...args);
    this.studyId = started?.studyId ?? '';
    await this.until(() => this.output(1).includes('began'));
  }

  openGate(): void {
    writeFileSync(join(this.#gate, 'open'), '');
  }

  /** Of the first trial. */
  output(attempt: number): string {
    const path = join(this.home, 'studies', this.studyId, 'trials', '0', `attempt-${attempt}`, 'out.log');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  get container() {
    const mark = new StudyFolders(this.home).homeMark;
    return docker.getContainer(containerName(mark, { studyId: this.studyId, trial: 0, attempt: 1 }));
  }

  async status(): Promise<Status> {
    const [status] = await this.json<Status>('status', this.studyId);
    if (status === undefined) throw new Error('no status');
    return status;
  }

  async until(condition: () => boolean | Promise<boolean>, timeoutMs = 90_000): Promise<void> {
    for (const deadline = Date.now() + timeoutMs; !(await condition()); await delay(100)) {
      if (Date.now() > deadline)
        throw new Error(`it did not come to that: ${JSON.stringify(await this.status())}\n${this.output(1)}`);
    }
  }

  async killAgent(): Promise<void> {
    const [agent] = await this.json<{ pid: number }>('agent', 'status');
    process.kill(agent?.pid ?? 0, 'SIGKILL');
  }

  /** Attempts of each trial, once all have completed. */
  async attemptsAtTheEnd(): Promise<readonly number[]> {
    await this.ended(this.studyId, 120_000);
    const trials = await this.json<{ state: string; attempts: number }>('trials', this.studyId);
    expect(trials.map(({ state }) => state)).toEqual(['complete', 'complete']);
    return trials.map(({ attempts }) => attempts);
  }

  async containers(): Promise<readonly string[]> {
    return (await this.labelled()).filter((one) => one.startsWith('container'));
  }
}

describe.concurrent('what is done to the container of a trial', () => {
  it.each<readonly [string, number, (study: WaitingStudy) => Promise<void>]>([
    ['docker kill', 2, (study) => study.container.kill()],
    ['docker stop', 2, (study) => study.container.stop({ t: 20 })],
    ['docker rm -f', 2, (study) => study.container.remove({ force: true })],
    [
      'docker pause and unpause',
      1,
      async (study) => {
        await study.container.pause();
        await delay(2_500);
        expect((await study.status()).state).toBe('running');
        expect((await study.container.inspect()).State.Paused).toBe(true);
        await study.container.unpause();
      },
    ],
    ['kill -9 of the agent', 1, (study) => study.killAgent()],
    [
      'kill -9 of the agent, and docker rm -f while there is none',
      2,
      async (study) => {
        await study.killAgent();
        await study.container.remove({ force: true });
      },
    ],
    [
      'docker pause, kill -9 of the agent, docker unpause',
      1,
      async (study) => {
        await study.container.pause();
        await study.killAgent();
        await study.status();
        await study.container.unpause();
      },
    ],
  ])('%s: the study goes on, with %d attempts of the trial', async (_name, attempts, fault) => {
    await using study = new WaitingStudy();
    await study.begin();
    await fault(study);
    if (attempts > 1)
      await study.until(async () => (await study.status()).state === 'running' && study.output(2).includes('began'));
    study.openGate();
    expect(await study.attemptsAtTheEnd()).toEqual([attempts, 1]);
    await withoutContainers(study);
    await study.free(study.studyId);
  });

  it('docker pause for longer than the time limit: the trial has failed for its time', async () => {
    await using study = new WaitingStudy();
    await study.begin(undefined, '--timeout', '4s');
    await study.container.pause();
    await study.until(async () => ((await study.status()).trials['failed'] ?? 0) > 0);
    const trials = await study.run('trials', study.studyId);
    expect(trials.stdout).toMatch(/failed.*HPO-3005/);
    await study.run('stop', study.studyId);
    await study.ended(study.studyId);
    await study.free(study.studyId);
  });
});

describe.concurrent('an image that is deleted between two trials', () => {
  /** With the first trial done and the second not begun. */
  async function pausedWithoutImage(study: WaitingStudy): Promise<void> {
    await study.json('status');
    expect(await study.run('pause', study.studyId)).toMatchObject({ code: 0 });
    study.openGate();
    await study.until(async () => (await study.status()).trials['complete'] === 1);
    await study.until(async () => (await study.containers()).length === 0);
  }

  it('is made again from its recipe', async () => {
    await using study = new WaitingStudy();
    study.write('Dockerfile', `FROM ${bases.python}\nLABEL test=${Date.now()}\n`);
    await study.begin(script('image dockerfile=Dockerfile'));
    await pausedWithoutImage(study);
    const [image = ''] = (await study.labelled()).map((one) => one.replace('image ', ''));
    await docker.getImage(image).remove({ force: true });
    expect(await study.labelled()).toEqual([]);
    expect(await study.run('resume', study.studyId)).toMatchObject({ code: 0 });
    expect(await study.attemptsAtTheEnd()).toEqual([1, 1]);
    expect(await study.labelled()).toEqual([`image ${image}`]);
    await study.free(study.studyId);
  });

  it('and is the user’s own: the study pauses and names it', async () => {
    await using study = new WaitingStudy();
    const name = `hpo-test-gone:${new StudyFolders(study.home).homeMark}`;
    study.write('Dockerfile', `FROM ${bases.python}\nLABEL test=${Date.now()}\n`);
    const stream = await docker.buildImage({ context: study.project, src: ['Dockerfile'] }, { t: name });
    await new Promise((resolve, reject) =>
      docker.modem.followProgress(stream, (error) => (error === null ? resolve(null) : reject(error))),
    );
    rmSync(join(study.project, 'Dockerfile'));
    await study.begin(script(`image ${name}`), '--retry', 'lost=0');
    await pausedWithoutImage(study);
    await docker.getImage(name).remove({ force: true });
    expect(await study.run('resume', study.studyId)).toMatchObject({ code: 0 });
    await study.until(async () => (await study.status()).failure !== null);
    const { state, failure } = await study.status();
    expect([state, failure?.code]).toEqual(['paused', 'HPO-3010']);
    expect(failure?.message).toContain(name);
    await study.free(study.studyId);
  });
});

describe.concurrent('what containers cannot do says what mends it', () => {
  const rows: readonly [string, Readonly<Record<string, string>>, string, RegExp][] = [
    [
      'more memory than they have',
      {
        'train.py': `# @hpo.objective loss min\n# @hpo.image ${bases.python}\n# @hpo.resources memory=64MB\nx = 3.0  # @hpo float(0, 10)\nblocks = [bytearray(8_000_000) for _ in range(40)]\nprint(f"loss={x}")\n`,
      },
      'HPO-3019',
      /more memory than the 64 MB of its container.*@hpo\.resources memory=/,
    ],
    [
      'writing into the code',
      {
        'train.py': `# @hpo.objective loss min\n# @hpo.image ${bases.python}\nx = 3.0  # @hpo float(0, 10)\nopen("lib/out.txt", "w").write("1")\nprint(f"loss={x}")\n`,
        'lib/__init__.py': '',
      },
      'HPO-3016',
      /Read-only file system: 'lib\/out\.txt' \(train\.py, line 4\)\. In a container the code/,
    ],
    [
      'the network',
      {
        'train.py': `# @hpo.objective loss min\n# @hpo.image ${bases.python}\nimport socket\nx = 3.0  # @hpo float(0, 10)\nsocket.create_connection(("example.org", 80))\nprint(f"loss={x}")\n`,
      },
      'HPO-3017',
      /@hpo\.resources network=yes/,
    ],
    [
      'a module that the image lacks',
      {
        'train.py': `# @hpo.objective loss min\n# @hpo.image ${bases.python}\nimport no_such_module\nx = 3.0  # @hpo float(0, 10)\nprint(f"loss={x}")\n`,
      },
      'HPO-3018',
      /The image python:3\.11-slim-bookworm lacks it/,
    ],
  ];

  it.each(rows)('%s', async (_name, files, code, message) => {
    await using project = new EnvironmentProject();
    for (const [name, text] of Object.entries(files)) project.write(name, text);
    const { stdout } = await project.run('tune', 'train.py', '--on', 'docker', '-n', '1', '--json');
    const ended = linesOf(stdout).filter(({ type }) => type === 'attemptEnded');
    expect(ended).toMatchObject([{ failure: { code, message: expect.stringMatching(message) } }]);
    await withoutContainers(project);
  });

  it('an image without a shell', async () => {
    await using project = new EnvironmentProject();
    project.write(
      'train.py',
      '# @hpo.objective loss min\n# @hpo.image dockerfile=Dockerfile\nx = 3.0  # @hpo float(0, 10)\nprint(f"loss={x}")\n',
    );
    project.write('Dockerfile', 'FROM scratch\nCOPY train.py /only\n');
    const { stdout, code } = await project.run('tune', 'train.py', '--on', 'docker', '-n', '1', '--retry', 'lost=0', '--json');
    expect(linesOf(stdout).at(-1)).toMatchObject({
      type: 'studyPaused',
      failure: { code: 'HPO-3010', message: expect.stringMatching(/the image has no \/bin\/sh/) },
    });
    expect(code).toBe(1);
    await withoutContainers(project);
  });

  it('a GPU where the engine can give none', async ({ skip }) => {
    const { Runtimes } = (await docker.info()) as { Runtimes?: object };
    skip(Object.keys(Runtimes ?? {}).includes('nvidia'), 'this engine has GPUs');
    await using project = new EnvironmentProject();
    project.write(
      'train.py',
      `# @hpo.objective loss min\n# @hpo.image ${bases.python}\n# @hpo.resources gpus=1\nx = 3.0  # @hpo float(0, 10)\nprint(f"loss={x}")\n`,
    );
    const { stdout } = await project.run('tune', 'train.py', '--on', 'docker', '-n', '1', '--retry', 'lost=0', '--json');
    expect(linesOf(stdout).at(-1)).toMatchObject({
      type: 'studyPaused',
      failure: { message: expect.stringMatching(/cannot give containers a GPU/) },
    });
    await withoutContainers(project);
  });

  it('gives a secret to trials and to nothing else', async () => {
    const value = `value-${Date.now()}-of-the-secret`;
    await using project = new EnvironmentProject(null, { A_SECRET: value });
    project.write(
      'train.py',
      `# @hpo.objective loss min\n# @hpo.image ${bases.python}\n# @hpo.secret A_SECRET\nimport os\nx = 3.0  # @hpo float(0, 10)\nprint(f"loss={len(os.environ['A_SECRET'])}")\n`,
    );
    const tuned = await project.tuneInContainers('train.py', 1);
    expect(tuned.trials[0]?.values).toEqual({ loss: value.length });
    await project.run('agent', 'stop');
    expect(readFileSync(join(project.home, 'journal.db')).includes(value)).toBe(false);
    expect(readFileSync(join(project.home, 'agent.log')).includes(value)).toBe(false);
  });
});

/** A way to the engine that can be taken away. */
class Way implements AsyncDisposable {
  readonly path: string;
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();

  constructor(path: string) {
    this.path = path;
  }

  async open(): Promise<void> {
    const target = (process.env['DOCKER_HOST'] ?? '').replace('unix://', '');
    this.#server = createServer((client) => {
      const engine = createConnection(target);
      for (const socket of [client, engine]) {
        this.#sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.once('close', () => [client, engine].forEach((each) => each.destroy()));
      }
      client.pipe(engine);
      engine.pipe(client);
    });
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  /** As when the engine is stopped: its socket is gone. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    if (this.#server !== null) await new Promise((resolve) => this.#server?.close(resolve));
    this.#server = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

describe.concurrent('while the engine is away', () => {
  it('a study waits, and goes on with what its container did meanwhile', async () => {
    await using way = new Way(join('/tmp', `hpo-test-way-${process.pid}-a.sock`));
    await way.open();
    await using study = new WaitingStudy({ HPO_DOCKER_HOST: `unix://${way.path}` });
    await study.begin();
    await way.close();
    study.openGate();
    await study.until(() => study.output(1).includes('loss='));
    await way.open();
    expect(await study.attemptsAtTheEnd()).toEqual([1, 1]);
    await study.until(async () => (await study.containers()).length === 0);
  });

  it('a deletion is remembered, also by the next agent, and done when it is back', async () => {
    await using way = new Way(join('/tmp', `hpo-test-way-${process.pid}-b.sock`));
    await way.open();
    await using study = new WaitingStudy({ HPO_DOCKER_HOST: `unix://${way.path}` });
    await study.begin();
    await way.close();
    expect(await study.run('delete', '--yes', study.studyId)).toMatchObject({ code: 0 });
    expect(await study.containers()).toHaveLength(1);
    await study.killAgent();
    const clean = await study.run('clean');
    expect(clean.stderr).toMatch(/containers and images were not looked at: HPO-24\d\d/);
    await way.open();
    await study.until(async () => (await study.containers()).length === 0);
  });

  it('hpo clean and hpo doctor say so, and free what is left when it is back', async () => {
    await using way = new Way(join('/tmp', `hpo-test-way-${process.pid}-c.sock`));
    await way.open();
    await using study = new WaitingStudy({ HPO_DOCKER_HOST: `unix://${way.path}` });
    await study.begin();
    await way.close();
    const doctor = await study.run('doctor');
    expect(doctor.stdout).toMatch(new RegExp(`^wrong +containers ${study.studyId} cannot go on: .*does not run`, 'm'));
    const clean = await study.run('clean');
    expect([clean.code, clean.stderr]).toEqual([1, expect.stringMatching(/containers and images were not looked at: HPO-2402/)]);
    await way.open();
    study.openGate();
    await study.attemptsAtTheEnd();
    await withoutContainers(study);
    expect((await study.run('doctor')).stdout).toMatch(/^ok +containers Docker .* nothing of this home is left on it$/m);
    // Nobody's: as if an agent had been killed at the wrong moment, and its journal been lost.
    const labels = {
      'hpo.home': new StudyFolders(study.home).homeMark,
      'hpo.study': 'gone',
      'hpo.trial': '0',
      'hpo.attempt': '1',
    };
    await docker.createContainer({ name: `hpo-test-orphan-${process.pid}`, Image: bases.python, Cmd: ['true'], Labels: labels });
    const found = await study.json<{ freed: readonly { kind: string }[] }>('clean', '--dry-run');
    expect(found[0]?.freed).toMatchObject([{ kind: 'container', name: `hpo-test-orphan-${process.pid}` }]);
    expect((await study.run('doctor')).stdout).toMatch(/^wrong +containers 1 containers \(hpo-test-orphan/m);
    expect((await study.run('doctor', '--repair')).stdout).toMatch(/removed 1 containers: hpo-test-orphan/);
    expect(await study.containers()).toEqual([]);
  });
});

/** The last one is removed a moment after its study has ended. */
async function withoutContainers(project: EnvironmentProject): Promise<void> {
  const containers = async (): Promise<readonly string[]> =>
    (await project.labelled()).filter((one) => one.startsWith('container'));
  for (const deadline = Date.now() + 20_000; (await containers()).length > 0 && Date.now() < deadline; ) await delay(100);
  expect(await containers()).toEqual([]);
}

function linesOf(stdout: string): readonly { readonly type: string }[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string }); // the contract of --json
}
