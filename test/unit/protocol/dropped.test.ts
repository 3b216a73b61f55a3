import { describe, expect, test } from 'vitest';
import { droppedOf, droppedText } from '../../../agent/protocol/dropped.ts';
import { foldView } from '../../../agent/protocol/view.ts';
import type { Dropped } from '../../../agent/protocol/events.ts';
import { scene } from '../../support/views.ts';

const limits = { timeoutMs: null, graceMs: 1, outputBytes: 1, cpus: 1 };

describe('what was left out, in words', () => {
  test.each<[string, Parameters<typeof droppedText>[0], string]>([
    [
      'values of a few metrics',
      { counts: { names: 1_200 }, names: ['a', 'b', 'c'] },
      '1,200 values of 3 metrics were left out (limit: 200 metrics a trial, see "metrics" of @hpo.resources)',
    ],
    [
      'one value',
      { counts: { name: 1 }, names: ['x y'] },
      '1 value of 1 metric was left out (limit: names of up to 128 letters, digits and _ . / -)',
    ],
    ['lines', { counts: { line: 2 }, names: [] }, '2 lines were left out (limit: lines of up to 64 KB)'],
    [
      'several limits and very many names',
      { counts: { records: 1_000_000, rate: 5, line: 1 }, names: Array.from({ length: 20 }, (_, i) => `m${i}`) },
      '1,000,005 values of 20 or more metrics and 1 line were left out (limit: beyond 10,000 reports of a metric one in ten is kept, see "records" of @hpo.resources; printed faster than can be recorded, the last values are kept; lines of up to 64 KB)',
    ],
  ])('%s', (_what, dropped, text) => {
    expect(droppedText(dropped, limits)).toBe(text);
  });
});

test('events add up by trial and over the study', () => {
  const view = scene('running');
  expect(droppedOf(view)).toBeNull();
  const report = (number: number, ...dropped: readonly Dropped[]): void =>
    foldView(view, {
      seq: view.seq + 1,
      studyId: view.studyId,
      event: { type: 'metricsDropped', at: 1, number, attempt: 1, dropped, cursor: { out: 1 } },
    });
  report(0, { limit: 'names', count: 3, names: ['a'] }, { limit: 'line', count: 1, names: [] });
  report(0, { limit: 'names', count: 4, names: ['a', 'b'] });
  report(1, { limit: 'names', count: 5, names: Array.from({ length: 20 }, (_, i) => `n${i}`) });
  expect(view.trials[0]?.dropped).toEqual({ counts: { names: 7, line: 1 }, names: ['a', 'b'] });
  expect(droppedOf(view)).toMatchObject({ trials: 2, all: { counts: { names: 12, line: 1 } } });
  expect(droppedOf(view)?.all.names).toHaveLength(20);
});
