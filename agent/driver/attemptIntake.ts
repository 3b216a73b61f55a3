import {
  createFileMetricParser,
  createMetricParser,
  createMetricsFileParser,
  type MetricParser,
  type MetricRecord,
} from '../metrics/index.ts';
import type { OutputCursor, OutputStream } from '../protocol/events.ts';
import type { AttemptKey, MetricValues, StudySpec } from '../protocol/study.ts';
import type { AttemptOutput } from './ports.ts';

/** Bytes read at a time: a few milliseconds of parsing, so that one loud trial cannot hold up the others. */
const chunkBytes = 128 * 1024;
/** What grows by itself with what a trial reports; each may have as many bytes as the limit says. */
const limitedStreams = ['out', 'metrics'] as const;
/** Text kept for error messages. */
const tailBytes = 8 * 1024;

export interface IntakeRecord {
  readonly step: number;
  readonly values: MetricValues;
  readonly cursor: OutputCursor;
}

export interface IntakeOptions {
  readonly key: AttemptKey;
  readonly spec: StudySpec;
  readonly output: AttemptOutput;
  /** Records up to here are recorded already: they are parsed again, as the parser's state needs them, and dropped. */
  readonly recorded: OutputCursor;
  /** Called with new records, in order. */
  readonly onRecords: (records: readonly IntakeRecord[]) => void;
  readonly onOutputLimit: () => void;
  readonly onError: (error: unknown) => void;
}

interface Stream {
  readonly name: OutputStream;
  /** One, or one for each metric that is read from the same file. */
  readonly parsers: readonly MetricParser[];
  offset: number;
}

/**
 * Reads what an attempt writes and turns it into metric records, each exactly once over all lives of the agent:
 * every stream is parsed from its beginning, and the cursor that travels with each record tells which are new.
 */
export class AttemptIntake {
  readonly #options: IntakeOptions;
  #streams: readonly Stream[] | null = null;
  #cursor: OutputCursor;
  #tail: Uint8Array = new Uint8Array();
  #reading: Promise<void> | null = null;
  #isDirty = false;
  #isFinishing = false;
  #isOverLimit = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#cursor = options.recorded;
  }

  /** There may be something new to read. */
  poke(): void {
    // The end of an attempt reads all there is: a second reader beside it would take the same bytes.
    if (this.#isFinishing) return;
    this.#isDirty = true;
    this.#reading ??= this.#readAll()
      .catch(this.#options.onError)
      .finally(() => (this.#reading = null));
  }

  /** Reads to the end of a finished attempt, the unfinished last line included; resolves with the end of its output as text. */
  async finish(): Promise<string> {
    this.#isFinishing = true;
    await this.#reading;
    await this.#readAll();
    for (const stream of this.#streams ?? [])
      this.#emit(
        stream,
        merged(stream, (parser) => parser.end()),
      );
    return new TextDecoder().decode(this.#tail);
  }

  async #readAll(): Promise<void> {
    this.#streams ??= openStreams(this.#options.spec, await this.#startsAtZero());
    do {
      this.#isDirty = false;
      await this.#checkLimit();
      for (const stream of this.#streams) await this.#readStream(stream);
    } while (this.#isDirty);
  }

  async #readStream(stream: Stream): Promise<void> {
    // What is printed beyond the limit, until the attempt is stopped, is not read.
    const isLimited = limitedStreams.some((name) => name === stream.name);
    const end = isLimited ? this.#options.spec.limits.outputBytes : Infinity;
    while (stream.offset < end) {
      const bytes = await this.#options.output.read(this.#options.key, stream.name, stream.offset, chunkBytes);
      if (bytes.length === 0) return;
      stream.offset += bytes.length;
      if (stream.name === 'out') this.#keepTail(bytes);
      this.#emit(
        stream,
        merged(stream, (parser) => parser.push(bytes)),
      );
    }
  }

  /**
   * Whether the script counts its steps from 0. An attempt that goes on from a checkpoint does not show it; the trial's
   * first attempt did, in its first lines.
   */
  async #startsAtZero(): Promise<boolean | undefined> {
    const { key, spec, output } = this.#options;
    if (key.attempt === 1) return undefined;
    for (const { name, parsers } of openStreams(spec, undefined)) {
      const bytes = await output.read({ ...key, attempt: 1 }, name, 0, chunkBytes);
      for (const parser of parsers) {
        parser.push(bytes);
        if (parser.startsAtZero !== undefined) return parser.startsAtZero;
      }
    }
    return undefined;
  }

  async #checkLimit(): Promise<void> {
    if (this.#isOverLimit) return;
    const { key, spec, output } = this.#options;
    const sizes = await Promise.all(limitedStreams.map((name) => output.size(key, name)));
    if (Math.max(...sizes) <= spec.limits.outputBytes) return;
    this.#isOverLimit = true;
    this.#options.onOutputLimit();
  }

  #emit({ name }: Stream, records: readonly MetricRecord[]): void {
    const recorded = this.#options.recorded[name] ?? 0;
    const fresh: IntakeRecord[] = [];
    for (const record of records) {
      if (record.end <= recorded) continue;
      this.#cursor = { ...this.#cursor, [name]: record.end };
      fresh.push({ step: record.step, values: record.values, cursor: this.#cursor });
    }
    if (fresh.length > 0) this.#options.onRecords(fresh);
  }

  #keepTail(bytes: Uint8Array): void {
    const joined = bytes.length >= tailBytes ? bytes : Buffer.concat([this.#tail, bytes]);
    this.#tail = joined.subarray(Math.max(0, joined.length - tailBytes));
  }
}

/** Objectives are read even where their name looks like a clock's, and where only a blank stands before the value. */
function openStreams(spec: StudySpec, startsAtZero: boolean | undefined): readonly Stream[] {
  const options = { expected: spec.objectives.map(({ metric }) => metric), startsAtZero };
  const files = new Map<OutputStream, MetricParser[]>();
  for (const source of spec.metrics) {
    if (source.type !== 'json' && source.type !== 'csv') continue;
    const name = `work/${source.path}` as const;
    files.set(name, [...(files.get(name) ?? []), createFileMetricParser(source, options)]);
  }
  return [
    { name: 'out', parsers: [createMetricParser({ ...options, sources: spec.metrics })], offset: 0 },
    { name: 'metrics', parsers: [createMetricsFileParser(options)], offset: 0 },
    ...[...files].map(([name, parsers]) => ({ name, parsers, offset: 0 })),
  ];
}

/** Records of all parsers of a stream in the order of its lines: a cursor counts lines, so a line's metrics are recorded together. */
function merged({ parsers }: Stream, read: (parser: MetricParser) => readonly MetricRecord[]): readonly MetricRecord[] {
  const [first = [], ...others] = parsers.map(read);
  if (others.length === 0) return first;
  const byEnd = new Map<number, MetricRecord>();
  for (const record of [first, ...others].flat()) {
    const known = byEnd.get(record.end);
    byEnd.set(record.end, known === undefined ? record : { ...known, values: { ...known.values, ...record.values } });
  }
  return [...byEnd.values()].sort((a, b) => a.end - b.end);
}
