import { type Node, parseTree, visit } from 'jsonc-parser';
import { jsonDialect, parseLiteral } from '../literal.ts';
import { type Collected, type Comment, type Unit, attachNotes, mayHoldNotes } from './attach.ts';
import type { FoundNote, Language } from './language.ts';

/** JSON with comments, `//` and block comments, and trailing commas. */
export const jsonc: Language = {
  id: 'json',
  extensions: ['.json', '.jsonc', '.json5'],
  notes(text: string): readonly FoundNote[] {
    if (!mayHoldNotes(text)) return [];
    const units: Unit[] = [];
    const root = parseTree(text.replace(/^\ufeff/, ' '), [], { allowTrailingComma: true });
    if (root !== undefined) addUnits(root, text, [], units);
    return attachNotes(text, commentsOf(text), units, /[\s,]+/y);
  },
  style: {
    read: (text) => parseLiteral(text, jsonDialect),
    string: (value) => JSON.stringify(value),
    word: String,
    hasStrictFloats: false,
    hasLists: true,
    hasTuples: false,
    padLines: (literal, breaks) => literal + breaks,
  },
};

function commentsOf(text: string): Comment[] {
  const comments: Comment[] = [];
  const onComment = (start: number, length: number): void => {
    const end = start + length;
    const isBlock = text.startsWith('/*', start) && length > 3 && text.slice(end - 2, end) === '*/';
    comments.push({ start, textStart: start + 2, textEnd: isBlock ? end - 2 : end, end });
  };
  visit(text.replace(/^\ufeff/, ' '), { onComment });
  return comments;
}

function addUnits(node: Node, text: string, path: readonly string[], units: Unit[]): void {
  for (const child of node.children ?? []) {
    const key = child.type === 'property' ? String(child.children?.[0]?.value) : null;
    const value = child.type === 'property' ? child.children?.[1] : child;
    if (value === undefined) continue;
    const inner = key === null ? path : [...path, key];
    units.push({
      start: child.offset,
      end: value.offset + value.length,
      isBlock: false,
      collect: (into) => collect(value, key, inner, text, into),
    });
    addUnits(value, text, inner, units);
  }
}

function collect(node: Node, name: string | null, path: readonly string[], text: string, into: Collected): void {
  const start = node.offset;
  const end = start + node.length;
  // The parser takes 1_000 for a 1 with rubbish behind it.
  const isWhole = /[\s,\]}/]|^$/.test(text.slice(end, end + 1));
  const literal = isWhole ? parseLiteral(text.slice(start, end), jsonDialect) : null;
  if (literal !== null) {
    into.candidates.push({
      name,
      path: name === null || path.length < 2 ? null : path.join('.'),
      fallback: null,
      scope: path.at(-2) ?? null,
      start,
      end,
      literal,
    });
    return;
  }
  into.others.push({ name, what: node.type === 'object' ? 'an object' : 'a value that cannot be read exactly', start, end });
  for (const child of node.children ?? []) {
    if (child.type === 'property') {
      const [key, value] = child.children ?? [];
      if (value !== undefined) collect(value, String(key?.value), [...path, String(key?.value)], text, into);
    } else collect(child, null, path, text, into);
  }
}
