import type { ParamValue } from '../../protocol/space.ts';
import type { Comparison, Condition, Expression } from './condition.ts';

export type ParsedCondition =
  | { readonly type: 'ok'; readonly condition: Condition }
  /** `offset` counts UTF-16 units from the start of the text. */
  | { readonly type: 'error'; readonly message: string; readonly offset: number };

/**
 * Parses a condition of the annotations (`when`, `where`, `constraint`): a small expression language with Python's precedence.
 *
 * ```ebnf
 * or         = and { "or" and } ;
 * and        = not { "and" not } ;
 * not        = "not" not | comparison ;
 * comparison = sum { ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in" ) sum } ;     (chained as in Python)
 * sum        = product { ( "+" | "-" ) product } ;
 * product    = unary { ( "*" | "/" ) unary } ;
 * unary      = ( "-" | "+" ) unary | atom ;
 * atom       = number | string | "True" | "False" | "None" | "true" | "false" | name | "(" … ")" | "[" … "]" ;
 * ```
 *
 * User text never throws.
 * Names may hold hyphens (`weight-decay`): such a word is one name when `known` holds it, else a subtraction.
 */
export function parseCondition(text: string, known: ReadonlySet<string> = new Set()): ParsedCondition {
  try {
    return { type: 'ok', condition: { text, root: new Parser(tokenize(text, known), text.length).parse() } };
  } catch (error) {
    if (error instanceof SyntaxProblem) return { type: 'error', message: error.message, offset: error.offset };
    throw error;
  }
}

class SyntaxProblem extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

interface Token {
  readonly type: 'literal' | 'name' | 'operator' | 'end';
  readonly text: string;
  readonly value: ParamValue;
  readonly offset: number;
}

/** Bounds the depth of every tree, so that neither parsing nor evaluating can exhaust the stack. */
const maxTokens = 2000;
const maxDepth = 100;

const patterns = {
  space: /[ \t\r\n\f]+/y,
  number: /(?:0[xX][0-9a-fA-F]+|(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d+)?)/y,
  name: /[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*/y,
  wideName: /[A-Za-z_][A-Za-z0-9_.-]*/y,
  text: /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'/y,
  operator: /==|!=|<=|>=|[<>+\-*/()[\],]/y,
} as const;

const constants = new Map<string, ParamValue>([
  ['True', true],
  ['true', true],
  ['False', false],
  ['false', false],
  ['None', null],
]);
const keywords = new Set(['and', 'or', 'not', 'in']);

function tokenize(text: string, known: ReadonlySet<string>): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = offset;
    return pattern.exec(text)?.[0] ?? null;
  };
  const push = (type: Token['type'], length: number, value: ParamValue = null): void => {
    if (tokens.length === maxTokens) throw new SyntaxProblem(`a condition may have at most ${maxTokens} words and signs`, offset);
    tokens.push({ type, text: text.slice(offset, offset + length), value, offset });
    offset += length;
  };
  while (offset < text.length) {
    const space = match(patterns.space);
    if (space !== null) {
      offset += space.length;
      continue;
    }
    const number = match(patterns.number);
    if (number !== null) {
      push('literal', number.length, Number(number.replaceAll('_', '')));
      if (/[A-Za-z_0-9]/.test(text[offset] ?? ''))
        throw new SyntaxProblem(`"${number}${text[offset]}" is neither a number nor a name`, offset);
      continue;
    }
    const name = knownName(match(patterns.wideName), known) ?? match(patterns.name);
    if (name !== null) {
      if (keywords.has(name)) push('operator', name.length);
      else if (constants.has(name)) push('literal', name.length, constants.get(name) ?? null);
      else push('name', name.length);
      continue;
    }
    const quoted = match(patterns.text);
    if (quoted !== null) {
      push('literal', quoted.length, unescape(quoted.slice(1, -1)));
      continue;
    }
    const operator = match(patterns.operator);
    if (operator === null) throw unexpected(text, offset);
    push('operator', operator.length);
    // Python's // and ** are no operators here; without this they would read as "operator, then a missing value".
    if ((operator === '/' || operator === '*') && text[offset] === operator) {
      throw new SyntaxProblem(
        `"${operator}${operator}" is not one of the operators == != < <= > >= in and or not + - * /`,
        offset - 1,
      );
    }
  }
  push('end', 0);
  return tokens;
}

/** The longest known name that `word` begins with and that ends where a word may end. */
function knownName(word: string | null, known: ReadonlySet<string>): string | null {
  if (word === null || !word.includes('-')) return null;
  for (let end = word.length; end > 0; end--) {
    const isEnd = end === word.length || word[end] === '-';
    if (isEnd && known.has(word.slice(0, end))) return word.slice(0, end);
  }
  return null;
}

function unexpected(text: string, offset: number): SyntaxProblem {
  const character = String.fromCodePoint(text.codePointAt(offset) ?? 0);
  if (character === '"' || character === "'") return new SyntaxProblem('the text that begins here has no closing quote', offset);
  if (character === '=') return new SyntaxProblem('"=" does not compare; write "=="', offset);
  return new SyntaxProblem(
    `"${character}" is not part of a condition; allowed are names, numbers, texts, == != < <= > >= in and or not + - * / ( ) [ ]`,
    offset,
  );
}

