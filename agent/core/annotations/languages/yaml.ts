import {
  type Document,
  Lexer,
  type Node,
  type Pair,
  Scalar,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseAllDocuments,
} from 'yaml';
import type { ParamValue } from '../../../protocol/space.ts';
import { type LiteralNode, isIntegerText } from '../literal.ts';
import { doubleQuoted } from '../render.ts';
import { type Collected, type Comment, type Unit, attachNotes, mayHoldNotes } from './attach.ts';
import type { FoundNote, Language } from './language.ts';

/** YAML 1.2, and the words yes, no, on, off that most Python programs still read as booleans. */
export const yaml: Language = {
  id: 'yaml',
  extensions: ['.yml', '.yaml'],
  notes(text: string): readonly FoundNote[] {
    if (!mayHoldNotes(text)) return [];
    const units: Unit[] = [];
    for (const document of documentsOf(text)) if (document.contents !== null) addUnits(document.contents, text, [], units);
    return attachNotes(text, yamlComments(text), units, /(?:\s|-(?=\s))+/y);
  },
  style: {
    read: readYaml,
    string: yamlString,
    word: yamlWord,
    hasStrictFloats: true,
    hasLists: true,
    hasTuples: false,
    padLines: (literal, breaks) => literal + breaks,
  },
};

function documentsOf(text: string): Document[] {
  const documents = parseAllDocuments(text, { logLevel: 'silent', prettyErrors: false, strict: false, uniqueKeys: false });
  return Array.isArray(documents) ? documents : [];
}

/** The lexer's pieces put together are the text; a piece that begins with # is a comment, unless it is a block scalar's text. */
export function yamlComments(text: string): Comment[] {
  const comments: Comment[] = [];
  let at = 0;
  let isScalarText = false;
  for (const piece of new Lexer().lex(text)) {
    // Marks of the lexer itself: document, flow error, scalar.
    if (piece === '\u0002' || piece === '\u0018' || piece === '\u001f') {
      isScalarText = piece === '\u001f';
      continue;
    }
    if (piece.startsWith('#') && !isScalarText)
      comments.push({ start: at, textStart: at + 1, textEnd: at + piece.length, end: at + piece.length });
    isScalarText = false;
    at += piece.length;
  }
  return comments;
}

function addUnits(node: unknown, text: string, path: readonly string[], units: Unit[]): void {
  if (isMap(node)) {
    for (const pair of node.items) addPair(pair, text, path, units);
  } else if (isSeq(node)) {
    for (const item of node.items) {
      if (isPair(item)) addPair(item, text, path, units);
      else if (hasRange(item)) {
        units.push({
          start: item.range[0],
          end: item.range[1],
          isBlock: isBlock(item),
          collect: (into) => collect(item, null, path, text, into),
        });
        addUnits(item, text, path, units);
      }
    }
  }
}

function addPair(pair: Pair, text: string, path: readonly string[], units: Unit[]): void {
  const { key, value } = pair;
  if (!hasRange(key)) return;
  const name = isScalar(key) ? String(key.value) : null;
  const inner = name === null ? path : [...path, name];
  const end = hasRange(value) ? value.range[1] : key.range[1];
  units.push({ start: key.range[0], end, isBlock: isBlock(value), collect: (into) => collect(value, name, inner, text, into) });
  addUnits(value, text, inner, units);
}

type Ranged = Node & { readonly range: [number, number, number] };

function hasRange(node: unknown): node is Ranged {
  return (isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)) && Array.isArray(node.range);
}

function isBlock(node: unknown): boolean {
  return (isMap(node) || isSeq(node)) && node.flow !== true;
}

function collect(node: unknown, name: string | null, path: readonly string[], text: string, into: Collected): void {
  if (!hasRange(node)) return;
  const [start, end] = node.range;
  const place = {
    name,
    path: name === null || path.length < 2 ? null : path.join('.'),
    fallback: null,
    scope: path.at(-2) ?? null,
    start,
    end,
  };
  // A tag (`!!str 3`) or an anchor stands outside the range, and changes what the literal means.
  const literal = isScalar(node) && (node.tag !== undefined || start === end) ? null : literalOf(node, text);
  if (literal !== null) {
    into.candidates.push({ ...place, literal });
    return;
  }
  into.others.push({ name, what: wordsFor(node), start, end });
  if (isMap(node)) {
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : null;
      collect(pair.value, key, key === null ? path : [...path, key], text, into);
    }
  } else if (isSeq(node)) for (const item of node.items) collect(item, null, path, text, into);
}

