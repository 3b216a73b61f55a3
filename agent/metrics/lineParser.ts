import { LineSplitter } from './lineSplitter.ts';
import type { MetricParser, MetricRecord } from './metricParser.ts';
import { StepReader } from './steps.ts';

/** What the parsers share: bytes in, records out. How a line is read is up to each. */
export abstract class LineParser implements MetricParser {
  protected readonly names = new Set<string>();
  protected readonly steps: StepReader;
  readonly #splitter: LineSplitter;
  #records: MetricRecord[] = [];

  /** @param wanted what a line must have to be read: see `lineHas` */
  constructor(startsAtZero: boolean | undefined, wanted: number) {
    this.steps = new StepReader(startsAtZero);
    this.#splitter = new LineSplitter((text, end, isRedrawn) => this.readLine(text, end, isRedrawn), { wanted });
  }

  /** Called as a `LineSplitter` does. */
  protected abstract readLine(text: string, end: number, isRedrawn: boolean): void;

  /** Records what was held back; nothing more will come. */
  protected finish(): void {}

  protected record(record: MetricRecord): void {
    this.#records.push(record);
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
