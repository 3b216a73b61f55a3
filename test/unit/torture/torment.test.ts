import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { InvariantName } from '../../../agent/audit/invariants.ts';
import { parseRecord } from '../../../agent/torture/program.ts';
import type { Scenario } from '../../../agent/torture/scenario.ts';
import { summarize } from '../../../agent/torture/summary.ts';
import { type Run, torment, type TormentOptions } from '../../../agent/torture/torment.ts';

const violation = { invariant: 'best', studyId: 's', what: 'wrong' } as const;

function scenario(name: string, kind: string, how: Partial<Scenario> = {}): Scenario {
  const checks = new Map<InvariantName, number>([['best', 2]]);
  return { name, kind, missing: async () => null, run: async () => ({ faults: 1, checks, violations: [] }), ...how };
}

async function run(scenarios: readonly Scenario[], options: Partial<TormentOptions> = {}): Promise<readonly Run[]> {
  return await torment({
    scenarios,
    seed: 7,
    until: null,
    parallel: 2,
    agentMain: '',
    node: '',
    signal: new AbortController().signal,
    onRun: () => undefined,
    ...options,
  });
}

describe('torment', () => {
  it('runs each once, the first of each kind before all others', async () => {
    const kinds = ['a', 'a', 'a', 'b', 'b', 'c'];
    const runs = await run(
      kinds.map((kind, i) => scenario(`${kind}${i}`, kind)),
      { parallel: 1 },
    );
    expect(runs.map(({ name }) => name).toSorted()).toEqual(['a0', 'a1', 'a2', 'b3', 'b4', 'c5']);
    expect(new Set(runs.slice(0, 3).map(({ kind }) => kind)).size).toBe(3);
  });

  it('goes on with further seeds for as long as there is time', async () => {
    let calls = 0;
    const counted = scenario('one', 'a', {
      run: async ({ seed }) => {
        calls++;
        await new Promise((resolve) => setTimeout(resolve, 5));
        return { faults: seed, checks: new Map(), violations: [] };
      },
    });
    const runs = await run([counted], { until: performance.now() + 60, parallel: 1 });
    expect(runs.map(({ seed }) => seed)).toEqual(Array.from({ length: calls }, (_, i) => 7 + i));
    expect(calls).toBeGreaterThan(1);
  });

  it('keeps what is left of a run that went wrong, and removes the others', async () => {
    const folders: string[] = [];
    const leave = async ({ folder }: { folder: string }): Promise<void> => {
      folders.push(folder);
      writeFileSync(join(folder, 'left'), '');
    };
    const good = scenario('good', 'a', {
      run: async (context) => (await leave(context), { faults: 1, checks: new Map(), violations: [] }),
    });
    const bad = scenario('bad', 'a', {
      run: async (context) => (await leave(context), { faults: 1, checks: new Map(), violations: [violation] }),
    });
    const broken = scenario('broken', 'a', {
      run: async (context) => (await leave(context), Promise.reject(new Error('never came'))),
    });
    const absent = scenario('absent', 'a', { missing: async () => 'needs root' });
    const runs = await run([good, bad, broken, absent]);
    expect(Object.fromEntries(runs.map(({ name, folder }) => [name, folder !== null && existsSync(folder)]))).toEqual({
      good: false,
      bad: true,
      broken: true,
      absent: false,
    });
    expect(folders).toHaveLength(3);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    expect(summarize(runs)).toMatchObject({
      runs: 3,
      violations: 2,
      kinds: [{ kind: 'a', runs: 3, faults: 2, violations: 2, missing: 'needs root' }],
    });
  });

  it('ends at once when it is told to', async () => {
    const abort = new AbortController();
    let folder = '';
    const endless = scenario('endless', 'a', {
      run: (context) => {
        ({ folder } = context);
        abort.abort(new Error('enough'));
        return new Promise(() => undefined);
      },
    });
    await expect(run([endless], { signal: abort.signal })).rejects.toThrow('enough');
    expect(folder).not.toBe('');
    expect(existsSync(folder)).toBe(false);
  });
});

it.each([
  [
    'begin\n1 20\n2 10\nend\n',
    {
      starts: 1,
      reports: [
        { step: 1, loss: 20 },
        { step: 2, loss: 10 },
      ],
      hasEnded: true,
      complaints: [],
    },
  ],
  ['begin\n1 20\nbegin\n1 -3\n', { starts: 2, reports: [{ step: 1, loss: -3 }], hasEnded: false, complaints: [] }],
  [
    'overlap 17\nbegin\nrobbed of its folder\n',
    { starts: 1, reports: [], hasEnded: false, complaints: ['overlap 17', 'robbed of its folder'] },
  ],
  ['', { starts: 0, reports: [], hasEnded: false, complaints: [] }],
])('a program says what it did: %j', (text, record) => expect(parseRecord(text)).toEqual(record));
