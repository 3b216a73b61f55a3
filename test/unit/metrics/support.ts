import type { MetricParser, MetricRecord } from '../../../agent/metrics/metricParser.ts';

/** A record as `step name=value …`. */
export function show(record: MetricRecord): string {
  return [record.step, ...Object.entries(record.values).map(([name, value]) => `${name}=${value}`)].join(' ');
}

export function readAll(parser: MetricParser, output: string): string[] {
  return [...parser.push(Buffer.from(output)), ...parser.end()].map((record) => show(record));
}
