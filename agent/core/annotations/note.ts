import type { Distribution, Sink } from '../../protocol/space.ts';
import type { Faults } from './faults.ts';
import { replaceBy } from './faults.ts';
import { closingParen } from './noteText.ts';
import { parseSpace, spaceNames } from './noteSpace.ts';
import { nearest, quote } from './text.ts';

export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface Word extends Range {
  readonly text: string;
}

/** One parameter of a note: `name: float(0, 1) when x == 1 via env(LR)`. Offsets count in the whole text. */
export interface ParamNote extends Range {
  readonly name: Word | null;
  /** Null where the space has a fault: its literal is still known by name. */
  readonly space: SpaceNote | null;
  readonly spaceStart: number;
  readonly when: Word | null;
  readonly sink: Sink | null;
}

export type SpaceNote =
  | {
      readonly type: 'distribution';
      readonly distribution: Distribution;
      readonly isBool: boolean;
      readonly low: Word | null;
      readonly high: Word | null;
      readonly close: number;
      readonly start: number;
      readonly end: number;
    }
  | {
      readonly type: 'fidelity';
      readonly min: number;
      readonly max: number;
      readonly eta: number;
      readonly low: Word;
      readonly high: Word;
      readonly start: number;
      readonly end: number;
    };

const namePattern = /[A-Za-z_][A-Za-z0-9_.-]*(?=\s*:(?!:))/y;
const wordPattern = /[A-Za-z_]\w*/y;

/** Reads the parameters of a note in [start, end) of the text; what has a fault is skipped up to the next parameter. */
export function parseParams(text: string, start: number, end: number, faults: Faults): ParamNote[] {
  const params: ParamNote[] = [];
  let at = skipSpace(text, start, end);
  if (at >= end) {
    faults.add(
      'HPO-1133',
      start,
      end,
      'the note is empty: write a space behind @hpo, such as float(0, 1), int(1, 8), choice("a", "b") or bool',
    );
    return params;
  }
  while (at < end) {
    const before = at;
    const found = parseParam(text, at, end, faults);
    if (found.param !== null) params.push(found.param);
    at = skipSpace(text, Math.max(found.end, before + 1), end);
  }
  return params;
}

function parseParam(
  text: string,
  start: number,
  end: number,
  faults: Faults,
): { readonly param: ParamNote | null; readonly end: number } {
  const name = match(text, start, end, namePattern);
  let at = start;
  if (name !== null) at = skipSpace(text, text.indexOf(':', name.end) + 1, end);
  const word = match(text, at, end, wordPattern);
  if (word === null) {
    const stop = nextParam(text, at, end);
    const seen = quote(text.slice(at, stop));
    if (seen === '')
      faults.add('HPO-1133', start, end, `"${name?.text}:" lacks its space: write for example ${name?.text}: float(0, 1)`);
    else
      faults.add(
        'HPO-1101',
        at,
        stop,
        `"${seen}" is not a space; write float(…), int(…), choice(…), ordinal(…), bool or fidelity(…)`,
      );
    return { param: null, end: stop };
  }
  const spaceStart = at;
  const open = skipSpace(text, word.end, end);
  const hasArguments = text[open] === '(' && open < end;
  const close = hasArguments ? closingParen(text, open, end) : word.end - 1;
  let space: SpaceNote | null = null;
  if (close === null) {
    const isLast = !/\)\s*$/.test(text.slice(open, end));
    faults.add(
      'HPO-1101',
      open,
      end,
      `the bracket behind ${word.text} is not closed`,
      isLast ? replaceBy('Close the bracket', end, end, ')') : null,
    );
    return { param: name === null ? null : { start, end, name, space, spaceStart, when: null, sink: null }, end };
  }
  at = close + 1;
  if (spaceNames.includes(word.text))
    space = parseSpace(text, word, hasArguments ? { start: open + 1, end: close } : null, faults);
  else if (!hasArguments && name === null) return unknownWords(text, word, end, faults);
  else unknownSpace(text, word, hasArguments ? { start: open + 1, end: close } : null, faults);
  let when: Word | null = null;
  let sink: Sink | null = null;
  for (;;) {
    at = skipSpace(text, at, end);
    const option = match(text, at, end, /(?:when|via)(?![\w.-]|\s*:)/y);
    if (option === null) break;
    if (option.text === 'when') {
      const condition = conditionAt(text, option.end, end);
      if (when !== null) faults.add('HPO-1125', option.start, condition.end, 'when stands twice; join the conditions by "and"');
      else if (condition.text === '')
        faults.add('HPO-1133', option.start, option.end, 'when lacks its condition, such as: when optimizer == "sgd"');
      else when = condition;
      at = condition.end;
    } else {
      const found = parseSink(text, option.end, end, faults);
      if (found.sink !== null && sink !== null)
        faults.add('HPO-1125', option.start, found.end, 'via stands twice; a value goes one way');
      else sink ??= found.sink;
      at = found.end;
    }
  }
  const stop = paramStartsAt(text, at, end) ? at : nextParam(text, at, end);
  if (stop > at) {
    const seen = quote(text.slice(at, stop));
    const first = match(text, at, end, wordPattern)?.text ?? '';
    const meant = nearest(first, ['when', 'via']);
    const fix =
      meant === null ? replaceBy(`Remove "${seen}"`, at, stop, '') : replaceBy(`Write "${meant}"`, at, at + first.length, meant);
    faults.add(
      'HPO-1101',
      at,
      at + text.slice(at, stop).trimEnd().length,
      `"${seen}" is not expected here; a space is followed by when, via, or the next "name:"${meant === null ? '' : `; did you mean "${meant}"?`}`,
      fix,
    );
  }
  return { param: { start, end: stop, name, space, spaceStart, when, sink }, end: stop };
}

