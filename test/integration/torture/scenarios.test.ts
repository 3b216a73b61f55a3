import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { scenarios, torment } from '../../../agent/torture/index.ts';

const agentMain = join(import.meta.dirname, '..', '..', '..', 'dist', 'agent.cjs');
const seed = 1;

/** What CI has time for; `npm run torture` does all of it, with other seeds. */
const chosen = [
  'agent killed at random',
  'shim killed',
  'trial killed',
  'stubborn trial: the study is deleted',
  'agent stopped at turn.tell.after, another takes over',
  '20 agents at once',
  'disk full, then room again',
  'clock thrown back and forward',
  'trial out of memory',
  'output flood',
  'damage: the WAL missing',
  'damage: flipped bytes in the journal',
  'journal.append.after=kill',
  'attempt.spawn.after=kill',
  'journal.append.before=full',
  'attempt.stop.before=error',
  'agent.discovery.after=short',
];

describe.concurrent('real faults, done to real agents', () => {
  it.for(chosen)('%s', async (name, { expect, skip }) => {
    const scenario = scenarios.find((one) => one.name === name);
    if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
    const missing = await scenario.missing();
    skip(missing !== null, missing ?? '');
    const [run] = await torment({
      scenarios: [scenario],
      seed,
      until: null,
      parallel: 1,
      agentMain,
      node: process.execPath,
      signal: new AbortController().signal,
      onRun: () => undefined,
    });
    if (run?.folder != null) rmSync(run.folder, { recursive: true, force: true });
    expect(run).toMatchObject({ violations: [], broken: null, missing: null });
    expect(run?.faults).toBeGreaterThan(0);
  });
});
