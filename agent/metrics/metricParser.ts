import { HpoError } from '../protocol/errors.ts';
import type { Dropped } from '../protocol/events.ts';
import type { MetricSource } from '../protocol/space.ts';
import type { MetricValues } from '../protocol/study.ts';
import { stripAnsi } from './ansi.ts';
import { LineParser } from './lineParser.ts';
import { lineHas } from './lineSplitter.ts';
import { ExpectedNames, scanValues } from './scanValues.ts';
import { compilePattern } from './userPattern.ts';
import type { UserPattern } from './userPattern.ts';

/** What one line reported. */
export interface MetricRecord {
  /** Counts from 1: see `StepReader`. 0 only for a value from before any training (`'epoch': 0.0`). */
  readonly step: number;
  readonly values: MetricValues;
  /** Offset in the stream of the byte after the line. Strictly increasing over the records of one stream. */
  readonly end: number;
  /** What was left out up to here since the record before; a record may have nothing else. Absent: nothing. */
  readonly dropped?: readonly Dropped[];
}

/**
 * Turns a byte stream into records, incrementally: the same bytes give the same records in whatever chunks they come,
 * so a reader that starts over feeds the stream from its first byte and drops the records with `end` up to its cursor.
 */
export interface MetricParser {
  push(bytes: Uint8Array): MetricRecord[];
  /** The stream is over: reads the last line although it has no newline. */
  end(): MetricRecord[];
  /** Names in order of first appearance, at most `maxNames` and those that are expected or annotated. */
  readonly namesSeen: readonly string[];
  /** Whether the script counts from 0; undefined until its first step. To be handed to the parser of the trial's next attempt. */
  readonly startsAtZero: boolean | undefined;
  /** Lines longer than `maxLineBytes`, which were not read. */
  readonly skippedLines: number;
}

export interface MetricParserOptions {
  readonly sources: readonly MetricSource[];
  /** Names that are metrics for certain, such as the study's objectives: see `ExpectedNames`. */
  readonly expected?: readonly string[] | undefined;
  /** As known from an earlier attempt of the trial, which may have begun at another step. */
  readonly startsAtZero?: boolean | undefined;
  /** Names beyond so many are left out, those that are expected or annotated aside: output that makes up ever new names is not a list of metrics. */
  readonly maxNames?: number | undefined;
}

/**
 * Reads metrics from a program's standard output without any change to the program: `name=value`, `name: value`,
 * JSON and Python dictionaries, progress bars, and the annotated patterns, which win over what else names the metric.
 * @throws HpoError HPO-3101 for a pattern that cannot be used, HPO-3102 for a source that is not supported.
 */
export function createMetricParser(options: MetricParserOptions): MetricParser {
  return new StdoutParser(options);
}

interface Reading {
  /** Null: to be counted. */
  readonly step: number | null;
  readonly values: MetricValues;
  readonly end: number;
}

class StdoutParser extends LineParser {
  readonly #patterns: readonly UserPattern[];
  /** Metrics with a source of their own: nothing else on standard output may report them. */
  readonly #annotated: ReadonlySet<string>;
  readonly #counts = new Map<string, number>();
  /** What a progress bar shows until it is drawn anew: only its last state at a step counts. */
  #held: Reading | null = null;

  constructor({ sources, expected = [], startsAtZero, maxNames }: MetricParserOptions) {
    for (const source of sources) refuseTensorboard(source);
    const patterns = sources.filter((source) => source.type === 'stdout').map((source) => compilePattern(source));
    super(
      { startsAtZero, maxNames, expected: new ExpectedNames(expected) },
      lineHas.digit | (patterns.length + expected.length > 0 ? lineHas.letterN : lineHas.separator),
    );
    this.#patterns = patterns;
    this.#annotated = new Set(sources.map((source) => source.metric));
  }

  protected override finish(): void {
    this.#release();
  }

  protected override readLine(raw: string, end: number, isRedrawn: boolean): void {
    const reading = raw === '' ? null : this.#read(stripAnsi(raw), end);
    if (reading !== null) {
      // A bar that moved on to the next step leaves its last state behind; at the same step it is only more recent.
      if (this.#held !== null && this.#held.step !== reading.step) this.#release();
      this.#held = reading;
    }
    if (isRedrawn) return;
    if (this.#held !== null && reading === null) this.#held = { ...this.#held, end };
    this.#release();
  }

  #read(text: string, end: number): Reading | null {
    const values = scanValues(text, this.expected, this.dropName);
    for (const name of Object.keys(values)) {
      if (this.#annotated.has(name) || !this.admits(name)) delete values[name];
    }
    let annotatedStep: number | null = null;
    for (const pattern of this.#patterns) {
      const match = pattern.match(text);
      if (match.step !== null) pattern.lastStep = this.steps.annotated(match.step);
      if (match.value === null) continue;
      this.names.add(pattern.metric);
      values[pattern.metric] = match.value;
      annotatedStep ??= pattern.lastStep;
    }
    let isEmpty = true;
    for (const _name in values) isEmpty = false;
    const step = this.steps.read(text, !isEmpty);
    return isEmpty ? null : { step: annotatedStep ?? step, values, end };
  }

  /** What was left out of the line that is held belongs to it. */
  protected override get isHolding(): boolean {
    return this.#held !== null;
  }

  #release(): void {
    if (this.#held === null) return;
    const { step, values, end } = this.#held;
    this.#held = null;
    this.record({ step: step ?? this.#count(values), values, end });
  }

  /** A script that names no step: every metric counts its own reports, and a line with several is as far as the farthest. */
  #count(values: MetricValues): number {
    const names = Object.keys(values);
    const step = 1 + Math.max(...names.map((name) => this.#counts.get(name) ?? 0));
    for (const name of names) this.#counts.set(name, step);
    return step;
  }
}

/** @throws HpoError HPO-3102 */
export function refuseTensorboard(source: MetricSource): void {
  if (source.type !== 'tensorboard') return;
  throw new HpoError(
    'HPO-3102',
    `The metric ${source.metric} is to be read from TensorBoard events in ${source.dir}, which is not supported yet.`,
    `Print it (print(f"${source.metric}={value}")), or read it with: # @hpo.metric ${source.metric} from json PATH`.replace(
      '{value}',
      '{…}',
    ),
  );
}
