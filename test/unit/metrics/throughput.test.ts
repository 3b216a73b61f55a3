import { expect, test } from 'vitest';
import { createMetricParser } from '../../../agent/metrics/metricParser.ts';

const lines: readonly (readonly [what: string, line: string])[] = [
  ['words', 'The quick brown fox jumps over the lazy dog and runs away into the deep forest\n'],
  ['a short line', 'y\n'],
  ['numbers', 'Downloading shard 12 of 100 with the usual progress messages to the terminal\n'],
];

/**
 * Wanted are 50 MB/s, and twice that is usual. The processor time counts, since other tests run beside this one, and the
 * limit leaves room for a slow machine.
 */
test.each(lines)('lines without a metric are passed over fast: %s', (_what, line) => {
  const chunk = Buffer.from(line.repeat(Math.ceil(65_536 / line.length)));
  const parser = createMetricParser({ sources: [] });
  for (let nWarm = 0; nWarm < 30; nWarm++) expect(parser.push(chunk)).toHaveLength(0);
  let nBytes = 0;
  const before = process.cpuUsage();
  for (; nBytes < 20e6; nBytes += chunk.length) parser.push(chunk);
  const { user, system } = process.cpuUsage(before);
  expect(nBytes / (user + system)).toBeGreaterThan(30);
});
