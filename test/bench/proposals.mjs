// What a sampler that takes long costs the agent: how long the driver's thread is held up, and how long free slots wait.
// Run alone: node test/bench/proposals.mjs [--sampler gp] [--trials 120] [--parallel 4] [--trial-ms 300]
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { startProposer } from '../../agent/proposerThread.ts';
import { parameter } from '../unit/core/study/harness.ts';
import { study, World } from '../unit/driver/world.ts';

const program = join(import.meta.dirname, '..', '..', 'agent', 'proposer.ts');
const float = (name) => ({
  ...parameter(name, { type: 'float', low: 1e-4, high: 1, log: true, revlog: false, step: null }, 0.01),
  sink: { type: 'env', name: name.toUpperCase() },
});
const parameters = ['lr', 'decay', 'dropout', 'momentum', 'noise'].map(float);

/**
 * @returns {Promise<{heldMs: Record<string, number>, waitMs: Record<string, number>, late: number}>} quantiles in milliseconds
 * of what held up the driver's thread, and of the time from an attempt's end to the next trial; trials from a prepared proposal
 */
export async function run({ sampler = 'gp', trials = 120, parallel = 4, trialMs = 300, isBeside = true } = {}) {
  using world = new World({
    cpus: parallel,
    program: async (process) => {
      const { LR, DECAY, NOISE } = process.environment;
      await process.sleep(trialMs * (0.5 + ((process.attempt.key.trial * 7919) % 1000) / 1000));
      process.print(`loss=${Math.log10(LR / 0.1) ** 2 + Math.log10(DECAY / 0.003) ** 2 + Number(NOISE)}\n`);
      return 0;
    },
    ...(isBeside ? { proposer: (listener) => startProposer(listener, program) } : {}),
  });
  const life = await world.open();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await life.driver.createStudy(
    's',
    study({ space: { parameters, where: [] }, search: { sampler, parallel, seed: 1 }, budget: { trials } }),
  );
  while (life.driver.view('s').state !== 'ended') await new Promise((resolve) => setTimeout(resolve, 20));
  delay.disable();
  await life[Symbol.asyncDispose]();
  const entries = world.entries('s');
  const waits = [];
  let freeSince = null;
  let late = 0;
  for (const { event } of entries) {
    if (event.type === 'attemptEnded') freeSince ??= event.at;
    if (event.type !== 'trialCreated') continue;
    if (event.basedOn !== undefined) late++;
    if (freeSince !== null) waits.push(event.at - freeSince);
    freeSince = null;
  }
  waits.sort((a, b) => a - b);
  const wait = (share) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
  const held = (percent) => Math.round(delay.percentile(percent) / 1e4) / 100;
  return {
    heldMs: { p50: held(50), p99: held(99), p999: held(99.9), max: Math.round(delay.max / 1e6) },
    waitMs: { p50: wait(0.5), p90: wait(0.9), p99: wait(0.99) },
    late,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      sampler: { type: 'string', default: 'gp' },
      trials: { type: 'string', default: '120' },
      parallel: { type: 'string', default: '4' },
      'trial-ms': { type: 'string', default: '300' },
    },
  });
  const options = {
    sampler: values.sampler,
    trials: Number(values.trials),
    parallel: Number(values.parallel),
    trialMs: Number(values['trial-ms']),
  };
  console.log(`${options.trials} trials of about ${options.trialMs} ms, ${options.parallel} at once`);
  // The first row says what the machine itself does to such times.
  for (const [title, changes] of [
    ['random, in the driver', { sampler: 'random', isBeside: false }],
    [`${options.sampler}, in a thread of its own`, { isBeside: true }],
    [`${options.sampler}, in the driver`, { isBeside: false }],
  ]) {
    const { heldMs, waitMs, late } = await run({ ...options, ...changes });
    console.log(title);
    console.log('  driver held up, ms ', heldMs);
    console.log('  free slot waits, ms', waitMs, `${late} of ${options.trials} took the prepared proposal`);
  }
}
