import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InvariantName, Violation } from '../audit/invariants.ts';
import { createRng } from '../core/math/index.ts';
import type { Scenario, TortureContext } from './scenario.ts';
import { killAll } from './world.ts';

/** What became of one run of a scenario. */
export interface Run {
  readonly name: string;
  readonly kind: string;
  readonly seed: number;
  readonly ms: number;
  /** Why it was not done; then nothing was injected or checked. */
  readonly missing: string | null;
  readonly faults: number;
  readonly checks: Readonly<Partial<Record<InvariantName, number>>>;
  readonly violations: readonly Violation[];
  /** Why it came to no end: the fault could not be injected, or what was to be checked could not be read. Counts as a violation. */
  readonly broken: string | null;
  /** What is left of it where something was wrong; else null. */
  readonly folder: string | null;
}

export interface TormentOptions {
  readonly scenarios: readonly Scenario[];
  readonly seed: number;
  /** By `performance.now()`; null: each scenario once. With one, they are repeated with further seeds until then. */
  readonly until: number | null;
  /** At once. */
  readonly parallel: number;
  readonly agentMain: string;
  readonly node: string;
  readonly onRun: (run: Run) => void;
  /** Aborted, everything that was started is killed and removed, and `torment` rejects with its reason. */
  readonly signal: AbortSignal;
}

/**
 * Runs the scenarios: the first of each kind first, then the others in an order that follows from the seed, so that a short
 * time sees every kind of fault.
 */
export async function torment(options: TormentOptions): Promise<readonly Run[]> {
  const { scenarios, seed, until, parallel, onRun } = options;
  const runs: Run[] = [];
  const isOver = (): boolean => until !== null && performance.now() >= until;
  const queue = inOrder(scenarios, seed);
  let next = 0;
  const take = (): { readonly scenario: Scenario; readonly seed: number } | null => {
    const scenario = queue[next % Math.max(1, queue.length)];
    const round = Math.floor(next / Math.max(1, queue.length));
    if (scenario === undefined || isOver() || (until === null && round > 0)) return null;
    next++;
    return { scenario, seed: seed + round };
  };
  const work = async (): Promise<void> => {
    for (let taken = take(); taken !== null; taken = take()) {
      const run = await runOnce(taken.scenario, taken.seed, options);
      runs.push(run);
      onRun(run);
    }
  };
  const isAborted = Promise.withResolvers<never>();
  options.signal.addEventListener('abort', () => isAborted.reject(options.signal.reason), { once: true });
  await Promise.race([Promise.all(Array.from({ length: parallel }, work)), isAborted.promise]);
  return runs;
}

function inOrder(scenarios: readonly Scenario[], seed: number): readonly Scenario[] {
  const rng = createRng(seed);
  const drawn = scenarios.map((scenario) => ({ scenario, at: rng.next() })).sort((a, b) => a.at - b.at);
  const shuffled = drawn.map(({ scenario }) => scenario);
  const isFirst = (scenario: Scenario): boolean => shuffled.find(({ kind }) => kind === scenario.kind) === scenario;
  return [...shuffled.filter(isFirst), ...shuffled.filter((scenario) => !isFirst(scenario))];
}

async function runOnce(scenario: Scenario, seed: number, { agentMain, node, signal }: TormentOptions): Promise<Run> {
  const { name, kind } = scenario;
  const startedAt = performance.now();
  const nothing = { faults: 0, checks: {}, violations: [], missing: null, broken: null, folder: null };
  const missing = await scenario.missing();
  if (missing !== null) return { ...nothing, name, kind, seed, ms: 0, missing };
  // A short path: the socket's has at most 100 bytes.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-t-')));
  const context: TortureContext = { folder, seed, agentMain, node };
  const clear = (): void => {
    killAll(folder);
    rmSync(folder, { recursive: true, force: true });
  };
  signal.addEventListener('abort', clear, { once: true });
  const run = await scenario.run(context).then(
    ({ faults, checks, violations }) => ({ ...nothing, faults, checks: Object.fromEntries(checks), violations }),
    (error: unknown) => ({ ...nothing, broken: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
  signal.removeEventListener('abort', clear);
  const isWrong = run.violations.length > 0 || run.broken !== null;
  if (!isWrong) rmSync(folder, { recursive: true, force: true });
  return { ...run, name, kind, seed, ms: performance.now() - startedAt, folder: isWrong ? folder : null };
}
