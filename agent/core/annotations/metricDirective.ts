import { isReservedName } from '../../protocol/metricNames.ts';
import { type Faults, replaceBy } from './faults.ts';
import type { Directive } from './directive.ts';
import type { Range, Word } from './note.ts';
import { nearest, quote } from './text.ts';
import { unquote, wordsIn } from './words.ts';

/** `@hpo.metric NAME from SOURCE …`: where a metric is read from. */
export function parseMetric(text: string, body: Range, whole: Range, faults: Faults): Directive | null {
  const fail = (message: string, range: Range = whole): null => {
    faults.add('HPO-1126', range.start, range.end, message);
    return null;
  };
  const [name, from, kind, ...rest] = wordsIn(text, body.start, body.end);
  if (name === undefined)
    return fail('a metric needs its name and where it is read from, such as val_loss from stdout "val_loss=(\\S+)"');
  if (isReservedName(name.text)) return fail(`no metric can be called ${name.text}: every object has that name`, name);
  if (from?.text !== 'from' || kind === undefined)
    return fail(`behind ${name.text} stands "from" and one of ${sourceKinds.join(', ')}`, from ?? name);
  const source = sourceKinds.find((known) => known === kind.text);
  if (source === undefined) {
    const meant = nearest(kind.text, sourceKinds);
    faults.add(
      'HPO-1126',
      kind.start,
      kind.end,
      `"${kind.text}" is no source of a metric; known are ${sourceKinds.join(', ')}${meant === null ? '' : `; did you mean ${meant}?`}`,
      meant === null ? null : replaceBy(`Write ${meant}`, kind.start, kind.end, meant),
    );
    return null;
  }
  const [first, second, third, ...more] = rest;
  if (first === undefined)
    return fail(
      `${source} needs ${source === 'stdout' ? 'a regular expression in quotes' : source === 'tensorboard' ? 'a folder' : 'a file'}`,
      kind,
    );
  const range: Range = { start: whole.start, end: whole.end };
  if (source !== 'stdout') {
    if (second !== undefined) return fail(`"${quote(second.text)}" is not expected behind ${source} ${first.text}`, second);
    const path = unquote(first.text);
    return {
      type: 'metric',
      source:
        source === 'tensorboard' ? { type: source, metric: name.text, dir: path } : { type: source, metric: name.text, path },
      ...range,
    };
  }
  if (second !== undefined && second.text !== 'step')
    return fail(`"${quote(second.text)}" is not expected here; behind the expression stands step "REGEX" or nothing`, second);
  if (second !== undefined && third === undefined) return fail('step needs a regular expression in quotes', second);
  if (more[0] !== undefined) return fail(`"${quote(more[0].text)}" is not expected here`, more[0]);
  const pattern = readPattern(first, faults);
  const stepPattern = third === undefined ? null : readPattern(third, faults);
  if (pattern === null || (third !== undefined && stepPattern === null)) return null;
  return { type: 'metric', source: { type: 'stdout', metric: name.text, pattern, stepPattern }, ...range };
}

const sourceKinds = ['stdout', 'json', 'csv', 'tensorboard'] as const;

/** A regular expression in quotes: its backslashes are its own. */
function readPattern(word: Word, faults: Faults): string | null {
  const [, sign, inside = ''] = /^(["'])(.*)\1$/s.exec(word.text) ?? [];
  if (sign === undefined) {
    faults.add(
      'HPO-1127',
      word.start,
      word.end,
      `a regular expression stands in quotes, not ${quote(word.text)}`,
      replaceBy('Put it in quotes', word.start, word.end, `"${word.text.replaceAll('"', '\\"')}"`),
    );
    return null;
  }
  const pattern = inside.replaceAll(`\\${sign}`, sign);
  const message = patternFault(pattern);
  if (message === null) return pattern;
  const isUngrouped = message.startsWith('has no group');
  const fix =
    isUngrouped && /\\S[+*]$/.test(pattern)
      ? replaceBy('Make the end a group', word.end - 4, word.end - 1, `(${pattern.slice(-3)})`)
      : null;
  faults.add('HPO-1127', word.start, word.end, `the regular expression ${message}`, fix);
  return null;
}

/** Why a pattern cannot be used, in words; null when it can. */
export function patternFault(pattern: string): string | null {
  try {
    // With an empty alternative the expression matches anything, and the match shows how many groups there are.
    const groups = (new RegExp(`${pattern}|`).exec('')?.length ?? 1) - 1;
    return groups > 0 ? null : 'has no group: put the value in round brackets, such as (\\S+)';
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : String(error)}`;
  }
}
