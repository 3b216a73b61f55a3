import { type LiteralNode, readLiteral, tomlDialect } from '../literal.ts';

/**
 * TOML with places, tolerant of what is broken: a line that cannot be read is skipped. Checked against smol-toml in the
 * tests; kept TOML libraries either give no places or stop at the first fault.
 */
export interface TomlEntry {
  /** Whole key, tables included: `["tool", "hpo", "search"]`. A list's elements have their index as last part. */
  readonly path: readonly string[];
  readonly keyStart: number;
  readonly start: number;
  readonly end: number;
  /** Null for dates, inline tables and lists that hold them. */
  readonly literal: LiteralNode | null;
  readonly type: 'value' | 'table' | 'list' | 'element' | 'other';
}

export interface TomlScan {
  readonly entries: readonly TomlEntry[];
  readonly comments: readonly { readonly start: number; readonly end: number }[];
}

export function scanToml(text: string): TomlScan {
  return new Scanner(text).scan();
}

class Scanner {
  private readonly text: string;
  private readonly entries: TomlEntry[] = [];
  private readonly comments: { readonly start: number; readonly end: number }[] = [];
  private readonly tableCounts = new Map<string, number>();
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  scan(): TomlScan {
    let table: readonly string[] = [];
    while (this.at < this.text.length) {
      this.blanks();
      if (this.at >= this.text.length) break;
      if (this.text[this.at] === '[') table = this.header() ?? table;
      else this.entry(table);
      this.rest();
    }
    return { entries: this.entries, comments: this.comments };
  }

  /** `[a.b]` or `[[a.b]]`; elements of a list of tables are numbered. */
  private header(): readonly string[] | null {
    const isList = this.text.startsWith('[[', this.at);
    this.at += isList ? 2 : 1;
    this.spaces();
    const path = this.key();
    this.spaces();
    if (path === null || !this.text.startsWith(isList ? ']]' : ']', this.at)) return null;
    this.at += isList ? 2 : 1;
    if (!isList) return path;
    const name = path.join('\0');
    const count = this.tableCounts.get(name) ?? 0;
    this.tableCounts.set(name, count + 1);
    return [...path, String(count)];
  }

  private entry(table: readonly string[]): boolean {
    const keyStart = this.at;
    const key = this.key();
    this.spaces();
    if (key === null || this.text[this.at] !== '=') return false;
    this.at++;
    this.spaces();
    return this.value([...table, ...key], keyStart, 'value');
  }

  /** Reads one value and records it, and what is inside it; false where none can be read. */
  private value(path: readonly string[], keyStart: number, type: 'value' | 'element'): boolean {
    const start = this.at;
    const sign = this.text[start];
    const push = (entryType: TomlEntry['type'], literal: LiteralNode | null): true => {
      this.entries.push({ path, keyStart, start, end: this.at, literal, type: entryType });
      return true;
    };
    const literal = readLiteral(this.text, start, tomlDialect);
    if (
      literal !== null &&
      sign !== '[' &&
      /^(?:[\s,\]}#]|$)/.test(this.text.slice(literal.end, literal.end + 1)) &&
      !this.isDate(start)
    ) {
      this.at = literal.end;
      return push(type, literal.node);
    }
    if (sign === '[') {
      if (!this.listInside(path)) return false;
      return push(type === 'element' ? 'element' : 'list', literal?.end === this.at ? literal.node : null);
    }
    if (sign === '{') {
      if (!this.tableInside(path)) return false;
      return push('table', null);
    }
    const other = /"""[^]*?"""+|'''[^]*?'''+|"(?:[^"\\\r\n]|\\.)*"|[^\s,\]}#"'=][^,\]}#\r\n]*/y;
    other.lastIndex = start;
    const length = other.exec(this.text)?.[0].trimEnd().length ?? 0;
    if (length === 0) return false;
    this.at += length;
    return push('other', null);
  }

  private isDate(start: number): boolean {
    return /^\d{4}-\d\d-\d\d|^\d\d:\d\d/.test(this.text.slice(start, start + 10));
  }

  private listInside(path: readonly string[]): boolean {
    this.at++;
    for (let index = 0; ; index++) {
      this.blanks();
      if (this.text[this.at] === ']') break;
      if (!this.value([...path, String(index)], this.at, 'element')) return false;
      this.blanks();
      if (this.text[this.at] === ',') this.at++;
      else if (this.text[this.at] !== ']') return false;
    }
    this.at++;
    return true;
  }

  private tableInside(path: readonly string[]): boolean {
    this.at++;
    for (;;) {
      this.blanks();
      if (this.text[this.at] === '}') break;
      if (!this.entry(path)) return false;
      this.blanks();
      if (this.text[this.at] === ',') this.at++;
      else if (this.text[this.at] !== '}') return false;
    }
    this.at++;
    return true;
  }

  /** Dotted key; null where none stands here. */
  private key(): string[] | null {
    const parts: string[] = [];
    for (;;) {
      const part = /[A-Za-z0-9_-]+|"(?:[^"\\\r\n]|\\.)*"|'[^'\r\n]*'/y;
      part.lastIndex = this.at;
      const word = part.exec(this.text)?.[0];
      if (word === undefined) return null;
      this.at += word.length;
      const quoted = /^["']/.test(word) ? readLiteral(word, 0, tomlDialect)?.node.value : word;
      parts.push(typeof quoted === 'string' ? quoted : word);
      const before = this.at;
      this.spaces();
      if (this.text[this.at] !== '.') {
        this.at = before;
        return parts;
      }
      this.at++;
      this.spaces();
    }
  }

  private spaces(): void {
    while (this.text[this.at] === ' ' || this.text[this.at] === '\t') this.at++;
  }

  /** White space, line breaks and comments. */
  private blanks(): void {
    for (;;) {
      while (/\s/.test(this.text[this.at] ?? '')) this.at++;
      if (this.text[this.at] !== '#') return;
      this.comment();
    }
  }

  private comment(): void {
    const start = this.at;
    while (this.at < this.text.length && !/[\r\n]/.test(this.text[this.at] ?? '')) this.at++;
    this.comments.push({ start, end: this.at });
  }

  /** To the end of the line; what could not be read is skipped, its comment kept. */
  private rest(): void {
    while (this.at < this.text.length && !/[\r\n]/.test(this.text[this.at] ?? '')) {
      if (this.text[this.at] === '#') this.comment();
      else this.at++;
    }
  }
}
