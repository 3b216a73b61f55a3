import { join } from 'node:path';
import type { ContainerState } from '../../engine/engine.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { Files } from '../../system/files.ts';
import type { System } from '../../system/system.ts';
import { type EndRecord, readAttemptRecord, recordEnd } from '../attempt/attemptRecord.ts';
import { outputFileNames } from '../attempt/outputFile.ts';
import { type Ending, lostEnding } from '../executor.ts';

/** In the attempt's folder from when its end was asked for. */
export const stopFile = 'stop';
/** The shim's: there when the deadline has passed. */
export const timeoutFile = 'timeout';

const killed = 137;

interface EndedContainer {
  readonly system: System;
  /** The attempt's folder. */
  readonly dir: string;
  /** Null when the container is gone. */
  readonly state: ContainerState | null;
  readonly isStopped: boolean;
}

/** How an attempt ended whose container runs no more; recorded in its folder, so that the container can be removed. */
export async function settleEnd({ system, dir, state, isStopped }: EndedContainer): Promise<Ending> {
  const { files: disk } = system;
  const record = await readAttemptRecord(disk, dir);
  const wasAsked = isStopped || (await disk.lstat(join(dir, stopFile))) !== null;
  const isTimeout = (await disk.lstat(join(dir, timeoutFile))) !== null;
  const isOutOfMemory = state?.isOutOfMemory === true && !wasAsked && !isTimeout;
  if (record.state === 'ended') {
    const { ending, wasTold } = record;
    // The engine ended, or somebody stopped the container: whatever the program then did is not its result.
    if (wasTold && !wasAsked && !isTimeout) return await keep({ code: null, timeout: false });
    // A part of the program may have been killed, and the rest have failed for it.
    const code = ending.exitCode ?? (ending.signal === 'SIGKILL' ? killed : 0);
    if (!isOutOfMemory || ending.isLost || ending.isTimeout || ending.isOutOfMemory || code === 0) return ending;
    return await keep({ code, timeout: false, outOfMemory: true });
  }
  // The shim did not live to write it.
  if (isOutOfMemory) return await keep({ code: killed, timeout: false, outOfMemory: true });
  if (isTimeout || wasAsked) {
    const isTerminated = state?.exitCode === 143 && !isTimeout;
    return await keep({ code: isTerminated ? 143 : killed, timeout: isTimeout });
  }
  return await keep({ code: null, timeout: false });

  async function keep(end: EndRecord): Promise<Ending> {
    const output = (await disk.stat(join(dir, outputFileNames.out), dir))?.size ?? 0;
    await recordEnd(system, dir, { ...end, output });
    const kept = await readAttemptRecord(disk, dir);
    return kept.state === 'ended' ? kept.ending : lostEnding;
  }
}

/** Enough of what was printed to say why. */
const maxSaidBytes = 4_096;

/** Why a container ended before the shim in it had begun. */
export async function couldNotStart(disk: Files, dir: string, state: ContainerState | null): Promise<HpoError> {
  if (state?.exitCode === 126 || state?.exitCode === 127) {
    return new HpoError(
      'HPO-2451',
      'the image has no /bin/sh that runs',
      'attempts are started by it: take an image that has one, such as python:3.12-slim',
    );
  }
  const bytes = await disk.readFrom(join(dir, outputFileNames.out), 0, maxSaidBytes, dir).catch(() => new Uint8Array());
  const said = new TextDecoder().decode(bytes);
  const why =
    said.trim() || state?.error || (state === null ? 'it was removed' : `it ended at once with exit code ${state.exitCode}`);
  return new HpoError(
    'HPO-2450',
    `the container of the attempt did not begin: ${why}`,
    'see with docker run whether the image runs at all',
  );
}
