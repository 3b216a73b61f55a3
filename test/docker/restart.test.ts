import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import { bases, engineClient, ensureBases } from '../support/docker.ts';
import { Hpo } from '../support/hpo.ts';

const bridge = `hpo-t${process.pid}`;

/** An engine of this test's own, which it can end; with a bridge of its own that leads nowhere, as its containers have no network. */
class OwnEngine {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hpo-own-'));
  readonly socket = join(this.#folder, 'docker.sock');
  readonly client = new Docker({ socketPath: this.socket });
  #process: ChildProcess | null = null;

  async start(): Promise<void> {
    chmodSync(this.#folder, 0o711);
    if (!existsSync(`/sys/class/net/${bridge}`)) {
      execFileSync('ip', ['link', 'add', bridge, 'type', 'bridge']);
      execFileSync('ip', ['address', 'add', '10.89.214.1/24', 'dev', bridge]);
    }
    const config = join(this.#folder, 'daemon.json');
    writeFileSync(config, '{}');
    const log = openSync(join(this.#folder, 'log'), 'a');
    const flags = [
      `--data-root=${join(this.#folder, 'data')}`,
      `--exec-root=${join(this.#folder, 'exec')}`,
      `--pidfile=${join(this.#folder, 'pid')}`,
      `--host=unix://${this.socket}`,
      `--config-file=${config}`,
      // Without one, dockerd would take docker0 away, which may be another engine's.
      `--bridge=${bridge}`,
      '--iptables=false',
      '--ip6tables=false',
    ];
    this.#process = spawn('dockerd', flags, { stdio: ['ignore', log, log] });
    for (const deadline = Date.now() + 60_000; !(await this.#answers()); await delay(200)) {
      if (this.#process.exitCode === null && Date.now() < deadline) continue;
      throw new Error(`dockerd does not start:\n${readFileSync(join(this.#folder, 'log'), 'utf8').slice(-3_000)}`);
    }
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ended = this.#process;
    if (ended === null) return;
    if (ended.exitCode === null && ended.signalCode === null) {
      const gone = once(ended, 'exit');
      ended.kill(signal);
      await gone;
    }
    this.#process = null;
    await this.#endContainerd();
    rmSync(join(this.#folder, 'pid'), { force: true });
  }

  /** What a killed engine leaves keeps the next from starting; its containers go on. */
  async #endContainerd(): Promise<void> {
    const file = join(this.#folder, 'exec', 'containerd', 'containerd.pid');
    if (!existsSync(file)) return;
    const pid = readFileSync(file, 'utf8').trim();
    if (this.#isOurs(pid)) process.kill(Number(pid), 'SIGKILL');
    while (this.#isOurs(pid)) await delay(50);
    rmSync(file, { force: true });
  }

  /** Whether a process has this engine's folder among its arguments. A zombie has none. */
  #isOurs(pid: string): boolean {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${this.#folder}/`);
    } catch {
      return false;
    }
  }

  async dispose(): Promise<void> {
    const left = await this.client.listContainers({ all: true }).catch(() => []);
    for (const { Id } of left) await this.client.getContainer(Id).remove({ force: true });
    await this.end('SIGTERM');
    // Of one that could not be started again: whatever of it runs.
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      if (this.#isOurs(pid)) process.kill(Number(pid), 'SIGKILL');
    // A killed engine leaves what it had mounted.
    const mounted = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    for (const path of mounted.filter((each) => each.startsWith(`${this.#folder}/`)).toReversed())
      execFileSync('umount', ['-l', path]);
    rmSync(this.#folder, { recursive: true, force: true });
    execFileSync('ip', ['link', 'delete', bridge]);
  }

  async #answers(): Promise<boolean> {
    return (
      existsSync(this.socket) &&
      (await this.client
        .ping()
        .then(() => true)
        .catch(() => false))
    );
  }
}

async function waitsForEngine(hpo: Hpo, studyId: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await delay(200)) {
    const [status] = await hpo.json<{ state: string; message: string; failure: { code: string } | null }>('status', studyId);
    if (status?.state === 'paused' && status.failure?.code === 'HPO-3020') return;
    if (Date.now() > deadline) throw new Error(`the study does not wait for its engine: ${JSON.stringify(status)}`);
  }
}

function hasDockerd(): boolean {
  try {
    execFileSync('dockerd', ['--version']);
    return true;
  } catch {
    return false;
  }
}

const isPossible = process.getuid?.() === 0 && hasDockerd();

describe.skipIf(!isPossible)('the engine is restarted during a study (needs root and dockerd)', () => {
  const engine = new OwnEngine();
  beforeAll(async () => {
    await ensureBases('python');
    await engine.start();
    await engine.client.loadImage(await engineClient().getImage(bases.python).get());
  }, 300_000);
  afterAll(() => engine.dispose(), 60_000);

  it.each(['SIGTERM', 'SIGKILL'] as const)('by %s: the trial gets a new attempt, and nothing is left', async (signal) => {
    await using hpo = new Hpo({ HPO_DOCKER_HOST: `unix://${engine.socket}` });
    const gate = join(hpo.project, 'gate');
    mkdirSync(gate);
    hpo.write(
      'train.py',
      `# @hpo.objective loss min\n# @hpo.image ${bases.python}\n# @hpo.data ./gate -> /gate ro\nimport os, time\nx = 3.0  # @hpo float(0, 10)\nprint("began", flush=True)\nwhile not os.path.exists("/gate/open"):\n    time.sleep(0.05)\nprint(f"loss={x}")\n`,
    );
    const args = ['tune', 'train.py', '--on', 'docker', '-n', '2', '--parallel', '1', '--detach'];
    const [started] = await hpo.json<{ studyId: string }>(...args);
    const studyId = started?.studyId ?? '';
    // While the engine ends, an attempt may be asked for in vain: which one runs in the end is not said.
    const began = async (...attempts: readonly number[]): Promise<void> => {
      const trial = join(hpo.home, 'studies', studyId, 'trials', '0');
      const hasBegun = (attempt: number): boolean => {
        const log = join(trial, `attempt-${attempt}`, 'out.log');
        return existsSync(log) && readFileSync(log, 'utf8').includes('began');
      };
      for (const deadline = Date.now() + 120_000; !attempts.some(hasBegun); await delay(100))
        if (Date.now() > deadline)
          throw new Error(`attempts ${attempts.join(', ')} did not begin: ${(await hpo.run('trials', studyId)).stdout}`);
    };
    await began(1);
    await engine.end(signal);
    expect((await hpo.run('status', studyId)).code).toBe(0);
    // An engine that is asked to end ends its containers too; the attempt that follows finds none.
    if (signal === 'SIGTERM') await waitsForEngine(hpo, studyId);
    await engine.start();
    await began(2, 3, 4, 5, 6);
    writeFileSync(join(gate, 'open'), '');
    await hpo.ended(studyId, 120_000);
    const trials = await hpo.json<{ state: string; attempts: number }>('trials', studyId);
    expect(trials).toMatchObject([{ state: 'complete' }, { state: 'complete', attempts: 1 }]);
    expect(trials[0]?.attempts).toBeGreaterThan(1);
    const filters = { label: [`hpo.home=${new StudyFolders(hpo.home).homeMark}`] };
    expect(await engine.client.listContainers({ all: true, filters })).toEqual([]);
  });
});
