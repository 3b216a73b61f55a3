import { array, assert, integer, nat, property, record } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addPoint, type CurvePoint, maxCurvePoints, type Thinning } from '../../../agent/protocol/curve.ts';
import type { Objective } from '../../../agent/protocol/space.ts';
import { metricNumber } from '../../../agent/protocol/metricValue.ts';
import type { MetricValue } from '../../../agent/protocol/study.ts';

const loss: Objective = { metric: 'loss', direction: 'min', goal: null };
const accuracy: Objective = { metric: 'accuracy', direction: 'max', goal: null };

interface Trial {
  curve: CurvePoint[];
  curveStart: number;
  thinning: Thinning | null;
}

function curveOf(values: readonly MetricValue[], objectives: readonly Objective[] = [loss], metric = 'loss'): Trial {
  const trial: Trial = { curve: [], curveStart: 0, thinning: null };
  for (const [index, value] of values.entries()) addPoint(trial, { step: index + 1, values: { [metric]: value } }, objectives);
  return trial;
}

const count = (n: number, value: (i: number) => MetricValue): MetricValue[] => Array.from({ length: n }, (_, i) => value(i));

describe('a curve', () => {
  test('has every report up to its limit', () => {
    const values = count(maxCurvePoints, (i) => 1 / (i + 1));
    const { curve, thinning } = curveOf(values);
    expect(curve.map((point) => point.values['loss'])).toEqual(values);
    expect(thinning).toBeNull();
  });

  test.each<[string, number, (i: number) => MetricValue]>([
    ['falling', 60_000, (i) => 1 / (i + 1)],
    ['rising', 60_000, (i) => i],
    ['one dip', 60_000, (i) => (i === 12_345 ? -1 : 1)],
    ['a dip at the point before the last', 50_001, (i) => (i === 49_999 ? -1 : 1)],
    ['noise', 20_000, (i) => Math.sin(i * i)],
    ['nan between', 20_000, (i) => (i % 3 === 0 ? 'nan' : Math.cos(i))],
    ['minus infinity once', 5_000, (i) => (i === 777 ? '-inf' : i)],
    ['all nan', 5_000, () => 'nan'],
    ['just over the limit', maxCurvePoints + 1, (i) => -i],
  ])('that is long stays bounded, with its best and its last point: %s', (_, n, value) => {
    const values = count(n, value);
    const { curve, thinning } = curveOf(values);
    expect(curve.length).toBeLessThanOrEqual(maxCurvePoints + 1);
    expect(curve.length).toBeGreaterThan(maxCurvePoints / 4);
    expect(thinning?.reports).toBe(n);
    expect(curve.at(-1)).toEqual({ step: n, values: { loss: values.at(-1) } });
    expect(curve[0]?.step).toBe(1);
    const numbers = values.map(metricNumber).filter((number) => !Number.isNaN(number));
    const best = numbers.reduce((a, b) => Math.min(a, b), Infinity);
    expect(
      curve
        .map((point) => metricNumber(point.values['loss']))
        .filter((number) => !Number.isNaN(number))
        .reduce((a, b) => Math.min(a, b), Infinity),
    ).toBe(best);
    // Points are as they were reported, in order, and spread over the whole.
    for (const point of curve) expect(point.values['loss']).toBe(values[point.step - 1]);
    const steps = curve.map(({ step }) => step);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    const widest = Math.max(...steps.slice(1).map((step, i) => step - (steps[i] ?? 0)));
    expect(widest).toBeLessThanOrEqual((4 * n) / (maxCurvePoints / 2));
  });

  test('keeps the best of an objective to be maximised, and of several', () => {
    const trial: Trial = { curve: [], curveStart: 0, thinning: null };
    for (let i = 0; i < 30_000; i++) {
      const values = { loss: i === 11_111 ? -5 : Math.sin(i), accuracy: i === 22_223 ? 5 : Math.cos(i) };
      addPoint(trial, { step: i + 1, values }, [loss, accuracy]);
    }
    expect(trial.curve.some((point) => point.values['loss'] === -5)).toBe(true);
    expect(trial.curve.some((point) => point.values['accuracy'] === 5)).toBe(true);
  });

  test('of an attempt that does its last steps again has these once, from the new attempt', () => {
    const trial = curveOf(count(10_000, () => 1));
    trial.curveStart = trial.curve.length;
    for (let step = 5_001; step <= 12_000; step++) addPoint(trial, { step, values: { loss: 2 } }, [loss]);
    expect(trial.curve.filter(({ step }) => step > 5_000).every(({ values }) => values['loss'] === 2)).toBe(true);
    expect(trial.curve.filter(({ step }) => step <= 5_000).every(({ values }) => values['loss'] === 1)).toBe(true);
    expect(trial.curve.slice(trial.curveStart).every(({ step }) => step > 5_000)).toBe(true);
    expect(trial.curve[trial.curveStart - 1]?.step).toBeLessThanOrEqual(5_000);
    expect(trial.curve.at(-1)?.step).toBe(12_000);
  });

  test('follows from the reports alone, through any attempts', () => {
    const attempts = array(
      record({ from: integer({ min: 1, max: 4_000 }), n: integer({ min: 1, max: 4_000 }), seed: nat(1000) }),
      { minLength: 1, maxLength: 4 },
    );
    assert(
      property(attempts, (starts) => {
        const run = (): Trial => {
          const trial: Trial = { curve: [], curveStart: 0, thinning: null };
          for (const { from, n, seed } of starts) {
            trial.curveStart = trial.curve.length;
            for (let i = 0; i < n; i++)
              addPoint(trial, { step: from + i, values: { loss: Math.sin((seed + i) * 12.9898) } }, [loss]);
          }
          return trial;
        };
        const once = run();
        expect(run()).toEqual(once);
        const steps = once.curve.map(({ step }) => step);
        expect(steps).toEqual([...new Set(steps)].toSorted((a, b) => a - b));
        expect(once.curve.length).toBeLessThanOrEqual(maxCurvePoints + 1);
        const last = starts.at(-1);
        expect(steps.at(-1)).toBe((last?.from ?? 0) + (last?.n ?? 0) - 1);
        expect(once.curveStart).toBeLessThan(once.curve.length);
      }),
      { numRuns: 30 },
    );
  });
});
