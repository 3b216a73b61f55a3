import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { mkdir, realpath, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { SnapshotStore } from '../../packaging/snapshot.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { AttemptStart } from '../executor.ts';
import type { LocalAttemptFiles } from './attemptFiles.ts';
import { copyCheckpoint } from './copyCheckpoint.ts';
import { outputFileNames } from './outputFile.ts';
import { oomKills, signalGroup } from './processes.ts';
import { trialEnvironment } from './trialEnvironment.ts';

export interface LaunchOptions {
  readonly attempt: AttemptStart;
  readonly files: LocalAttemptFiles;
  readonly snapshots: Pick<SnapshotStore, 'materialize'>;
  readonly shimPath: string;
  /** The agent's own environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Called when the process that was started has exited and its record can be read. */
  readonly onExit: () => void;
}

/**
 * Makes the attempt's folder and starts its shim, without waiting for the program. Rejects with an HpoError when that
 * cannot be done; nothing runs then.
 */
export async function launch(options: LaunchOptions): Promise<ChildProcess> {
  const dir = options.files.attemptDir(options.attempt.key);
  try {
    await makeFolders(dir, options);
    return await spawnShim(dir, options);
  } catch (cause) {
    if (cause instanceof HpoError) throw cause;
    throw infrastructure(`the attempt could not be started in ${dir}`, cause);
  }
}

export function infrastructure(message: string, cause: unknown): HpoError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new HpoError(
    'HPO-2301',
    `${message}${reason}`,
    'check free space, process limits and the permissions of HPO_HOME; the attempt is repeated',
    { cause },
  );
}

async function makeFolders(dir: string, { attempt, files, snapshots }: LaunchOptions): Promise<void> {
  const work = join(dir, 'work');
  const checkpoint = files.checkpointDir(attempt.key);
  await mkdir(dir, { recursive: true });
  const { checkpointFrom } = attempt;
  await Promise.all([
    checkpointFrom === null
      ? mkdir(checkpoint, { recursive: true })
      : copyCheckpoint(files.checkpointDir({ ...attempt.key, trial: checkpointFrom }), checkpoint),
    snapshots.materialize(attempt.snapshot, work, attempt.files),
  ]);
  if (attempt.checkpointDir === null) return;
  const place = resolve(work, attempt.checkpointDir);
  if (!place.startsWith(work + sep)) {
    throw new HpoError(
      'HPO-2302',
      `the checkpoint folder ${attempt.checkpointDir} is outside the project`,
      'name a folder inside it: # @hpo.checkpoint dir=ckpt/',
    );
  }
  const parent = await nearestFolder(dirname(place));
  if (parent !== (await realpath(work)) && !parent.startsWith((await realpath(work)) + sep)) {
    throw new HpoError(
      'HPO-2302',
      `the checkpoint folder ${attempt.checkpointDir} is in a folder that is linked to ${parent}`,
      'name a folder that is not linked, so that no trial removes or writes what is in yours: # @hpo.checkpoint dir=ckpt/',
    );
  }
  await rm(place, { recursive: true, force: true });
  await mkdir(dirname(place), { recursive: true });
  // A junction, the only link that Windows gives to everyone, needs an absolute target.
  if (process.platform === 'win32') await symlink(checkpoint, place, 'junction');
  else await symlink(relative(dirname(place), checkpoint), place);
}

/** Real path of the folder, or of the nearest one above it that is there. */
async function nearestFolder(folder: string): Promise<string> {
  return realpath(folder).catch(() => nearestFolder(dirname(folder)));
}

async function spawnShim(dir: string, options: LaunchOptions): Promise<ChildProcess> {
  const { attempt, files, environment, shimPath, onExit } = options;
  const isWindows = process.platform === 'win32';
  const output = openSync(join(dir, outputFileNames.out), 'a');
  try {
    const variables = trialEnvironment(
      environment,
      attempt,
      files.checkpointDir(attempt.key),
      join(dir, outputFileNames.metrics),
    );
    const timeout = attempt.timeoutMs === null ? '0' : seconds(Math.max(1, attempt.timeoutMs));
    const [program = '', ...args] = isWindows
      ? attempt.command
      : [
          '/bin/sh',
          shimPath,
          dir,
          timeout,
          seconds(attempt.graceMs),
          files.mark(attempt.key),
          String(oomKills() ?? 0),
          String(attempt.outputBytes),
          ...attempt.command,
        ];
    const child = spawn(program, args, {
      cwd: join(dir, 'work'),
      // A session of its own: the agent's end, and a Ctrl-C at its terminal, do not reach it.
      detached: true,
      windowsHide: true,
      stdio: ['ignore', output, output],
      env: isWindows ? { ...variables, HPO_ATTEMPT_KEY: files.mark(attempt.key) } : variables,
    });
    const spawned = Promise.withResolvers<void>();
    child.once('spawn', spawned.resolve);
    child.once('error', spawned.reject);
    if (isWindows) recordWithoutShim(child, dir, attempt);
    child.once('exit', onExit);
    child.unref();
    await spawned.promise;
    return child;
  } finally {
    closeSync(output);
  }
}

/**
 * Windows has no sh: the agent keeps the records and the deadline itself. The program outlives the agent there too, but
 * an end that no agent sees is a loss, and is repeated. Written by the documentation of Windows, not tested on it.
 */
function recordWithoutShim(child: ChildProcess, dir: string, attempt: AttemptStart): void {
  let isTimeout = false;
  const timers: NodeJS.Timeout[] = [];
  const startDeadline = (pid: number): void => {
    if (attempt.timeoutMs === null) return;
    const deadline = setTimeout(() => {
      isTimeout = true;
      signalGroup(pid, 'SIGTERM');
      timers.push(setTimeout(() => signalGroup(pid, 'SIGKILL'), attempt.graceMs));
    }, attempt.timeoutMs);
    timers.push(deadline);
  };
  child.once('spawn', () => {
    const { pid = 0 } = child;
    writeFileSync(join(dir, 'start.json'), JSON.stringify({ shim: pid, shimTicks: '', boot: '', pid, pidTicks: '', oom: 0 }));
    startDeadline(pid);
  });
  child.once('exit', (code) => {
    for (const timer of timers) clearTimeout(timer);
    writeFileSync(join(dir, 'exit.json'), JSON.stringify({ code: code ?? 1, timeout: isTimeout }));
  });
}

function seconds(ms: number): string {
  return String(ms / 1000);
}
