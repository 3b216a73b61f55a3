import { HpoError } from '../protocol/errors.ts';
import type { MetricSource } from '../protocol/space.ts';
import type { MetricValue } from '../protocol/study.ts';
import { parseValue } from './scanValues.ts';

export interface UserPattern {
  readonly metric: string;
  /** The step that its step pattern found last; null before. */
  lastStep: number | null;
  match(text: string): { readonly value: MetricValue | null; readonly step: string | null };
}

/** A pattern sees no more of a line: with a bad pattern the time grows with the square of the length. */
export const maxPatternLength = 4096;

/** @throws HpoError HPO-3101 when a pattern is malformed, captures nothing, or can take exponential time. */
export function compilePattern(source: Extract<MetricSource, { type: 'stdout' }>): UserPattern {
  const value = compile(source.pattern, source.metric);
  const step = source.stepPattern === null ? null : compile(source.stepPattern, source.metric);
  return {
    metric: source.metric,
    lastStep: null,
    match: (text) => {
      const visible = text.length > maxPatternLength ? text.slice(0, maxPatternLength) : text;
      const found = capture(value, visible);
      return {
        value: found === null ? null : (parseValue(found.replace(/[%,;.)\]}]+$/, '')) ?? null),
        step: step === null ? null : capture(step, visible),
      };
    },
  };
}

/** The first group that took part in the match. */
function capture(pattern: RegExp, text: string): string | null {
  return (
    pattern
      .exec(text)
      ?.slice(1)
      .find((group) => group !== undefined) ?? null
  );
}

function compile(pattern: string, metric: string): RegExp {
  const fail = (why: string, next: string, cause?: unknown): never => {
    throw new HpoError('HPO-3101', `The pattern "${pattern}" of the metric ${metric} cannot be used: ${why}.`, next, { cause });
  };
  let compiled: RegExp;
  let groups: number;
  try {
    // Named groups as Python writes them.
    const translated = pattern.replaceAll('(?P<', '(?<');
    compiled = new RegExp(translated);
    groups = (new RegExp(`${translated}|`).exec('')?.length ?? 1) - 1;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^.*: /, '') : 'it is malformed';
    return fail(why, 'Correct the regular expression in the @hpo.metric line (JavaScript syntax).', error);
  }
  if (groups === 0)
    return fail('it has no group in parentheses', `Put the value in parentheses, such as "${metric}[=:] *(\\S+)".`);
  if (hasNestedRepeat(pattern)) {
    return fail(
      'a repetition within a repetition, such as (a+)+, can take exponential time',
      'Write it with one repetition, such as ([a-z ]+) for ((\\w+ ?)+).',
    );
  }
  return compiled;
}

/** Whether a group that is repeated without bound holds an unbounded repetition itself. */
function hasNestedRepeat(pattern: string): boolean {
  const groups: boolean[] = [];
  let hasRepeat = false;
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index];
    if (char === '\\') index++;
    else if (char === '[') {
      while (index < pattern.length && pattern[index] !== ']') index += pattern[index] === '\\' ? 2 : 1;
    } else if (char === '(') {
      groups.push(hasRepeat);
      hasRepeat = false;
    } else if (char === ')') {
      const isRepeated = unbounded.test(pattern.slice(index + 1));
      if (isRepeated && hasRepeat) return true;
      hasRepeat = (groups.pop() ?? false) || hasRepeat;
    }
    if (unbounded.test(pattern.slice(index + 1))) hasRepeat = true;
  }
  return false;
}

const unbounded = /^(?:[*+]|\{\d+,\})/;
