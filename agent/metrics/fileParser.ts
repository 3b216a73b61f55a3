import { HpoError } from '../protocol/errors.ts';
import type { MetricSource } from '../protocol/space.ts';
import type { MetricValue, MetricValues } from '../protocol/study.ts';
import { LineParser, type LineParserOptions } from './lineParser.ts';
import { lineHas } from './lineSplitter.ts';
import { refuseTensorboard } from './metricParser.ts';
import type { MetricParser, MetricParserOptions } from './metricParser.ts';
import { ExpectedNames, flatten, parseLoosely, parseValue } from './scanValues.ts';

/**
 * Reads the file at HPO_METRICS_FILE: one JSON object a line, such as `{"step": 3, "val_loss": 0.2}`. Without `step` (or
 * `epoch`, `iteration` …) the lines are counted. A line that is no object is passed over.
 */
export function createMetricsFileParser(options: Omit<MetricParserOptions, 'sources'> = {}): MetricParser {
  const expected = new ExpectedNames(options.expected ?? []);
  return new RowParser((onBadName) => jsonRows(expected, onBadName), { ...options, expected });
}

/**
 * Reads the file of an annotated source, written line by line: JSON lines, or CSV with a header. Records hold that metric alone.
 * @throws HpoError HPO-3102 for a source that is no such file.
 */
export function createFileMetricParser(
  source: MetricSource,
  options: { readonly startsAtZero?: boolean | undefined } = {},
): MetricParser {
  refuseTensorboard(source);
  const expected = new ExpectedNames([source.metric]);
  const parser = (rows: ReadRow): MetricParser =>
    new RowParser(() => only(source.metric, rows), { startsAtZero: options.startsAtZero, expected });
  if (source.type === 'json') return parser(jsonRows(expected));
  if (source.type === 'csv') return parser(csvRows());
  throw new HpoError(
    'HPO-3102',
    `The metric ${source.metric} is read from ${source.type}, which is no file.`,
    'Name a json or csv file.',
  );
}

interface Row {
  readonly values: MetricValues;
  /** As `word number`, for the rules of `StepReader`; empty when the row names no step. */
  readonly step: string;
}

type ReadRow = (line: string) => Row | null;

class RowParser extends LineParser {
  readonly #read: ReadRow;
  #count = 0;

  constructor(read: (onBadName: (name: string) => void) => ReadRow, options: LineParserOptions) {
    super(options, lineHas.anything);
    this.#read = read(this.dropName);
  }

  protected override readLine(line: string, end: number): void {
    const row = line === '' ? null : this.#read(line);
    const names = Object.keys(row?.values ?? {});
    if (row === null || names.length === 0) return;
    const admitted = names.filter((name) => this.admits(name));
    const named = row.step === '' ? null : this.steps.read(row.step, true);
    this.#count = named ?? this.#count + 1;
    if (admitted.length === 0) return;
    const values = admitted.length === names.length ? row.values : pick(row.values, admitted);
    this.record({ step: this.#count, values, end });
  }
}

const stepNames = ['step', 'epoch', 'iteration', 'iter', 'round', 'global_step'];

function pick(values: MetricValues, names: readonly string[]): MetricValues {
  return Object.fromEntries(names.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])));
}

function jsonRows(expected: ExpectedNames, onBadName?: (name: string) => void): ReadRow {
  return (line) => {
    const object = parseLoosely(line.trim());
    if (object === null) return null;
    const entries = new Map(Object.entries(object) as [string, unknown][]);
    const name = stepNames.find((candidate) => typeof entries.get(candidate) === 'number');
    return { values: flatten(object, expected, onBadName), step: name === undefined ? '' : `step ${String(entries.get(name))}` };
  };
}

/** A reader that takes the first line for the header. */
function csvRows(): ReadRow {
  let header: readonly string[] | null = null;
  return (line) => {
    const cells = line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
    if (header === null) {
      header = cells;
      return null;
    }
    const values: Record<string, MetricValue> = {};
    let step = '';
    for (const [index, name] of header.entries()) {
      const cell = cells[index] ?? '';
      const value = parseValue(cell);
      if (stepNames.includes(name.toLowerCase())) step ||= cell === '' ? '' : `step ${cell}`;
      else if (value !== undefined) values[name] = value;
    }
    return { values, step };
  };
}

function only(metric: string, read: ReadRow): ReadRow {
  return (line) => {
    const row = read(line);
    const value = row?.values[metric];
    return row === null || value === undefined ? null : { values: { [metric]: value }, step: row.step };
  };
}
