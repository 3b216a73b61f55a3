/**
 * The simulation of the whole agent for many seeds, on threads; or one seed with all that happens in it:
 * node test/simulation/agent/runSeeds.ts [--executor docker] [--seed N [--trace]] [--from N] [--seeds N] [--threads N]
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { InvariantName, Violation } from '../../../agent/audit/invariants.ts';
import { type SimulatedExecutor, simulatedExecutors } from './scenario.ts';
import { simulateSeed, type SeedResult } from './simulateSeed.ts';

/** Seeds that a thread is given at once. */
const chunkSeeds = 25;
/** More failing seeds than this are not looked for. */
const maxFailures = 20;

export interface SeedsOptions {
  readonly from: number;
  readonly seeds: number;
  readonly threads: number;
  readonly executor: SimulatedExecutor;
  readonly onProgress?: (done: number) => void;
  readonly onFailure?: (failure: Failure) => void;
}

export interface SeedsSummary {
  readonly seeds: number;
  readonly steps: number;
  /** Faults that were injected, and checks that were made, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  readonly checks: ReadonlyMap<InvariantName, number>;
  readonly failures: readonly Failure[];
}

interface Failure {
  readonly seed: number;
  readonly executor: SimulatedExecutor;
  readonly violations: readonly Violation[];
}

export async function runSeeds({ from, seeds, threads, executor, onProgress, onFailure }: SeedsOptions): Promise<SeedsSummary> {
  const summary = { seeds: 0, steps: 0, faults: new Map<string, number>(), checks: new Map<InvariantName, number>() };
  const failures: Failure[] = [];
  let next = from;
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('seedWorker.ts', import.meta.url), { execArgv: [], workerData: executor });
      let left = 0;
      const feed = (): void => {
        const chunk = Array.from({ length: Math.min(chunkSeeds, from + seeds - next) }, (_, i) => next + i);
        if (chunk.length === 0 || failures.length >= maxFailures) {
          resolve(worker.terminate().then(() => undefined));
          return;
        }
        next += chunk.length;
        left = chunk.length;
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        worker.postMessage(chunk);
      };
      worker.on('message', ({ seed, violations, checks, faults, steps }: SeedResult) => {
        summary.seeds++;
        summary.steps += steps;
        addTo(summary.faults, faults);
        addTo(summary.checks, checks);
        if (violations.length > 0) {
          failures.push({ seed, executor, violations });
          onFailure?.({ seed, executor, violations });
        }
        onProgress?.(summary.seeds);
        if (--left === 0) feed();
      });
      worker.on('error', reject);
      feed();
    });
  await Promise.all(Array.from({ length: threads }, work));
  return { ...summary, failures: failures.toSorted((a, b) => a.seed - b.seed) };
}

/** What a failing seed says, with the line that shows it again. */
export function failureText({ seed, executor, violations }: Failure): string {
  const lines = violations
    .slice(0, 5)
    .map(({ invariant, studyId, what }) => `  ${invariant}: ${studyId ?? ''} ${what.slice(0, 1_000)}`);
  return [`seed ${seed}: npm run torture -- --seed ${seed} --executor ${executor}`, ...lines].join('\n');
}

function addTo<K>(sums: Map<K, number>, counts: ReadonlyMap<K, number>): void {
  for (const [key, count] of counts) sums.set(key, (sums.get(key) ?? 0) + count);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      executor: { type: 'string', default: 'local' },
      seed: { type: 'string' },
      trace: { type: 'boolean', default: false },
      from: { type: 'string', default: '0' },
      seeds: { type: 'string', default: '1000' },
      threads: { type: 'string', default: String(availableParallelism()) },
    },
  });
  const executor = simulatedExecutors.find((name) => name === values.executor);
  if (executor === undefined) throw new RangeError(`--executor is ${simulatedExecutors.join(' or ')}`);
  if (values.seed !== undefined) {
    const { seed, trace, violations, steps } = await simulateSeed(Number(values.seed), executor, values.trace);
    for (const line of trace) console.log(line);
    console.log(
      violations.length === 0 ? `seed ${seed}: ${steps} steps, no violation` : failureText({ seed, executor, violations }),
    );
    process.exitCode = violations.length === 0 ? 0 : 1;
    return;
  }
  const startedAt = performance.now();
  let said = 0;
  const summary = await runSeeds({
    from: Number(values.from),
    seeds: Number(values.seeds),
    threads: Number(values.threads),
    executor,
    onProgress: (done) => {
      if (performance.now() - startedAt < (said + 1) * 10_000) return;
      said++;
      process.stderr.write(`${done} seeds\n`);
    },
    // A run that is cut off has told what it found.
    onFailure: (failure) => process.stderr.write(`${failureText(failure)}\n`),
  });
  console.log(tableOf('faults injected', summary.faults));
  console.log(tableOf('invariants checked', summary.checks));
  for (const failure of summary.failures) console.log(failureText(failure));
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${summary.seeds} seeds, ${summary.steps} steps, ${summary.failures.length} seeds with violations, ${seconds.toFixed(1)} s`,
  );
  process.exitCode = summary.failures.length === 0 ? 0 : 1;
}

function tableOf(title: string, counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [title, ...rows.map(([name, count]) => `  ${name.padEnd(36)} ${String(count).padStart(9)}`)].join('\n');
}

if (import.meta.main) await main();
