import { execFile, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { heldAndKilled, lastLine } from './ours.mjs';
import { Ledger } from './ledger.mjs';

const peer = join(import.meta.dirname, 'optuna_peer.py');
const files = { journal: 'journal.log', sqlite: 'study.db' };

/** Optuna with one of its storages, set up as its documentation says; see `optuna_peer.py`. */
export class Optuna {
  constructor(python, version, kind) {
    this.python = python;
    this.key = kind;
    this.kind = kind;
    this.name = `Optuna ${version}, ${kind === 'journal' ? 'JournalStorage' : 'RDBStorage (SQLite)'}`;
    this.configuration =
      kind === 'journal'
        ? '`JournalFileBackend` with its own lock (grace period 30 s), which has no heartbeat; the sampler is pickled after each trial, as the tutorial says'
        : '`heartbeat_interval=1`, `grace_period=2`, `RetryHeartbeatStaleTrialCallback()`; a resume samples without the seed, as the kept sampler would draw the point of the killed trial again, beside its repetition';
  }

  study(folder, options) {
    return new OptunaStudy(this, folder, options);
  }
}

class OptunaStudy {
  #system;
  #options;
  #process = null;
  #outcome = null;

  constructor(system, folder, { seed, trials, workers = 1, hasLiar = workers > 1, batch = 0, home = join(folder, 'home') }) {
    this.#system = system;
    this.folder = folder;
    this.home = home;
    this.ledger = new Ledger(join(folder, 'ledger'));
    this.#options = { seed, trials, workers, hasLiar, batch };
    mkdirSync(home, { recursive: true });
  }

  get files() {
    const main = join(this.home, files[this.#system.kind]);
    return { main, last: main };
  }

  /** Begins the study or goes on with it: the same script, run again. */
  async start() {
    const { seed, trials, workers, hasLiar, batch } = this.#options;
    this.#outcome = null;
    const child = spawn(this.#system.python, this.#args('optimize', seed, trials, workers, hasLiar ? 1 : 0, batch), {
      env: this.#env(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    let said = '';
    child.stderr.on('data', (chunk) => (said += chunk));
    child.once('close', (code) => {
      if (this.#process === child) this.#process = null;
      this.#outcome = code === 0 ? { ended: true, error: null } : { ended: false, error: lastLine(said) || `exit code ${code}` };
    });
  }

  async kill() {
    const child = this.#process;
    if (child === null) return;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
    this.#outcome = null;
  }

  async killAll() {
    await this.kill();
  }

  async close() {
    await this.kill();
  }

  get hasProcess() {
    return this.#process !== null;
  }

  /** Null while it goes on, and after a kill. */
  async outcome() {
    return this.#outcome;
  }

  async read() {
    const { code, stdout, stderr } = await this.#run('dump');
    if (code !== 0) return { trials: [], error: lastLine(stderr) || 'no answer within 60 s' };
    return { trials: JSON.parse(stdout), error: null };
  }

  /** It has no check but reading. */
  async isDamageSeen() {
    return (await this.read()).error !== null;
  }

  /** Nor can it mend anything. */
  async repair() {
    return false;
  }

  async leaveLock() {
    await heldAndKilled(this.#system.python, this.#args('hold'));
  }

  copied(folder) {
    return new OptunaStudy(this.#system, folder, this.#options);
  }

  #args(command, ...rest) {
    return [peer, command, this.#system.kind, this.home, ...rest.map(String)];
  }

  #env() {
    return { ...process.env, FAULTS_LEDGER: this.ledger.path };
  }

  #run(command) {
    return new Promise((resolve) => {
      const options = { env: this.#env(), timeout: 60_000, maxBuffer: 64 << 20 };
      execFile(this.#system.python, this.#args(command), options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : (error.code ?? 1), stdout, stderr }),
      );
    });
  }
}
