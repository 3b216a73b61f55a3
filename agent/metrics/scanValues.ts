import { dataSetWords, isCounterOrClock } from '../protocol/metricNames.ts';
import type { MetricValue } from '../protocol/study.ts';
import { metricValue } from '../protocol/view.ts';

/** A number as Python and JavaScript print it. */
const number = String.raw`[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[nN][aA][nN]|[iI](?:nf(?:inity)?|NF(?:INITY)?))`;
const wholeNumber = new RegExp(`^\\s*(${number})\\s*$`);

/**
 * All `name=value` and `name: value` of a line, the last one where a name comes twice.
 *
 * A line that is one JSON object or Python dictionary is read as such, with nested names joined by `.`; everywhere
 * else the separators are found first and what stands around them is looked at, so the time is linear in the length.
 */
export function scanValues(
  text: string,
  expected: ExpectedNames,
  onBadName?: (name: string) => void,
): Record<string, MetricValue> {
  const values = scanObject(text, expected, onBadName) ?? scanPairs(text, expected);
  expected.scanBlank(text, values);
  return values;
}

/**
 * Names that are known to be metrics, such as the study's objectives. They are read although they look like a clock
 * (`seconds=3`), and also where only a blank stands before the value (`print("val_loss", loss)`, `val loss 0.3`).
 */
export class ExpectedNames {
  readonly #names: ReadonlySet<string>;
  readonly #patterns: readonly { readonly name: string; readonly pattern: RegExp }[];

  constructor(names: Iterable<string>) {
    this.#names = new Set(names);
    this.#patterns = [...this.#names].map((name) => ({
      name,
      pattern: new RegExp(
        `(?<![A-Za-z0-9_./-])${name.replace(/[^A-Za-z0-9_]/g, '\\$&').replaceAll('_', '[_ ]')}[ \\t]{1,40}(${number})`,
        'g',
      ),
    }));
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Adds what stands behind a blank, unless the name was found with a separator. */
  scanBlank(text: string, values: Record<string, MetricValue>): void {
    for (const { name, pattern } of this.#patterns) {
      if (Object.hasOwn(values, name)) continue;
      for (const match of text.matchAll(pattern)) {
        if (isDelimited(text, match.index + match[0].length)) values[name] = toValue(match[1] ?? '');
      }
    }
  }
}

/** `nan`, `Infinity`, `-1.5e-3` … in full; undefined for anything else. */
export function parseValue(text: string): MetricValue | undefined {
  const match = wholeNumber.exec(text);
  return match?.[1] === undefined ? undefined : toValue(match[1]);
}

const splitNames = new Set(dataSetWords);

export const maxNameLength = 128;
const maxPadding = 40;
const value = new RegExp(`\\s{0,40}(["']?)(?:(?:np|numpy)\\.\\w{1,20}\\(|tensor\\(|array\\()?(${number})`, 'y');

function scanPairs(text: string, expected: ExpectedNames): Record<string, MetricValue> {
  const values: Record<string, MetricValue> = {};
  let colon = text.indexOf(':');
  let equals = text.indexOf('=');
  while (colon !== -1 || equals !== -1) {
    const isColon = equals === -1 || (colon !== -1 && colon < equals);
    const index = isColon ? colon : equals;
    if (isColon) colon = text.indexOf(':', index + 1);
    else equals = text.indexOf('=', index + 1);
    value.lastIndex = index + 1;
    const match = value.exec(text);
    if (match === null || !isDelimited(text, value.lastIndex)) continue;
    const isTightColon = isColon && /^\S/.test(match[0]);
    const name = nameBefore(text, index, isTightColon, expected);
    if (name !== null) values[name] = toValue(match[2] ?? '');
  }
  return values;
}

/** `3/10`, `3ms`, `2024-01-01`, `12:30`, `1.2.3` and `1,234` are no values. */
function isDelimited(text: string, end: number): boolean {
  // The number itself may have taken the full stop that ends a sentence.
  const next = text[end];
  if (next === undefined) return true;
  const isDigitAfter = isDigit(text.charCodeAt(end + 1));
  if (next === '.' || next === ',') return !isDigitAfter;
  return ' \t;)]}%|"\'(+<>#'.includes(next) || text.charCodeAt(end) > 127;
}

