import type { MetricRecord } from '../metrics/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { Dropped, OutputCursor } from '../protocol/events.ts';
import type { AttemptKey, MetricValues, StudySpec } from '../protocol/study.ts';
import { merged, type OutputReader, readersOf } from './outputReaders.ts';
import type { AttemptOutput } from './ports.ts';
import type { ReadingOrder } from './readingOrder.ts';
import { RecordLimits } from './recordLimits.ts';

/** Bytes read at a time: a few milliseconds of parsing, so that one loud trial cannot hold up the others. */
const chunkBytes = 64 * 1024;
/** An attempt with more than this to read is printing faster than can be recorded. */
const behindBytes = 4 * 1024 * 1024;
/** Chunks of a stream after which its size is looked at again. */
const chunksBetweenSizes = 16;
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
  /** The metrics that the study reads: always recorded. */
  readonly required: readonly string[];
  readonly output: AttemptOutput;
  /** Says when this one may read. */
  readonly order: ReadingOrder;
  /** Records up to here are recorded already: they are parsed again, as the parser's state needs them, and dropped. */
  readonly recorded: OutputCursor;
  /** Called with new records, in order. */
  readonly onRecords: (records: readonly IntakeRecord[]) => void;
  /** Called right after with what was left out up to the cursor since the last call. */
  readonly onDropped: (dropped: readonly Dropped[], cursor: OutputCursor) => void;
  readonly onOutputLimit: () => void;
  readonly onError: (error: unknown) => void;
}

interface Stream extends OutputReader {
  offset: number;
  /** Bytes of it when it was last looked at. */
  size: number;
}

/**
 * Reads what an attempt writes and turns it into metric records, each exactly once over all lives of the agent:
 * every stream is parsed from its beginning, and the cursor that travels with each record tells which are new.
 */
export class AttemptIntake {
  readonly #options: IntakeOptions;
  readonly #limits: RecordLimits;
  #streams: readonly Stream[] | null = null;
  #cursor: OutputCursor;
  #tail: Uint8Array = new Uint8Array();
  #reading: Promise<void> | null = null;
  #isDirty = false;
  #isFinishing = false;
  #isOverLimit = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#limits = new RecordLimits(options.required, options.spec.limits);
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

  /**
   * Reads to the end of a finished attempt; resolves with the end of its output as text. An unfinished last line counts,
   * unless the program or its output was cut short: what looks like a number may then be half of one.
   */
  async finish(wasCutShort = false): Promise<string> {
    this.#isFinishing = true;
    await this.#reading;
    await this.#readAll();
    this.#refuseLoss();
    for (const stream of (wasCutShort || this.#isOverLimit ? null : this.#streams) ?? [])
      this.#emit(
        stream,
        merged(stream, (parser) => parser.end()),
      );
    return new TextDecoder().decode(this.#tail);
  }

  /** What was read once and is gone: whatever followed it is gone too, and the attempt cannot be told by its end. */
  #refuseLoss(): void {
    for (const { name, size } of this.#streams ?? []) {
      const recorded = this.#options.recorded[name] ?? 0;
      if (size >= recorded) continue;
      throw new HpoError(
        'HPO-3013',
        `its output (${name}) has ${size} bytes, of which ${recorded} were read before: it was cut or removed`,
        'leave the folders of trials alone while a study runs; the attempt is repeated',
      );
    }
  }

  async #readAll(): Promise<void> {
    this.#streams ??= await this.#openStreams();
    do {
      this.#isDirty = false;
      let streams = this.#streams;
      for (let round = 0; streams.length > 0; round++) {
        if (round % chunksBetweenSizes === 0) await this.#lookAtSizes(streams);
        // A chunk of each in turn: what floods one stream must not hide what stands in another.
        const unread: Stream[] = [];
        for (const stream of streams) if (await this.#readChunk(stream)) unread.push(stream);
        streams = unread;
      }
    } while (this.#isDirty);
  }

  /** False at the end of what is there. */
  async #readChunk(stream: Stream): Promise<boolean> {
    const { key, spec, output, order } = this.#options;
    // What is printed beyond the limit, until the attempt is stopped, is not read: it is not kept either.
    const left = isLimited(stream) ? spec.limits.outputBytes - stream.offset : Infinity;
    if (left <= 0 || stream.offset >= stream.size) return false;
    await order.enter();
    let nRecords = 0;
    try {
      const bytes = await output.read(key, stream.name, stream.offset, Math.min(chunkBytes, left));
      stream.offset += bytes.length;
      if (stream.name === 'out') this.#keepTail(bytes);
      nRecords = this.#emit(
        stream,
        merged(stream, (parser) => parser.push(bytes)),
      );
      return bytes.length > 0;
    } finally {
      order.leave(nRecords);
    }
  }

  async #openStreams(): Promise<readonly Stream[]> {
    const { key, output } = this.#options;
    return (await readersOf(key, this.#options, output)).map((reader) => ({ ...reader, offset: 0, size: 0 }));
  }

  async #lookAtSizes(streams: readonly Stream[]): Promise<void> {
    const { key, spec, output } = this.#options;
    for (const stream of streams) stream.size = await output.size(key, stream.name);
    const isOver = streams.some((stream) => isLimited(stream) && stream.size > spec.limits.outputBytes);
    if (this.#isOverLimit || !isOver) return;
    this.#isOverLimit = true;
    this.#options.onOutputLimit();
  }

  /** Returns how many records are new. */
  #emit(stream: Stream, records: readonly MetricRecord[]): number {
    const recorded = this.#options.recorded[stream.name] ?? 0;
    const firstNew = records.findIndex(({ end }) => end > recorded);
    this.#limits.count(firstNew === -1 ? records : records.slice(0, firstNew));
    if (firstNew === -1) return 0;
    const fresh = firstNew === 0 ? records : records.slice(firstNew);
    const { kept, dropped } = this.#limits.choose(fresh, stream.size - stream.offset > behindBytes);
    const cursorAt = (end: number): OutputCursor => (this.#cursor = { ...this.#cursor, [stream.name]: end });
    if (kept.length > 0) this.#options.onRecords(kept.map(({ step, values, end }) => ({ step, values, cursor: cursorAt(end) })));
    if (dropped.length > 0) this.#options.onDropped(dropped, cursorAt(fresh.at(-1)?.end ?? recorded));
    return kept.length;
  }

  #keepTail(bytes: Uint8Array): void {
    const joined = bytes.length >= tailBytes ? bytes : Buffer.concat([this.#tail, bytes]);
    this.#tail = joined.subarray(Math.max(0, joined.length - tailBytes));
  }
}

function isLimited({ name }: Stream): boolean {
  return limitedStreams.some((limited) => limited === name);
}