const escapes = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
  ['0', '\0'],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
]);

function unescape(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/gs,
    (whole: string, hex?: string, wide?: string, plain?: string) => {
      const code = hex ?? wide;
      if (code !== undefined) return String.fromCharCode(parseInt(code, 16));
      return escapes.get(plain ?? '') ?? whole;
    },
  );
}

/** Recursive descent, one method a level of precedence. */
class Parser {
  private readonly tokens: readonly Token[];
  private readonly end: Token;
  private position = 0;
  private depth = 0;

  constructor(tokens: readonly Token[], length: number) {
    this.tokens = tokens;
    this.end = { type: 'end', text: '', value: null, offset: length };
  }

  parse(): Expression {
    const expression = this.or();
    const token = this.peek();
    if (token.type !== 'end') throw new SyntaxProblem(`"${token.text}" is not expected here`, token.offset);
    return expression;
  }

  private or(): Expression {
    let left = this.and();
    while (this.accept('or')) left = { type: 'or', left, right: this.and() };
    return left;
  }

  private and(): Expression {
    let left = this.not();
    while (this.accept('and')) left = { type: 'and', left, right: this.not() };
    return left;
  }

  private not(): Expression {
    if (this.accept('not')) return this.nested(() => ({ type: 'not', operand: this.not() }));
    return this.comparison();
  }

  private comparison(): Expression {
    const first = this.sum();
    const rest: { operator: Comparison; operand: Expression }[] = [];
    for (let operator = this.comparator(); operator !== null; operator = this.comparator())
      rest.push({ operator, operand: this.sum() });
    return rest.length === 0 ? first : { type: 'compare', first, rest };
  }

  private comparator(): Comparison | null {
    for (const operator of ['==', '!=', '<', '<=', '>', '>=', 'in'] as const) if (this.accept(operator)) return operator;
    if (this.peek().text !== 'not' || this.peek().type !== 'operator') return null;
    this.position++;
    this.expect('in');
    return 'not in';
  }

  private sum(): Expression {
    let left = this.product();
    for (;;) {
      const operator = this.accept('+') ? '+' : this.accept('-') ? '-' : null;
      if (operator === null) return left;
      left = { type: 'arithmetic', operator, left, right: this.product() };
    }
  }

  private product(): Expression {
    let left = this.unary();
    for (;;) {
      const operator = this.accept('*') ? '*' : this.accept('/') ? '/' : null;
      if (operator === null) return left;
      left = { type: 'arithmetic', operator, left, right: this.unary() };
    }
  }

  private unary(): Expression {
    if (this.accept('+')) return this.nested(() => this.unary());
    if (!this.accept('-')) return this.atom();
    const operand = this.nested(() => this.unary());
    return operand.type === 'literal' && typeof operand.value === 'number'
      ? { type: 'literal', value: -operand.value }
      : { type: 'negate', operand };
  }

  private atom(): Expression {
    const token = this.peek();
    if (token.type === 'literal' || token.type === 'name') {
      this.position++;
      return token.type === 'name' ? { type: 'name', name: token.text } : { type: 'literal', value: token.value };
    }
    if (this.accept('[')) return this.nested(() => ({ type: 'list', items: this.items(']', []) }));
    if (this.accept('(')) return this.nested(() => this.parenthesised());
    throw new SyntaxProblem(
      token.type === 'end' ? 'a value or a name is missing at the end' : `a value or a name is missing before "${token.text}"`,
      token.offset,
    );
  }

  /** `(x)` groups, `(x,)` and `(x, y)` are tuples, `()` is the empty tuple. */
  private parenthesised(): Expression {
    if (this.accept(')')) return { type: 'list', items: [] };
    const first = this.or();
    if (!this.accept(',')) {
      this.expect(')');
      return first;
    }
    return { type: 'list', items: this.items(')', [first]) };
  }

  private items(close: ')' | ']', items: Expression[]): Expression[] {
    while (!this.accept(close)) {
      items.push(this.or());
      if (!this.accept(',')) {
        this.expect(close);
        break;
      }
    }
    return items;
  }

  private nested(parse: () => Expression): Expression {
    this.depth++;
    if (this.depth > maxDepth) throw new SyntaxProblem(`a condition may be nested at most ${maxDepth} deep`, this.peek().offset);
    const expression = parse();
    this.depth--;
    return expression;
  }

  private peek(): Token {
    return this.tokens[this.position] ?? this.end;
  }

  private accept(operator: string): boolean {
    const token = this.peek();
    if (token.type !== 'operator' || token.text !== operator) return false;
    this.position++;
    return true;
  }

  private expect(operator: string): void {
    const token = this.peek();
    if (!this.accept(operator))
      throw new SyntaxProblem(
        `"${operator}" is missing ${token.type === 'end' ? 'at the end' : `before "${token.text}"`}`,
        token.offset,
      );
  }
}
