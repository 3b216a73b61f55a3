import type { ParamValue } from '../../protocol/space.ts';

/** A literal as it is written: its value and the style to write another value in. */
export interface LiteralNode {
  readonly kind: 'number' | 'string' | 'bool' | 'null' | 'list';
  readonly value: ParamValue;
  readonly text: string;
  /** Elements of a list or tuple, in order. */
  readonly items: readonly LiteralNode[];
  /** Brackets of a list: `()`, `[]`, or empty for a tuple without any. */
  readonly brackets: '' | '()' | '[]';
}

/** What literals look like in a language. */
export interface Dialect {
  readonly words: Readonly<Record<string, boolean | null>>;
  /** Matches a whole number without its sign, sticky. */
  readonly number: RegExp;
  readonly strings: 'python' | 'json' | 'toml';
  readonly comment: RegExp | null;
  readonly hasTuples: boolean;
}

const pythonNumber =
  /0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?/y;

export const pythonDialect: Dialect = {
  words: { True: true, False: false, None: null },
  number: pythonNumber,
  strings: 'python',
  comment: /#[^\r\n]*/y,
  hasTuples: true,
};

/** Literals inside a note: those of Python, and the words of the other languages. */
export const noteDialect: Dialect = {
  words: { True: true, False: false, None: null, true: true, false: false, null: null },
  number: pythonNumber,
  strings: 'python',
  comment: null,
  hasTuples: true,
};

export const jsonDialect: Dialect = {
  words: { true: true, false: false, null: null },
  number: /(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y,
  strings: 'json',
  comment: /\/\/[^\r\n]*|\/\*[^]*?\*\//y,
  hasTuples: false,
};

export const tomlDialect: Dialect = {
  words: { true: true, false: false },
  number: /0x(?:_?[0-9a-fA-F])+|0o(?:_?[0-7])+|0b(?:_?[01])+|(?:0|[1-9](?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d(?:_?\d)*)?/y,
  strings: 'toml',
  comment: /#[^\r\n]*/y,
  hasTuples: false,
};

const maxDepth = 50;

/** Reads the literal that begins exactly at `from`; null when none does. `end` is the offset behind it. */
export function readLiteral(
  text: string,
  from: number,
  dialect: Dialect,
): { readonly node: LiteralNode; readonly end: number } | null {
  return new Reader(text, dialect).read(from, 0);
}

/** The literal that is the whole of `text`, brackets around it and a tuple without brackets included; null when it is none. */
export function parseLiteral(text: string, dialect: Dialect): LiteralNode | null {
  const reader = new Reader(text, dialect);
  const first = reader.read(0, 0);
  if (first === null) return null;
  if (first.end === text.length) return first.node;
  return dialect.hasTuples ? reader.bareTuple(first) : null;
}

interface Found {
  readonly node: LiteralNode;
  readonly end: number;
}

class Reader {
  private readonly text: string;
  private readonly dialect: Dialect;

  constructor(text: string, dialect: Dialect) {
    this.text = text;
    this.dialect = dialect;
  }

  read(from: number, depth: number): Found | null {
    const sign = this.text[from];
    if (sign === '[' || (sign === '(' && this.dialect.hasTuples)) return depth < maxDepth ? this.list(from, depth) : null;
    return this.number(from) ?? this.string(from) ?? this.word(from);
  }

  /** `1, 2` or `1,` to the end of the text. */
  bareTuple(first: Found): LiteralNode | null {
    const items = [first.node];
    let hasComma = false;
    let at = this.blanks(first.end);
    while (this.text[at] === ',') {
      hasComma = true;
      at = this.blanks(at + 1);
      if (at === this.text.length) break;
      const next = this.read(at, 1);
      if (next === null) return null;
      items.push(next.node);
      at = this.blanks(next.end);
    }
    return at === this.text.length && hasComma ? listNode(this.text, items, '') : null;
  }

  private list(from: number, depth: number): Found | null {
    const close = this.text[from] === '[' ? ']' : ')';
    const items: LiteralNode[] = [];
    let hasComma = false;
    let at = this.blanks(from + 1);
    while (this.text[at] !== close) {
      const item = this.read(at, depth + 1);
      if (item === null) return null;
      items.push(item.node);
      at = this.blanks(item.end);
      if (this.text[at] === ',') {
        hasComma = true;
        at = this.blanks(at + 1);
      } else if (this.text[at] !== close) return null;
    }
    const text = this.text.slice(from, at + 1);
    const [only] = items;
    // Brackets around a single value without a comma only group it.
    if (close === ')' && only !== undefined && !hasComma) return null;
    return { node: listNode(text, items, close === ']' ? '[]' : '()'), end: at + 1 };
  }

  private number(from: number): Found | null {
    let at = from;
    if (this.text[at] === '-' || this.text[at] === '+') {
      at++;
      while (this.text[at] === ' ') at++;
    }
    const { number } = this.dialect;
    number.lastIndex = at;
    const digits = number.exec(this.text)?.[0];
    if (digits === undefined) return null;
    const end = at + digits.length;
    if (/[\w.]/.test(this.text[end] ?? '')) return null;
    // Python has no such integers as 007; TOML and JSON neither.
    if (/^0[\d_]*[1-9][\d_]*$/.test(digits)) return null;
    const value = Number(digits.replaceAll('_', ''));
    const text = this.text.slice(from, end);
    // An integer beyond 2^53 or a number beyond the doubles would not come back as it was.
    if (!Number.isFinite(value) || (isIntegerText(digits) && !Number.isSafeInteger(value))) return null;
    return { node: { kind: 'number', value: text.startsWith('-') ? -value : value, text, items: [], brackets: '' }, end };
  }

  private word(from: number): Found | null {
    const word = /[A-Za-z_]\w*/y;
    word.lastIndex = from;
    const text = word.exec(this.text)?.[0] ?? '';
    if (!Object.hasOwn(this.dialect.words, text)) return null;
    const value = this.dialect.words[text] ?? null;
    return { node: { kind: value === null ? 'null' : 'bool', value, text, items: [], brackets: '' }, end: from + text.length };
  }

  private string(from: number): Found | null {
    const shape = stringShapes[this.dialect.strings];
    shape.lastIndex = from;
    const match = shape.exec(this.text);
    if (match === null) return null;
    const text = match[0];
    const value = decoders[this.dialect.strings](text);
    return value === null ? null : { node: { kind: 'string', value, text, items: [], brackets: '' }, end: from + text.length };
  }

  private blanks(from: number): number {
    let at = from;
    for (;;) {
      while (/\s/.test(this.text[at] ?? '')) at++;
      const { comment } = this.dialect;
      if (comment === null) return at;
      comment.lastIndex = at;
      const length = comment.exec(this.text)?.[0].length ?? 0;
      if (length === 0) return at;
      at += length;
    }
  }
}

/** Whether a number is written as an integer: no point, no exponent. */
export function isIntegerText(text: string): boolean {
  return /^[-+]?\s*0[xX]/.test(text) || !/[.eE]/.test(text);
}

function listNode(text: string, items: readonly LiteralNode[], brackets: '' | '()' | '[]'): LiteralNode {
  return { kind: 'list', value: items.map(({ value }) => value), text, items, brackets };
}

const stringShapes = {
  python:
    /[rRuU]?(?:"""(?:[^\\]|\\[^])*?"""|'''(?:[^\\]|\\[^])*?'''|"(?!"")(?:[^"\\\r\n]|\\[^])*"|'(?!'')(?:[^'\\\r\n]|\\[^])*')/y,
  json: /"(?:[^"\\\r\n]|\\.)*"/y,
  toml: /"(?!"")(?:[^"\\\r\n]|\\.)*"|'(?!'')[^'\r\n]*'/y,
} as const;

