import { LineSplitter } from './lineSplitter.ts';
import { Drops } from './drops.ts';
import type { MetricParser, MetricRecord } from './metricParser.ts';
import type { ExpectedNames } from './scanValues.ts';
import { StepReader } from './steps.ts';
import { usualMetricNames } from '../protocol/study.ts';

export interface LineParserOptions {
  readonly startsAtZero?: boolean | undefined;
  readonly maxNames?: number | undefined;
  /** Names that are never left out. */
  readonly expected: ExpectedNames;
}

/** What the parsers share: bytes in, records out. How a line is read is up to each. */
export abstract class LineParser implements MetricParser {
  protected readonly names = new Set<string>();
  protected readonly steps: StepReader;
  protected readonly expected: ExpectedNames;
  readonly #maxNames: number;
  readonly #splitter: LineSplitter;
  #records: MetricRecord[] = [];
  /** Left out since the last record. */
  readonly #dropped = new Drops();

  /** @param wanted what a line must have to be read: see `lineHas` */
  constructor({ startsAtZero, maxNames, expected }: LineParserOptions, wanted: number) {
    this.steps = new StepReader(startsAtZero);
    this.expected = expected;
    this.#maxNames = maxNames ?? usualMetricNames;
    this.#splitter = new LineSplitter(
      (text, end, isRedrawn) => {
        this.readLine(text, end, isRedrawn);
        this.#tellDropped(end);
      },
      {
        wanted,
        onSkipped: () => this.#dropped.add('line', [], 1),
      },
    );
  }

  /** Called as a `LineSplitter` does. */
  protected abstract readLine(text: string, end: number, isRedrawn: boolean): void;

  /** Records what was held back; nothing more will come. */
  protected finish(): void {}

  /** Whether a line that was read is recorded later. */
  protected get isHolding(): boolean {
    return false;
  }

  protected record(record: MetricRecord): void {
    this.#records.push(this.#dropped.isEmpty ? record : { ...record, dropped: this.#dropped.take() });
  }

  /** Whether there is room for the name; counts what there is none for. */
  protected admits(name: string): boolean {
    if (this.names.has(name)) return true;
    if (this.names.size >= this.#maxNames && !this.expected.has(name)) {
      this.#dropped.add('names', [name]);
      return false;
    }
    this.names.add(name);
    return true;
  }

  /** Counts a value whose name cannot be a metric's. */
  protected readonly dropName = (name: string): void => this.#dropped.add('name', [name]);

  /** What was left out of a line without a record. */
  #tellDropped(end: number): void {
    if (!this.#dropped.isEmpty && !this.isHolding) this.record({ step: 0, values: {}, end });
  }

  get namesSeen(): readonly string[] {
    return [...this.names];
  }

  get startsAtZero(): boolean | undefined {
    return this.steps.startsAtZero;
  }

  get skippedLines(): number {
    return this.#splitter.skippedLines;
  }

  push(bytes: Uint8Array): MetricRecord[] {
    this.#splitter.push(bytes);
    return this.#take();
  }

  end(): MetricRecord[] {
    this.#splitter.end();
    this.finish();
    return this.#take();
  }

  #take(): MetricRecord[] {
    const records = this.#records;
    this.#records = [];
    return records;
  }
}
