import { createMetricParser, createMetricsFileParser, type MetricRecord } from '../metrics/index.ts';
import type { OutputCursor } from '../protocol/events.ts';
import type { AttemptKey, MetricValues, StudySpec } from '../protocol/study.ts';
import type { AttemptOutput } from './ports.ts';

/** Bytes read at a time: a few milliseconds of parsing, so that one loud trial cannot hold up the others. */
const chunkBytes = 128 * 1024;
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

/**
 * Reads what an attempt writes and turns it into metric records, each exactly once over all lives of the agent:
 * both files are parsed from their beginning, and the cursor that travels with each record tells which are new.
 */
export class AttemptIntake {
  readonly #options: IntakeOptions;
  readonly #streams;
  #cursor: OutputCursor;
  #tail: Uint8Array = new Uint8Array();
  #reading: Promise<void> | null = null;
  #isDirty = false;
  #isOverLimit = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#cursor = options.recorded;
    this.#streams = [
      { name: 'out', offset: 0, parser: createMetricParser({ sources: options.spec.metrics }) },
      { name: 'metrics', offset: 0, parser: createMetricsFileParser() },
    ] as const satisfies readonly { name: 'out' | 'metrics'; offset: number; parser: unknown }[];
  }

  /** There may be something new to read. */
  poke(): void {
    this.#isDirty = true;
    this.#reading ??= this.#readAll()
      .catch(this.#options.onError)
      .finally(() => (this.#reading = null));
  }

  /** Reads to the end of a finished attempt, the unfinished last line included; resolves with the end of its output as text. */
  async finish(): Promise<string> {
    await this.#reading;
    await this.#readAll();
    for (const stream of this.#streams) this.#emit(stream.name, stream.parser.end());
    return new TextDecoder().decode(this.#tail);
  }

  async #readAll(): Promise<void> {
    do {
      this.#isDirty = false;
      await this.#checkLimit();
      for (const stream of this.#streams) await this.#readStream(stream);
    } while (this.#isDirty);
  }

  async #readStream(stream: {
    name: 'out' | 'metrics';
    offset: number;
    parser: { push(bytes: Uint8Array): readonly MetricRecord[] };
  }): Promise<void> {
    for (;;) {
      const bytes = await this.#options.output.read(this.#options.key, stream.name, stream.offset, chunkBytes);
      if (bytes.length === 0) return;
      stream.offset += bytes.length;
      if (stream.name === 'out') this.#keepTail(bytes);
      this.#emit(stream.name, stream.parser.push(bytes));
    }
  }

  async #checkLimit(): Promise<void> {
    if (this.#isOverLimit) return;
    const size = await this.#options.output.size(this.#options.key, 'out');
    if (size <= this.#options.spec.limits.outputBytes) return;
    this.#isOverLimit = true;
    this.#options.onOutputLimit();
  }

  #emit(name: 'out' | 'metrics', records: readonly MetricRecord[]): void {
    const fresh: IntakeRecord[] = [];
    for (const record of records) {
      if (record.end <= this.#options.recorded[name]) continue;
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