/** Names of other libraries and what they are called here. */
const otherNames: Readonly<Record<string, (inside: string) => string>> = {
  uniform: (inside) => `float(${inside})`,
  loguniform: (inside) => `float(${inside}, log)`,
  log: (inside) => `float(${inside}, log)`,
  randint: (inside) => `int(${inside})`,
  integer: (inside) => `int(${inside})`,
  categorical: (inside) => `choice(${inside})`,
  choices: (inside) => `choice(${inside})`,
  boolean: () => 'bool',
};

function unknownSpace(text: string, word: Word, inside: Range | null, faults: Faults): void {
  const isComplete = inside !== null || word.text === 'boolean';
  const other = isComplete && Object.hasOwn(otherNames, word.text) ? otherNames[word.text] : undefined;
  const replacement = other?.(inside === null ? '' : text.slice(inside.start, inside.end)) ?? nearest(word.text, spaceNames);
  const end = other !== undefined && inside !== null ? inside.end + 1 : word.end;
  const fix = replacement === null ? null : replaceBy(`Write ${replacement}`, word.start, end, replacement);
  faults.add(
    'HPO-1102',
    word.start,
    word.end,
    `"${word.text}" is not a space${replacement === null ? '' : `; did you mean ${replacement}?`}${replacement === null ? '; known are float, int, choice, ordinal, bool and fidelity' : ''}`,
    fix,
  );
}

/** A word that is neither a space nor a name: a forgotten dot before a directive, or a mistyped space. */
function unknownWords(text: string, word: Word, end: number, faults: Faults): { readonly param: null; readonly end: number } {
  const stop = nextParam(text, word.end, end);
  const directive = [
    'objective',
    'constraint',
    'where',
    'metric',
    'search',
    'budget',
    'resources',
    'retry',
    'data',
    'include',
    'secret',
  ].find((name) => name === word.text);
  if (directive === undefined) unknownSpace(text, word, null, faults);
  else
    faults.add(
      'HPO-1102',
      word.start,
      word.end,
      `"${word.text}" is a directive: write @hpo.${word.text}`,
      replaceBy(`Write @hpo.${word.text}`, text[word.start - 1] === ' ' ? word.start - 1 : word.start, word.start, '.'),
    );
  return { param: null, end: stop };
}

