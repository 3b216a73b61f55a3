import {
  createFileMetricParser,
  createMetricParser,
  createMetricsFileParser,
  type MetricParser,
  type MetricRecord,
} from '../metrics/index.ts';
import type { OutputStream } from '../protocol/events.ts';
import type { AttemptKey, StudySpec } from '../protocol/study.ts';
import type { AttemptOutput } from './ports.ts';

/** What reads one of the streams of an attempt. */
export interface OutputReader {
  readonly name: OutputStream;
  /** One, or one for each metric that is read from the same file. */
  readonly parsers: readonly MetricParser[];
}

/** How far into a trial's first attempt it is looked whether its script counts from 0. */
const headBytes = 64 * 1024;

/**
 * What reads an attempt's output from its first byte. Whether the script counts its steps from 0, an attempt that goes on
 * from a checkpoint does not show; the trial's first attempt did, in its first lines.
 */
export async function readersOf(
  key: AttemptKey,
  of: { readonly spec: StudySpec; readonly required: readonly string[] },
  output: Pick<AttemptOutput, 'read'>,
): Promise<readonly OutputReader[]> {
  return openStreams(of, key.attempt === 1 ? undefined : await countsFromZero(key, of, output));
}

async function countsFromZero(
  key: AttemptKey,
  of: { readonly spec: StudySpec; readonly required: readonly string[] },
  output: Pick<AttemptOutput, 'read'>,
): Promise<boolean | undefined> {
  for (const { name, parsers } of openStreams(of, undefined)) {
    const bytes = await output.read({ ...key, attempt: 1 }, name, 0, headBytes);
    for (const parser of parsers) {
      parser.push(bytes);
      if (parser.startsAtZero !== undefined) return parser.startsAtZero;
    }
  }
  return undefined;
}

/** What the study reads is read even where its name looks like a clock's, and where only a blank stands before the value. */
function openStreams(
  { spec, required }: { readonly spec: StudySpec; readonly required: readonly string[] },
  startsAtZero: boolean | undefined,
): readonly OutputReader[] {
  const options = { expected: required, startsAtZero, maxNames: spec.limits.metricNames };
  const files = new Map<OutputStream, MetricParser[]>();
  for (const source of spec.metrics) {
    if (source.type !== 'json' && source.type !== 'csv') continue;
    const name = `work/${source.path}` as const;
    files.set(name, [...(files.get(name) ?? []), createFileMetricParser(source, options)]);
  }
  return [
    { name: 'out', parsers: [createMetricParser({ ...options, sources: spec.metrics })] },
    { name: 'metrics', parsers: [createMetricsFileParser(options)] },
    ...[...files].map(([name, parsers]) => ({ name, parsers })),
  ];
}

/** Records of all parsers of a stream in the order of its lines: a cursor counts lines, so a line's metrics are recorded together. */
export function merged(
  { parsers }: OutputReader,
  read: (parser: MetricParser) => readonly MetricRecord[],
): readonly MetricRecord[] {
  const [first = [], ...others] = parsers.map(read);
  if (others.length === 0) return first;
  const byEnd = new Map<number, MetricRecord>();
  for (const record of [first, ...others].flat()) {
    const known = byEnd.get(record.end);
    const dropped = [...(known?.dropped ?? []), ...(record.dropped ?? [])];
    byEnd.set(record.end, {
      ...(known ?? record),
      values: { ...known?.values, ...record.values },
      ...(dropped.length === 0 ? {} : { dropped }),
    });
  }
  return [...byEnd.values()].sort((a, b) => a.end - b.end);
}
