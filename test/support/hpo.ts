import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** The command line's bundle. */
export const cliMain: string = join(import.meta.dirname, '..', '..', 'dist', 'cli.cjs');

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The real command line with a home, a cache and a project of its own; disposing ends its agent and removes all of it. */
export class Hpo implements AsyncDisposable {
  readonly folder: string = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-cli-')));
  readonly home: string = join(this.folder, 'home');
  readonly project: string = join(this.folder, 'project');
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: Readonly<Record<string, string>> = {}) {
    mkdirSync(this.project);
    this.#env = { ...process.env, HPO_HOME: this.home, HPO_CACHE: join(this.folder, 'cache'), NO_COLOR: '1', ...env };
    delete this.#env['FORCE_COLOR'];
  }

  /** Writes a file of the project and returns its path. */
  write(name: string, text: string | Uint8Array): string {
    const path = join(this.project, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  spawn(...args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, [cliMain, ...args], { cwd: this.project, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Runs a command to its end. */
  run(...args: readonly string[]): Promise<Result> {
    const child = this.spawn(...args);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    });
  }

  /** Runs a command with --json and returns its lines; throws when it fails. */
  async json<T = unknown>(...args: readonly string[]): Promise<T[]> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    if (code !== 0) throw new Error(`hpo ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`);
    return stdout
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T); // the contract of --json, checked by the tests that use it
  }

  /** Waits until the study has ended. */
  async ended(studyId: string, timeoutMs = 60_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const [status] = await this.json<{ state: string }>('status', studyId);
      if (status?.state === 'ended') return;
      if (Date.now() > deadline) throw new Error(`${studyId} did not end: ${JSON.stringify(status)}`);
      await delay(200);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run('agent', 'stop');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
