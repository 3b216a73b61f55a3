import { execFile, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { Ledger } from './ledger.mjs';

const here = import.meta.dirname;

/** This program as a user has it: `hpo tune`, which starts the agent and follows the study. `bundles`: a folder with dist/. */
export class Ours {
  key = 'ours';
  name = 'ours';
  configuration = '`hpo tune --search tpe`, as it comes';

  constructor(bundles) {
    this.bundles = bundles;
  }

  study(folder, options) {
    return new OurStudy(this.bundles, folder, options);
  }
}

class OurStudy {
  #bundles;
  #options;
  #client = null;
  #studyId = null;
  #error = null;

  /** `home`: where the agent keeps everything, `folder/home` unless told. */
  constructor(bundles, folder, { seed, trials, workers = 1, batch = null, home = join(folder, 'home') }) {
    this.#bundles = bundles;
    this.folder = folder;
    this.home = home;
    this.ledger = new Ledger(join(folder, 'ledger'));
    this.#options = { seed, trials, workers, batch };
    mkdirSync(join(folder, 'project'), { recursive: true });
    for (const name of ['train.py', 'work.py']) copyFileSync(join(here, name), join(folder, 'project', name));
  }

  /** Files in which the study is kept. The journal's last records are in its WAL until that is moved into the main file. */
  get files() {
    const main = join(this.home, 'journal.db');
    return { main, last: existsSync(`${main}-wal`) && statSync(`${main}-wal`).size > 0 ? `${main}-wal` : main };
  }

  /** Begins the study. Once there is one: what any command does, as all of them start an agent where none runs. */
  async start() {
    this.#error = null;
    if (this.#studyId !== null) {
      const { code, stderr } = await this.#hpo('status', this.#studyId);
      if (code !== 0) this.#error = stderr;
      return;
    }
    const { seed, trials, workers, batch } = this.#options;
    const numbers = ['-n', trials, '--parallel', workers, '--seed', seed, ...(batch === null ? [] : ['--batch', batch])];
    const args = ['tune', 'train.py', ...numbers.map(String), '--search', 'tpe', '--env', 'current', '--json'];
    const client = spawn(process.execPath, [join(this.#bundles, 'cli.cjs'), ...args], {
      ...this.#where(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#client = client;
    let text = '';
    let said = '';
    client.stdout.on('data', (chunk) => {
      text += chunk;
      this.#studyId ??= /"studyId":"([^"]+)"/.exec(text)?.[1] ?? null;
    });
    client.stderr.on('data', (chunk) => (said += chunk));
    client.once('close', (code) => {
      this.#client = null;
      if (code !== 0) this.#error = said;
    });
  }

  /** Kills the agent and all that runs for it, as when the machine goes down; whoever follows the study is left alone. */
  async kill() {
    // Those that follow start the next agent at once: it is not to be taken for the one that is killed.
    const agent = JSON.parse(readFileSync(join(this.home, 'run', 'agent.json'), 'utf8')).pid;
    for (const pid of [agent, ...this.#processes().filter((other) => !readProc(other, 'cmdline').includes('agent.cjs'))])
      end(pid);
  }

  /** Ends all that belongs to it. */
  async close() {
    this.#client?.kill('SIGKILL');
    await this.#hpo('agent', 'stop');
    for (const deadline = performance.now() + 10_000; this.#processes().length > 0; await delay(50)) {
      if (performance.now() < deadline) continue;
      for (const pid of this.#processes()) end(pid);
    }
  }

  /** As `kill`, and nobody follows any more. */
  async killAll() {
    this.#client?.kill('SIGKILL');
    await this.kill();
    await delay(200);
    const { pid } = JSON.parse(readFileSync(join(this.home, 'run', 'agent.json'), 'utf8'));
    end(pid);
    await delay(50);
  }

  /** Whether there is anything that could go on. */
  get hasProcess() {
    return this.#client !== null;
  }

  /** Null while it goes on, or seems to. */
  async outcome() {
    if (this.#error !== null) return { ended: false, error: lastLine(this.#error) };
    if (this.#client !== null || this.#studyId === null) return null;
    const { code, stdout, stderr } = await this.#hpo('status', this.#studyId, '--json');
    if (code !== 0) return { ended: false, error: lastLine(stderr) };
    return JSON.parse(stdout).state === 'ended' ? { ended: true, error: null } : null;
  }

  /** The study as its own tools show it: trials, or the error that they end with. */
  async read() {
    const { code, stdout, stderr } = await this.#hpo('trials', this.#studyId ?? '-', '--json');
    if (code !== 0) return { trials: [], error: lastLine(stderr) };
    const trials = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ number, state, params, values }) => ({
        number,
        state,
        point: [params.x, params.y, params.k],
        value: values.loss ?? null,
      }));
    return { trials, error: null };
  }

  /** Whether damage is found by the check that users have. */
  async isDamageSeen() {
    const { stdout } = await this.#hpo('doctor', '--json');
    return !JSON.parse(stdout).ok;
  }

  /** Puts right what the program itself can put right, as its errors say; false where nothing was wrong. */
  async repair() {
    const { stdout } = await this.#hpo('doctor', '--repair', '--json');
    return JSON.parse(stdout).repaired.length > 0;
  }

  /** A process that has begun to write the journal, and is killed there. The agent held its lock when it was killed. */
  async leaveLock() {
    const database = new DatabaseSync(this.files.main);
    const script = `const { DatabaseSync } = require('node:sqlite');
      const db = new DatabaseSync(process.argv[1]);
      db.exec('BEGIN IMMEDIATE; UPDATE hpo_meta SET value = value');
      console.log('held'); setTimeout(() => {}, 600_000);`;
    database.close();
    await heldAndKilled(process.execPath, ['-e', script, this.files.main]);
  }

  /** The same study in a copy of its folder. */
  copied(folder) {
    const copy = new OurStudy(this.#bundles, folder, this.#options);
    copy.#studyId = this.#studyId;
    return copy;
  }

  /** The agent and what runs for it. */
  #processes() {
    return readdirSync('/proc')
      .map(Number)
      .filter(
        (pid) => Number.isInteger(pid) && readProc(pid, 'environ').split('\0').includes(`FAULTS_LEDGER=${this.ledger.path}`),
      )
      .filter((pid) => !readProc(pid, 'cmdline').includes('cli.cjs'));
  }

  #where() {
    const env = { ...process.env, HPO_HOME: this.home, FAULTS_LEDGER: this.ledger.path, NO_COLOR: '1' };
    return { cwd: join(this.folder, 'project'), env };
  }

  #hpo(...args) {
    return new Promise((resolve) => {
      const options = { ...this.#where(), timeout: 60_000, maxBuffer: 64 << 20 };
      execFile(process.execPath, [join(this.#bundles, 'cli.cjs'), ...args], options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : (error.code ?? 1), stdout, stderr }),
      );
    });
  }
}

/** Starts a program that says `held`, and kills it then. */
export function heldAndKilled(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
    let isHeld = false;
    child.stdout.once('data', () => {
      isHeld = true;
      child.kill('SIGKILL');
    });
    child.once('close', () => (isHeld ? resolve() : reject(new Error(`${program} could not take the lock`))));
  });
}

export function lastLine(text) {
  return text.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
}

function readProc(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
