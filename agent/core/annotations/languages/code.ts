import { type Dialect, type LiteralNode, parseLiteral } from '../literal.ts';
import { type Collected, type Unit, attachNotes, mayHoldNotes } from './attach.ts';
import { type CodeToken, type Lexis, scanCode } from './codeScan.ts';
import type { CodeId, FoundNote, Language } from './language.ts';

/**
 * Programs in other languages are read line by line, by their words and signs and not by their grammar: a note belongs to the
 * literals of one line, and a literal can be tuned where it is a whole value.
 */
interface Code extends Lexis {
  readonly id: CodeId;
  readonly extensions: readonly string[];
  readonly words: Readonly<Record<string, boolean | null>>;
  /** Signs between a name and its value. */
  readonly assigns: readonly string[];
  /** Sign between a name and its type: `lr: f64 = 0.1`; null where the type stands in front. */
  readonly typeSign: string | null;
  /** A text with one of these would mean something else between quotes. */
  readonly unquotable: RegExp;
}

const number = /(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?/y;
const word = /[\p{L}_][\p{L}\p{N}_]*/uy;
/** To the end of the line where it is not closed. */
const double = /"(?:[^"\\\r\n]|\\.)*(?:"|\\?(?=[\r\n]|$))/y;
const singleOrDouble = /"(?:[^"\\\r\n]|\\.)*(?:"|\\?(?=[\r\n]|$))|'(?:[^'\\\r\n]|\\.)*(?:'|\\?(?=[\r\n]|$))/y;
const character = "'(?:[^'\\\\\\r\\n]|\\\\[^'\\r\\n]{1,10}|\\\\')'";
const slashes = [
  { shape: /\/\/[^\r\n]*/y, open: 2, close: 0 },
  { shape: /\/\*[^]*?(?:\*\/|$)/y, open: 2, close: 2 },
];
const controls = /[\p{Cc}\p{Cs}\u2028\u2029\ufeff]/u;

const codes: readonly Code[] = [
  {
    id: 'c',
    extensions: ['.c', '.cc', '.cpp', '.cxx', '.h', '.hh', '.hpp', '.hxx', '.cu', '.cuh', '.java', '.cs'],
    comments: slashes,
    // Raw texts, characters, digits in groups.
    opaque: new RegExp(String.raw`R"([^\s()\\]{0,16})\([^]*?(?:\)\1"|$)|${character}|\d+(?:'\d+)+`, 'y'),
    string: double,
    word,
    number,
    words: { true: true, false: false },
    assigns: ['='],
    typeSign: null,
    unquotable: controls,
  },
  {
    id: 'rust',
    extensions: ['.rs'],
    comments: slashes,
    opaque: new RegExp(String.raw`r(#*)"[^]*?(?:"\1|$)|${character}`, 'y'),
    string: double,
    word,
    number,
    words: { true: true, false: false },
    assigns: ['=', ':'],
    typeSign: ':',
    unquotable: controls,
  },
  {
    id: 'javascript',
    extensions: ['.js', '.mjs', '.cjs', '.jsx', '.ts', '.mts', '.cts', '.tsx'],
    comments: slashes,
    opaque: /`(?:[^`\\]|\\[^])*(?:`|$)/y,
    string: singleOrDouble,
    word,
    number,
    words: { true: true, false: false, null: null },
    assigns: ['=', ':'],
    typeSign: ':',
    unquotable: controls,
  },
  {
    id: 'r',
    extensions: ['.r'],
    comments: [{ shape: /#[^\r\n]*/y, open: 1, close: 0 }],
    opaque: /[rR](["'])(-*)\([^]*?(?:\)\2\1|$)/y,
    string: singleOrDouble,
    word: /[\p{L}_][\p{L}\p{N}_.]*/uy,
    number,
    words: { TRUE: true, FALSE: false, NULL: null },
    assigns: ['<-', '<<-', '='],
    typeSign: null,
    unquotable: controls,
  },
  {
    id: 'julia',
    extensions: ['.jl'],
    comments: [
      { shape: /#=[^]*?(?:=#|$)/y, open: 2, close: 2 },
      { shape: /#[^\r\n]*/y, open: 1, close: 0 },
    ],
    opaque: new RegExp(String.raw`"""[^]*?(?:"""|$)|${character}`, 'y'),
    string: double,
    word,
    number,
    words: { true: true, false: false, nothing: null },
    assigns: ['='],
    typeSign: '::',
    // Behind a $ stands what is put into the text.
    unquotable: /[\p{Cc}\p{Cs}\u2028\u2029\ufeff$]/u,
  },
  {
    id: 'lua',
    extensions: ['.lua'],
    comments: [
      { shape: /--\[\[[^]*?(?:\]\]|$)/y, open: 4, close: 2 },
      { shape: /--[^\r\n]*/y, open: 2, close: 0 },
    ],
    opaque: /\[(=*)\[[^]*?(?:\]\1\]|$)/y,
    string: singleOrDouble,
    word,
    number,
    words: { true: true, false: false, nil: null },
    assigns: ['='],
    typeSign: null,
    unquotable: controls,
  },
  {
    id: 'matlab',
    extensions: ['.m'],
    comments: [
      { shape: /%\{[^]*?(?:%\}|$)/y, open: 2, close: 2 },
      { shape: /%[^\r\n]*/y, open: 1, close: 0 },
    ],
    // A quote behind a value transposes it.
    opaque: /(?<=[\w)\]}'.])'/y,
    string: /"[^"\r\n]*"?|'[^'\r\n]*'?/y,
    word,
    number,
    words: { true: true, false: false },
    assigns: ['='],
    typeSign: null,
    unquotable: /[\p{Cc}\p{Cs}\u2028\u2029\ufeff"'\\]/u,
  },
];

export const codeLanguages: readonly Language[] = codes.map(languageOfCode);

/** What a value begins behind, and what it ends before. */
const openers = new Set(['(', '[', '{', ',', '=>', 'return']);
const closers = new Set([';', ',', ')', ']', '}']);

function languageOfCode(code: Code): Language {
  const dialect: Dialect = { words: code.words, number, strings: 'python', comment: null, hasTuples: false };
  const read = (text: string): LiteralNode | null => {
    if (text.startsWith('[') || (/^["']/.test(text) && code.unquotable.test(text.slice(1, -1)))) return null;
    return parseLiteral(text, dialect);
  };
  return {
    id: code.id,
    extensions: code.extensions,
    notes(text: string): readonly FoundNote[] {
      if (!mayHoldNotes(text)) return [];
      const { tokens, comments } = scanCode(text, code);
      return attachNotes(text, comments, unitsOf(text, tokens, code, read), /\s+/y);
    },
    style: {
      read,
      string(value, model) {
        const sign = model?.text[0] ?? '"';
        if (code.unquotable.test(value)) return null;
        return sign + value.replaceAll('\\', '\\\\').replaceAll(sign, `\\${sign}`) + sign;
      },
      word: (value) => Object.entries(code.words).find(([, meaning]) => meaning === value)?.[0] ?? null,
      hasStrictFloats: true,
      hasLists: false,
      hasTuples: false,
      // A literal is on one line here.
      padLines: () => null,
    },
  };
}

/** One unit a line of code. */
function unitsOf(text: string, tokens: readonly CodeToken[], code: Code, read: (text: string) => LiteralNode | null): Unit[] {
  const units: Unit[] = [];
  let line: CodeToken[] = [];
  const close = (): void => {
    const [first, last] = [line[0], line.at(-1)];
    const own = line;
    if (first !== undefined && last !== undefined)
      units.push({ start: first.start, end: last.end, isBlock: false, collect: (into) => collect(text, own, code, read, into) });
    line = [];
  };
  for (const token of tokens) {
    const before = line.at(-1);
    if (before !== undefined && /[\r\n]/.test(text.slice(before.end, token.start))) close();
    line.push(token);
  }
  close();
  return units;
}

function collect(
  text: string,
  line: readonly CodeToken[],
  code: Code,
  read: (text: string) => LiteralNode | null,
  into: Collected,
): void {
  const assignAt = line.findIndex(({ text: sign }) => code.assigns.includes(sign));
  const target = assignAt < 0 ? null : nameBefore(line, assignAt, code);
  for (const [index, token] of line.entries()) {
    const isWord = token.type === 'word' && Object.hasOwn(code.words, token.text);
    if ((token.type !== 'number' && token.type !== 'string' && !isWord) || isKeyOfTarget(line, index, code)) continue;
    const first = signedFrom(line, index, code);
    const start = line[first]?.start ?? token.start;
    const end = token.valueEnd;
    const place = { name: nameOf(line, first, code), start, end };
    const literal = isValue(line, first, index, code) ? read(text.slice(start, end)) : null;
    if (literal === null) into.others.push({ ...place, what: 'a part of an expression, or cannot be read exactly' });
    else into.candidates.push({ ...place, path: null, fallback: place.name === null ? target : null, scope: null, literal });
  }
}

/** `"rate"` of `config["rate"] = 0.1` */
function isKeyOfTarget(line: readonly CodeToken[], index: number, code: Code): boolean {
  let after = index + 1;
  while (line[after]?.text === ']') after++;
  return after > index + 1 && code.assigns.includes(line[after]?.text ?? '');
}

/** Where the literal begins: at its sign, if that is one and no subtraction. */
function signedFrom(line: readonly CodeToken[], index: number, code: Code): number {
  const sign = line[index - 1]?.text;
  const isSign = line[index]?.type === 'number' && (sign === '-' || sign === '+');
  return isSign && begins(line, index - 1, code) ? index - 1 : index;
}

/** The literal is all of a value: nothing is added to it or called on it. */
function isValue(line: readonly CodeToken[], first: number, last: number, code: Code): boolean {
  const after = line[last + 1]?.text;
  return begins(line, first, code) && (after === undefined || closers.has(after));
}

function begins(line: readonly CodeToken[], index: number, code: Code): boolean {
  const before = line[index - 1]?.text;
  if (before === undefined) return true;
  // `a ? b : 0.1` has no name in front of its sign.
  if (before === ':' && line.slice(0, index).some(({ text }) => text === '?')) return false;
  return openers.has(before) || code.assigns.includes(before) || isDefine(line, index);
}

/** `#define RATE 0.1` */
function isDefine(line: readonly CodeToken[], index: number): boolean {
  return index === 3 && line[0]?.text === '#' && line[1]?.text === 'define';
}

function nameOf(line: readonly CodeToken[], first: number, code: Code): string | null {
  if (isDefine(line, first)) return line[2]?.text ?? null;
  const before = line[first - 1]?.text ?? '';
  return code.assigns.includes(before) ? nameBefore(line, first - 1, code) : null;
}

/** What a value is assigned to: the last word in front of the sign, or in front of the type. */
function nameBefore(line: readonly CodeToken[], sign: number, code: Code): string | null {
  let from = sign;
  while (from > 0 && !/^[,;({]$|^return$/.test(line[from - 1]?.text ?? '')) from--;
  const segment = line.slice(from, sign);
  const typeAt = code.typeSign === null ? -1 : segment.findIndex(({ text }) => text === code.typeSign);
  const named = typeAt > 0 ? segment.slice(0, typeAt) : segment;
  // `config["rate"]`
  const last = named.findLast(({ text }) => text !== ']');
  if (last?.type === 'string') return last.text.slice(1, -1);
  return last?.type === 'word' ? last.text : null;
}
