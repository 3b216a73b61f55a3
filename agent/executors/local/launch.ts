import { dirname, join, resolve, sep } from 'node:path';
import type { SnapshotStore } from '../../packaging/snapshot.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { Files } from '../../system/files.ts';
import type { Child, SpawnOptions } from '../../system/processes.ts';
import type { System } from '../../system/system.ts';
import type { AttemptStart } from '../executor.ts';
import { type StudyFolders, unfinishedWork } from '../attempt/studyFolders.ts';
import { copyCheckpoint } from '../attempt/copyCheckpoint.ts';
import { outputFileNames } from '../attempt/outputFile.ts';
import { trialEnvironment } from './trialEnvironment.ts';

export interface LaunchOptions {
  readonly system: System;
  readonly attempt: AttemptStart;
  readonly files: StudyFolders;
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
export async function launch(options: LaunchOptions): Promise<Child> {
  const dir = options.files.attemptDir(options.attempt.key);
  try {
    await options.system.failpoints.step('attempt.folder', () => makeFolders(dir, options));
    return await startProgram(dir, options);
  } catch (cause) {
    if (cause instanceof HpoError) throw cause;
    throw infrastructure(`the attempt could not be started in ${dir}`, cause);
  }
}

export function infrastructure(message: string, cause: unknown): HpoError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new HpoError('HPO-2301', `${message}${reason}`, 'check free space, process limits and the permissions of HPO_HOME', {
    cause,
  });
}

/**
 * The work folder appears whole or not at all, and what is there is never replaced: an agent that was stopped while another one took
 * over must not take the folder away from a program that runs in it. Both would make the same one.
 */
async function makeFolders(dir: string, options: LaunchOptions): Promise<void> {
  const { system, attempt, files, snapshots } = options;
  const disk = system.files;
  const work = join(dir, 'work');
  const checkpoint = files.checkpointDir(attempt.key);
  await disk.makeFolder(dir);
  const { checkpointFrom } = attempt;
  if (checkpointFrom === null) await disk.makeFolder(checkpoint);
  else await copyCheckpoint(system, files.checkpointDir({ ...attempt.key, trial: checkpointFrom }), checkpoint);
  if ((await disk.stat(work)) !== null) return;
  const unfinished = join(dir, `${unfinishedWork}${process.pid}`);
  await snapshots.materialize(attempt.snapshot, unfinished, attempt.files);
  if (attempt.checkpointDir !== null) await linkCheckpoint(disk, unfinished, checkpoint, attempt.checkpointDir);
  try {
    await disk.rename(unfinished, work);
  } catch (error) {
    if ((await disk.stat(work)) === null) throw error;
    await disk.remove(unfinished);
  }
}

async function linkCheckpoint(disk: Files, work: string, checkpoint: string, checkpointDir: string): Promise<void> {
  const place = resolve(work, checkpointDir);
  if (!place.startsWith(work + sep)) {
    throw new HpoError(
      'HPO-2302',
      `the checkpoint folder ${checkpointDir} is outside the project`,
      'name a folder inside it: # @hpo.checkpoint dir=ckpt/',
    );
  }
  const parent = await nearestFolder(disk, dirname(place));
  const realWork = await disk.realPath(work);
  if (parent !== realWork && !parent.startsWith(realWork + sep)) {
    throw new HpoError(
      'HPO-2302',
      `the checkpoint folder ${checkpointDir} is in a folder that is linked to ${parent}`,
      'name a folder that is not linked, so that no trial removes or writes what is in yours: # @hpo.checkpoint dir=ckpt/',
    );
  }
  await disk.remove(place);
  await disk.makeFolder(dirname(place));
  await disk.link(checkpoint, place);
}

/** Real path of the folder, or of the nearest one above it that is there. */
async function nearestFolder(disk: Files, folder: string): Promise<string> {
  return disk.realPath(folder).catch(() => nearestFolder(disk, dirname(folder)));
}

function startProgram(dir: string, options: LaunchOptions): Promise<Child> {
  const { failpoints, processes } = options.system;
  const start = failpoints.step('attempt.label', () => (processes.hasShell ? withShim(dir, options) : withoutShim(dir, options)));
  return failpoints.step('attempt.spawn', start);
}

function withShim(dir: string, options: LaunchOptions): () => Promise<Child> {
  const { system, attempt, files, shimPath } = options;
  const timeout = attempt.timeoutMs === null ? '0' : seconds(Math.max(1, attempt.timeoutMs));
  const args = [
    shimPath,
    dir,
    timeout,
    seconds(attempt.graceMs),
    files.mark(attempt.key),
    String(system.processes.oomKills() ?? 0),
    String(attempt.outputBytes),
    ...attempt.command,
  ];
  return () => system.processes.spawn({ ...spawnOptions(dir, options), program: '/bin/sh', args });
}

/**
 * Windows has no sh: the agent keeps the records and the deadline itself. The program outlives the agent there too, but
 * an end that no agent sees is a loss, and is repeated. Written by the documentation of Windows, not tested on it.
 */
function withoutShim(dir: string, options: LaunchOptions): () => Promise<Child> {
  const { system, attempt, files, onExit } = options;
  const { clock, processes } = system;
  const common = spawnOptions(dir, options);
  const [program = '', ...args] = attempt.command;
  const environment = { ...common.environment, HPO_ATTEMPT_KEY: files.mark(attempt.key) };
  let isTimeout = false;
  let timer: Disposable | null = null;
  return async () => {
    const child = await processes.spawn({
      ...common,
      program,
      args,
      environment,
      onExit: () => {
        timer?.[Symbol.dispose]();
        const exit = JSON.stringify({ code: child.exitCode ?? 1, timeout: isTimeout });
        system.files.writeText(join(dir, 'exit.json'), exit).then(onExit, onExit);
      },
    });
    const { pid } = child;
    if (attempt.timeoutMs !== null) {
      timer = clock.after(attempt.timeoutMs, () => {
        isTimeout = true;
        processes.signalGroup(pid, 'SIGTERM');
        timer = clock.after(attempt.graceMs, () => void processes.signalGroup(pid, 'SIGKILL'));
      });
    }
    const start = JSON.stringify({ shim: pid, shimTicks: '', boot: '', pid, pidTicks: '', oom: 0 });
    await system.files.writeText(join(dir, 'start.json'), start);
    return child;
  };
}

function spawnOptions(
  dir: string,
  { attempt, files, environment, onExit }: LaunchOptions,
): Pick<SpawnOptions, 'folder' | 'environment' | 'output' | 'onExit'> {
  const metrics = join(dir, outputFileNames.metrics);
  return {
    folder: join(dir, 'work'),
    environment: trialEnvironment(environment, attempt, files.checkpointDir(attempt.key), metrics),
    output: join(dir, outputFileNames.out),
    onExit,
  };
}

function seconds(ms: number): string {
  return String(ms / 1000);
}
