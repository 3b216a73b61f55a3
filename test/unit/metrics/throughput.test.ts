import { expect, test } from 'vitest';
import { createMetricParser } from '../../../agent/metrics/metricParser.ts';

const lines: readonly (readonly [what: string, line: string])[] = [
  ['words', 'The quick brown fox jumps over the lazy dog and runs away into the deep forest\n'],
  ['a short line', 'y\n'],
  ['numbers', 'Downloading shard 12 of 100 with the usual progress messages to the terminal\n'],
];

/** 50 MB/s alone on a machine; a third of it still passes here, since tests run beside each other. */
test.each(lines)('lines without a metric are passed over fast: %s', (_what, line) => {
  const chunk = Buffer.from(line.repeat(Math.ceil(65_536 / line.length)));
  const parser = createMetricParser({ sources: [] });
  const startedAt = performance.now();
  let nBytes = 0;
  for (; nBytes < 10e6; nBytes += chunk.length) expect(parser.push(chunk)).toHaveLength(0);
  expect(nBytes / 1e6 / ((performance.now() - startedAt) / 1000)).toBeGreaterThan(17);
});