/** `arg(--lr)`, `env(LR)`, `key(conf/model.yaml:optimizer.lr)`. */
export function parseSink(
  text: string,
  from: number,
  end: number,
  faults: Faults,
): { readonly sink: Sink | null; readonly end: number } {
  const start = skipSpace(text, from, end);
  const word = match(text, start, end, wordPattern);
  const open = skipSpace(text, word?.end ?? start, end);
  const close = text[open] === '(' && open < end ? closingParen(text, open, end) : null;
  if (word === null || close === null) {
    const stop = nextParam(text, start, end);
    faults.add(
      'HPO-1129',
      Math.min(start, end),
      stop,
      `via needs arg(--name), env(NAME) or key(file:path), not "${quote(text.slice(start, stop))}"`,
    );
    return { sink: null, end: stop };
  }
  const inside = text.slice(open + 1, close).trim();
  const fail = (message: string): { readonly sink: null; readonly end: number } => {
    faults.add('HPO-1129', word.start, close + 1, message);
    return { sink: null, end: close + 1 };
  };
  const done = (sink: Sink): { readonly sink: Sink; readonly end: number } => ({ sink, end: close + 1 });
  switch (word.text) {
    case 'arg':
      return /^[^\s,()]+$/.test(inside)
        ? done({ type: 'arg', flag: inside })
        : fail(`arg needs the name of an option such as arg(--lr), not "${quote(inside)}"`);
    case 'env':
      return /^[A-Za-z_]\w*$/.test(inside)
        ? done({ type: 'env', name: inside })
        : fail(`env needs the name of a variable such as env(LR), not "${quote(inside)}"`);
    case 'key': {
      const [, file, path] = /^(.+?)\s*:\s*([^\s:]+)$/.exec(inside) ?? [];
      return file !== undefined && path !== undefined
        ? done({ type: 'key', file, path })
        : fail(`key needs a file and a path such as key(conf/model.yaml:optimizer.lr), not "${quote(inside)}"`);
    }
    default: {
      const meant = nearest(word.text, ['arg', 'env', 'key']);
      faults.add(
        'HPO-1129',
        word.start,
        word.end,
        `"${word.text}" is no way to send a value; known are arg, env and key${meant === null ? '' : `; did you mean ${meant}?`}`,
        meant === null ? null : replaceBy(`Write ${meant}`, word.start, word.end, meant),
      );
      return { sink: null, end: close + 1 };
    }
  }
}

/** A condition goes on to `via`, `when`, or the next parameter. */
function conditionAt(text: string, from: number, end: number): Word {
  const start = skipSpace(text, from, end);
  let at = start;
  while (at < end) {
    const sign = text[at] ?? '';
    if (sign === '"' || sign === "'") {
      at = quotedEnd(text, at, end);
      continue;
    }
    const isWordStart = !/[\w.-]/.test(text[at - 1] ?? '');
    if (at > start && isWordStart && (match(text, at, end, /(?:when|via)(?![\w.-])/y) !== null || paramStartsAt(text, at, end)))
      break;
    at++;
  }
  const trimmed = text.slice(start, at).trimEnd();
  return { start, end: start + trimmed.length, text: trimmed };
}

function paramStartsAt(text: string, at: number, end: number): boolean {
  if (at >= end) return true;
  if (match(text, at, end, namePattern) !== null) return true;
  const word = match(text, at, end, /(?:float|int|choice|ordinal|fidelity)(?=\s*\()|bool(?![\w.-])/y);
  return word !== null;
}

/** Where the next parameter begins behind a fault. */
function nextParam(text: string, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const sign = text[at] ?? '';
    if (sign === '"' || sign === "'") {
      at = quotedEnd(text, at, end);
      continue;
    }
    if (/\s/.test(text[at - 1] ?? '') && match(text, at, end, namePattern) !== null) return at;
    at++;
  }
  return end;
}

function quotedEnd(text: string, from: number, end: number): number {
  const sign = text[from];
  for (let at = from + 1; at < end; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === sign) return at + 1;
  }
  return from + 1;
}

export function skipSpace(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && /\s/.test(text[at] ?? '')) at++;
  return Math.min(at, end);
}

/** What a sticky pattern matches at `at`, seeing nothing from `end` on. */
export function match(text: string, at: number, end: number, pattern: RegExp): Word | null {
  pattern.lastIndex = 0;
  const found = pattern.exec(text.slice(at, end))?.[0];
  return found === undefined ? null : { text: found, start: at, end: at + found.length };
}
