import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { AttemptStart, Ending } from '../../../agent/executors/executor.ts';
import { LocalExecutor } from '../../../agent/executors/local/localExecutor.ts';
import { nodeSystem } from '../../../agent/system/node.ts';

it('an attempt whose start takes longer than a look at the others is not given up for lost', async () => {
  const homeDir = mkdtempSync(join(tmpdir(), 'hpo-slow-'));
  const endings = new Map<number, Ending[]>();
  const executor = new LocalExecutor({
    system: nodeSystem(),
    homeDir,
    snapshots: {
      verify: () => Promise.resolve(),
      // As copying a large project onto a busy disk.
      materialize: async (_hash, work) => {
        if (work.includes(join('trials', '1'))) await sleep(1_200);
        mkdirSync(work, { recursive: true });
      },
    },
    listener: {
      waits: () => {},
      room: () => {},
      started: () => {},
      output: () => {},
      ended: ({ trial }, ending) => void endings.set(trial, [...(endings.get(trial) ?? []), ending]),
    },
    environment: process.env,
  });
  const attempt = (trial: number, seconds: string): AttemptStart => ({
    key: { studyId: 's', trial, attempt: 1 },
    snapshot: 'abc',
    command: ['sleep', seconds],
    environment: {},
    files: [],
    checkpointDir: null,
    checkpointFrom: null,
    timeoutMs: null,
    graceMs: 100,
    outputBytes: 1e6,
    metricFiles: [],
    pool: null,
    cpus: 1,
  });
  await executor.start(attempt(0, '30'));
  await executor.start(attempt(1, '0.1'));
  await expect.poll(() => endings.get(1), { timeout: 10_000 }).toEqual([expect.objectContaining({ exitCode: 0, isLost: false })]);
  await executor.cleanup('s', { removeFiles: true });
  await executor[Symbol.asyncDispose]();
  rmSync(homeDir, { recursive: true, force: true });
});
