import { contains } from '../space/index.ts';
import { type Faults, replaceBy } from './faults.ts';
import type { Candidate } from './languages/language.ts';
import { python } from './languages/python.ts';
import { noteDialect, parseLiteral } from './literal.ts';
import type { SpaceNote } from './note.ts';
import { render } from './render.ts';
import { countBreaks, quote } from './text.ts';

/** Whether the literal as it stands is one of the values of its own space; with a fault where it is not. */
export function checkDefault(
  name: string,
  space: Extract<SpaceNote, { type: 'distribution' }>,
  candidate: Candidate,
  faults: Faults,
): boolean {
  const { distribution } = space;
  const { value, text, kind } = candidate.literal;
  const seen = quote(text);
  const fail = (code: 'HPO-1114' | 'HPO-1115', message: string, fix: ReturnType<typeof replaceBy> | null = null): false => {
    faults.add(code, space.start, space.end, message, fix);
    return false;
  };
  if ('choices' in distribution) {
    if (contains(distribution, value)) return true;
    if (space.isBool)
      return fail(
        'HPO-1115',
        `${name} is ${seen}, and bool chooses between True and False; use choice(…) for other values`,
        value === 0 || value === 1 ? replaceBy('Use choice(0, 1)', space.start, space.end, 'choice(0, 1)') : null,
      );
    return fail(
      'HPO-1114',
      `${name} is ${seen}, which is not one of its own choices; the script's value is the first trial`,
      replaceBy(`Add ${seen}`, space.close, space.close, `, ${literalText(candidate)}`),
    );
  }
  const { type, low, high } = distribution;
  if (typeof value !== 'number')
    return fail(
      'HPO-1115',
      `${name} is ${kindWords[kind]} (${seen}), and ${type} needs a number; use choice(…) for other values`,
    );
  if (type === 'int' && !Number.isInteger(value))
    return fail(
      'HPO-1115',
      `${name} is ${seen}, which is not a whole number; use float for it`,
      replaceBy('Use float', space.start, space.start + 3, 'float'),
    );
  if (value >= low && value <= high) {
    if (contains(distribution, value)) return true;
    return fail(
      'HPO-1114',
      `${name} is ${seen}, which is not reached from ${low} in steps of ${distribution.step}; change the step, the lower end or the value`,
    );
  }
  const word = value < low ? space.low : space.high;
  const isWritable =
    parseLiteral(text, noteDialect)?.value === value &&
    !((distribution.log || distribution.revlog) && value <= 0) &&
    distribution.step === null;
  const fix = word === null || !isWritable ? null : replaceBy(`Widen the range to ${seen}`, word.start, word.end, text);
  return fail(
    'HPO-1114',
    `${name} is ${seen}, outside of its own range from ${space.low?.text ?? low} to ${space.high?.text ?? high}; the script's value is the first trial`,
    fix,
  );
}

export const kindWords = { number: 'a number', string: 'a text', bool: 'a boolean', null: 'None', list: 'a list' } as const;

/** The default as a note writes it: on one line, and bare words of YAML in quotes. */
function literalText(candidate: Candidate): string {
  const { value, text } = candidate.literal;
  const isFit = parseLiteral(text, noteDialect) !== null && countBreaks(text) === 0;
  return isFit ? text : (render('', value, python.style) ?? text);
}