const decoders = { python: decodePython, json: decodeJson, toml: decodeToml } as const;

function decodeJson(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}

const simpleEscapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
  '\r\n': '',
  '\r': '',
};

function decodePython(text: string): string | null {
  const [prefix = ''] = /^[a-zA-Z]?/.exec(text) ?? [];
  const quoted = text.slice(prefix.length);
  const width = /^(?:"""|''')/.test(quoted) ? 3 : 1;
  // Python reads every line break inside a text as \n.
  const inner = quoted.slice(width, -width).replace(/\r\n?/g, '\n');
  if (prefix.toLowerCase() === 'r') return inner;
  let isReadable = true;
  const value = inner.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|([^]))/g,
    (whole, x?: string, u?: string, wide?: string, octal?: string, other = '') => {
      const hex = x ?? u ?? wide;
      const code = hex !== undefined ? parseInt(hex, 16) : octal !== undefined ? parseInt(octal, 8) : null;
      if (code !== null) {
        if (code > 0x10ffff) isReadable = false;
        return code > 0x10ffff ? '' : String.fromCodePoint(code);
      }
      // Names of characters are not known here, and \x, \u, \U without their digits are errors in Python.
      if ('NxuU'.includes(other)) isReadable = false;
      return simpleEscapes[other] ?? whole;
    },
  );
  return isReadable ? value : null;
}

function decodeToml(text: string): string | null {
  if (text.startsWith("'")) return text.slice(1, -1);
  let isReadable = true;
  const value = text
    .slice(1, -1)
    .replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([^]))/g, (_, u?: string, wide?: string, other = '') => {
      const hex = u ?? wide;
      if (hex !== undefined) {
        const code = parseInt(hex, 16);
        isReadable &&= code <= 0x10ffff;
        return code <= 0x10ffff ? String.fromCodePoint(code) : '';
      }
      const plain = 'btnfr"\\'.includes(other) ? simpleEscapes[other] : undefined;
      isReadable &&= plain !== undefined;
      return plain ?? '';
    });
  return isReadable ? value : null;
}