function wordsFor(node: Node): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list that holds more than literals';
  if (isAlias(node)) return 'an alias';
  return isScalar(node) && node.range?.[0] === node.range?.[1]
    ? 'an empty value'
    : 'a text over several lines, or a value with a tag';
}

function readYaml(text: string): LiteralNode | null {
  const [document, ...more] = documentsOf(text);
  if (document === undefined || more.length > 0 || document.errors.length > 0) return null;
  const { contents } = document;
  return hasRange(contents) && contents.range[0] === 0 && contents.range[1] === text.length ? literalOf(contents, text) : null;
}

function literalOf(node: unknown, text: string): LiteralNode | null {
  if (!hasRange(node)) return null;
  const source = text.slice(node.range[0], node.range[1]);
  if (isSeq(node)) {
    if (node.flow !== true) return null;
    const items = node.items.map((item) => literalOf(item, text));
    const found = items.filter((item) => item !== null);
    return found.length < items.length
      ? null
      : { kind: 'list', value: found.map(({ value }) => value), text: source, items: found, brackets: '[]' };
  }
  if (!isScalar(node) || node.anchor !== undefined || /[\r\n]/.test(source)) return null;
  if (node.type === Scalar.BLOCK_FOLDED || node.type === Scalar.BLOCK_LITERAL) return null;
  const value = scalarValue(node, source);
  if (value === undefined) return null;
  const kind = typeof value === 'string' ? 'string' : typeof value === 'number' ? 'number' : value === null ? 'null' : 'bool';
  return { kind, value, text: source, items: [], brackets: '' };
}

const oldWords = /^(?:yes|no|on|off)$/i;

function scalarValue(node: Scalar, source: string): ParamValue | undefined {
  const { value } = node;
  if (node.type === Scalar.PLAIN && oldWords.test(source) && /^(?:[a-z]+|[A-Z][a-z]+|[A-Z]+)$/.test(source))
    return /^(?:yes|on)$/i.test(source);
  if (typeof value === 'number') {
    // Python's YAML reads 010 as 8, and integers beyond 2^53 would not come back as they were.
    if (!Number.isFinite(value) || /^[-+]?0\d/.test(source) || (isIntegerText(source) && !Number.isSafeInteger(value)))
      return undefined;
    return source.startsWith('-') && value === 0 ? -0 : value;
  }
  return typeof value === 'string' || typeof value === 'boolean' || value === null ? value : undefined;
}

function yamlString(value: string, model: LiteralNode | null, place: 'top' | 'list'): string | null {
  if (!value.isWellFormed()) return null;
  const isPrintable = !/[\p{Cc}\u2028\u2029\ufeff]/u.test(value);
  const first = model?.text[0];
  if (first === "'" && isPrintable) return `'${value.replaceAll("'", "''")}'`;
  if (first !== '"' && isPrintable && isPlainText(value, model, place)) return value;
  return doubleQuoted(value);
}

/** Whether the text may stand without quotes: only what every reader of YAML takes for that text. */
function isPlainText(value: string, model: LiteralNode | null, place: 'top' | 'list'): boolean {
  if (model === null && place === 'top' && !/^[A-Za-z]/.test(value)) return false;
  if (!/^[A-Za-z_./\\][\w./\\ +-]*$/.test(value) || value.endsWith(' ')) return false;
  if (oldWords.test(value) || /^(?:y|n|true|false|null|\.inf|\.nan)$/i.test(value)) return false;
  return readYaml(value)?.value === value;
}

function yamlWord(value: boolean | null, model: LiteralNode | null): string {
  if (value === null) return model?.text === '~' ? '~' : 'null';
  const sample = model?.text ?? 'true';
  const [yes, no] = /^(?:yes|no)$/i.test(sample)
    ? ['yes', 'no']
    : /^(?:on|off)$/i.test(sample)
      ? ['on', 'off']
      : ['true', 'false'];
  const word = value ? yes : no;
  if (/^[A-Z]+$/.test(sample)) return word.toUpperCase();
  return /^[A-Z]/.test(sample) ? word[0]?.toUpperCase() + word.slice(1) : word;
}
