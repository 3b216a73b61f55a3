import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMetricsFileParser } from '../../../agent/metrics/fileParser.ts';
import { createMetricParser } from '../../../agent/metrics/metricParser.ts';
import type { MetricParser } from '../../../agent/metrics/metricParser.ts';
import type { MetricSource } from '../../../agent/protocol/space.ts';

/** Pieces that output is made of, so that their borders fall everywhere. */
const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      '\n',
      '\r',
      '\r\n',
      '\b\b\b',
      '\u001b[1m',
      'loss=',
      'loss: ',
      "'loss': ",
      '0.5',
      'nan',
      '-inf',
      '1e-3',
      ' ',
      'epoch ',
      'Epoch 3/10',
      'step=',
      '0',
      '12',
      '━━',
      '%|█| 3/9 [',
      '{"epoch": 2, "a": 0.1}',
      "{'a': nan}",
      '[4]\ta:1',
      'score 7',
      'phase 2',
      "valid_0's auc: 0.9",
      'é',
      '😀',
      'x'.repeat(70_000),
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
);
const output = fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join('')));
const cuts = fc.array(fc.nat(), { maxLength: 12 });
const sources: readonly MetricSource[] = [
  { type: 'stdout', metric: 'score', pattern: String.raw`score (\S+)`, stepPattern: String.raw`phase (\d+)` },
];

function feed(parser: MetricParser, bytes: Buffer, places: readonly number[]) {
  const borders = [...places.map((place) => place % (bytes.length + 1)), 0, bytes.length].sort((a, b) => a - b);
  const records = [];
  for (const [index, border] of borders.entries()) {
    // A reader reuses its buffer: what was given must not be looked at later.
    const chunk = Buffer.from(bytes.subarray(borders[index - 1] ?? 0, border));
    records.push(...parser.push(chunk));
    chunk.fill(0x0a);
  }
  records.push(...parser.end());
  return { records, names: parser.namesSeen, startsAtZero: parser.startsAtZero, skipped: parser.skippedLines };
}

const makers: readonly (readonly [string, () => MetricParser])[] = [
  ['standard output', () => createMetricParser({ sources: [] })],
  ['annotated patterns', () => createMetricParser({ sources, expected: ['loss'] })],
  ['the metrics file', () => createMetricsFileParser()],
];

test.each(makers)('%s: the same bytes in other chunks are the same records', (_what, make) => {
  fc.assert(
    fc.property(output, cuts, (bytes, places) => {
      expect(feed(make(), bytes, places)).toEqual(feed(make(), bytes, []));
    }),
    { numRuns: 300 },
  );
});

test.each(makers)('%s: ends increase, stay within the stream, and values are never null', (_what, make) => {
  fc.assert(
    fc.property(output, cuts, (bytes, places) => {
      let last = 0;
      for (const record of feed(make(), bytes, places).records) {
        expect(record.end).toBeGreaterThan(last);
        expect(Number.isSafeInteger(record.step)).toBe(true);
        expect(record.step).toBeGreaterThanOrEqual(0);
        last = record.end;
        for (const value of Object.values(record.values))
          expect(Number.isFinite(value) || ['nan', 'inf', '-inf'].includes(String(value))).toBe(true);
      }
      expect(last).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 300 },
  );
});

test('what was read before a stop is what the next reader drops', () => {
  fc.assert(
    fc.property(output, fc.nat(), (bytes, place) => {
      const whole = feed(createMetricParser({ sources: [] }), bytes, []).records;
      const before = createMetricParser({ sources: [] }).push(bytes.subarray(0, place % (bytes.length + 1)));
      const cursor = before.at(-1)?.end ?? 0;
      expect([...before, ...whole.filter((record) => record.end > cursor)]).toEqual(whole);
    }),
    { numRuns: 300 },
  );
});