/** The name that ends before the separator at `index`, or null. */
function nameBefore(text: string, index: number, isTightColon: boolean, expected: ExpectedNames): string | null {
  let end = index;
  while (end > 0 && isBlank(text.charCodeAt(end - 1)) && index - end < maxPadding) end--;
  const quote = text[end - 1];
  const isQuoted = quote === '"' || quote === "'";
  if (isQuoted) end--;
  const start = runStart(text, end);
  if (start === null || (isQuoted && text[start - 1] !== quote)) return null;
  const name = text.slice(start, end);
  if (!expected.has(name) && isCounterOrClock(name)) return null;
  // `train.py:12` is a place in a file.
  if (isTightColon && !isQuoted && name.includes('.')) return null;
  return isQuoted ? name : dataSet(text, start) + name;
}

/** `Val ` or LightGBM's `valid_0's ` before a name. */
function dataSet(text: string, start: number): string {
  if (!isBlank(text.charCodeAt(start - 1))) return '';
  const isPossessive = text.startsWith("'s", start - 3);
  const end = isPossessive ? start - 3 : start - 1;
  const before = runStart(text, end);
  if (before === null) return '';
  const word = text.slice(before, end);
  if (isPossessive) return `${word}-`;
  return splitNames.has(word.toLowerCase()) ? `${word}_` : '';
}

/** Where the run of name characters that ends at `end` starts; null when it is empty, too long or not a name. */
function runStart(text: string, end: number): number | null {
  let start = end;
  while (start > 0 && isNameCode(text.charCodeAt(start - 1))) {
    if (--start < end - maxNameLength) return null;
  }
  return start < end && /[A-Za-z_]/.test(text[start] ?? '') ? start : null;
}

function isNameCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x2d && code <= 0x39) || code === 0x5f // - . / digits are neighbours
  );
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function toValue(text: string): MetricValue {
  const lower = text.toLowerCase();
  if (lower.endsWith('nan')) return 'nan';
  if (lower.includes('inf')) return lower.startsWith('-') ? '-inf' : 'inf';
  return metricValue(Number(text));
}

const metricName = /^[A-Za-z_][A-Za-z0-9_./-]*$/;

/** Null when the line is not one object. */
function scanObject(
  text: string,
  expected: ExpectedNames,
  onBadName?: (name: string) => void,
): Record<string, MetricValue> | null {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}')) return null;
  const parsed = parseLoosely(trimmed);
  return parsed === null ? null : flatten(parsed, expected, onBadName);
}

/** JSON as Python writes it (bare NaN and Infinity), or a dictionary as Python prints it; null for anything else. */
export function parseLoosely(text: string): object | null {
  const named = text.replace(/([:[,]\s{0,10})(-?Infinity|NaN|-?inf|nan)\b/g, '$1"$2"');
  const json = named.includes("'")
    ? named
        .replace(/(?:np|numpy)\.\w{1,20}\(([^()]{0,40})\)/g, '$1')
        .replaceAll("'", '"')
        .replace(/([:[,]\s{0,10})(True|False|None)\b/g, '$1null')
    : named;
  try {
    const parsed: unknown = JSON.parse(json);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

/**
 * Numbers of an object, and of the objects in it as `outer.inner`; lists, texts and nulls are passed over.
 * `onBadName` hears the names of numbers that are too long, or have characters that a metric's name may not have.
 */
export function flatten(
  object: object,
  expected: ExpectedNames,
  onBadName?: (name: string) => void,
): Record<string, MetricValue> {
  const values: Record<string, MetricValue> = {};
  const visit = (inner: object, prefix: string, depth: number) => {
    for (const [key, item] of Object.entries(inner) as [string, unknown][]) {
      const name = prefix + key;
      const isExpected = expected.has(name);
      if (!isExpected && (name.length > maxNameLength || !metricName.test(name))) {
        // Keys such as `0` or a path are no metrics; one that begins as a name does may be missed.
        if (typeof item === 'number' && /^\p{L}/u.test(name)) onBadName?.(name.slice(0, maxNameLength));
        continue;
      }
      if (!isExpected && isCounterOrClock(name)) continue;
      const found = typeof item === 'number' ? metricValue(item) : typeof item === 'string' ? parseValue(item) : undefined;
      if (found !== undefined) values[name] = found;
      else if (typeof item === 'object' && item !== null && !Array.isArray(item) && depth < 4) visit(item, `${name}.`, depth + 1);
    }
  };
  visit(object, '', 0);
  return values;
}
