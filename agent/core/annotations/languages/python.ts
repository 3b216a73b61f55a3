import type { SyntaxNode, Tree } from '@lezer/common';
import { parser } from '@lezer/python';
import { type LiteralNode, parseLiteral, pythonDialect } from '../literal.ts';
import type { LiteralStyle } from '../render.ts';
import { type Collected, type Comment, type Unit, attachNotes, mayHoldNotes } from './attach.ts';
import type { FoundNote, Language } from './language.ts';
import { collectHeader, collectItem, collectStatement, collectStatementOf } from './pythonCandidates.ts';
import { itemsOf } from './pythonTree.ts';

/** Python by its grammar: notes are read from comments only, never from texts, and the script is never run. */
export const python: Language = {
  id: 'python',
  extensions: ['.py', '.pyi', '.pyw'],
  notes(text: string): readonly FoundNote[] {
    if (!mayHoldNotes(text)) return [];
    const comments: Comment[] = [];
    const units: Unit[] = [];
    // A byte order mark is no part of the first name.
    walk(parser.parse(text.replace(/^\ufeff/, '\n')), text, comments, units);
    return attachNotes(text, comments, units, /[\s\\]+/y);
  },
  style: pythonStyle(),
};

/** Statements with a body: only their header is a unit; the statements of the body are units of their own. */
const simpleStatement =
  /^(?:Assign|Update|Expression|Return|Delete|Raise|Assert|Yield|Print|Import|Pass|Break|Continue|Scope)Statement$|^TypeDefinition$/;
const lists = new Set(['ArgList', 'ParamList', 'ArrayExpression', 'TupleExpression', 'SetExpression', 'DictionaryExpression']);

function walk(tree: Tree, text: string, comments: Comment[], units: Unit[]): void {
  const scopes: string[] = [];
  const add = (start: number, end: number, collect: (into: Collected) => void): void => {
    const scope = scopes.at(-1) ?? null;
    units.push({ start, end, isBlock: false, collect: (into) => collectInScope(scope, collect, into) });
  };
  // The cursor of the tree, not recursion: a sum of thousands of terms is a tree as deep.
  tree.iterate({
    enter({ name, from, to, node }) {
      if (name === 'Comment') comments.push({ start: from, textStart: from + 1, textEnd: to, end: to });
      else if (simpleStatement.test(name)) add(from, to, (into) => collectStatement(node, text, into));
      else if (name === 'Decorator')
        add(from, node.getChild('ArgList')?.to ?? to, (into) => collectStatementOf(node, text, into));
      else if (lists.has(name)) {
        for (const item of itemsOf(node)) add(item.start, item.end, (into) => collectItem(item.nodes, node, text, into));
      } else if (name === 'Body' || name === 'MatchBody') {
        const header = headerOf(node);
        const [first] = header;
        if (first !== undefined) add(first.from, from, (into) => collectHeader(header, text, into));
      } else if (isDefinition(name)) scopes.push(nameOf(node, text));
    },
    leave({ name }) {
      if (isDefinition(name)) scopes.pop();
    },
  });
}

function isDefinition(name: string): boolean {
  return name === 'FunctionDefinition' || name === 'ClassDefinition';
}

function nameOf(definition: SyntaxNode, text: string): string {
  const name = definition.getChild('VariableName');
  return name === null ? '' : text.slice(name.from, name.to);
}

function collectInScope(scope: string | null, collect: (into: Collected) => void, into: Collected): void {
  const collected: Collected = { candidates: [], others: into.others };
  collect(collected);
  for (const candidate of collected.candidates) into.candidates.push({ ...candidate, scope });
}

/** What stands before a body: `def f(lr=0.1)`, `else`. */
function headerOf(body: SyntaxNode): SyntaxNode[] {
  const header: SyntaxNode[] = [];
  for (let node = body.prevSibling; node !== null && node.name !== 'Body'; node = node.prevSibling) header.unshift(node);
  return header;
}

function pythonStyle(): LiteralStyle {
  return {
    read: (text) => parseLiteral(text, pythonDialect),
    string: (value, model) => pythonString(value, model),
    word: (value) => (value === null ? 'None' : value ? 'True' : 'False'),
    hasStrictFloats: false,
    hasLists: true,
    hasTuples: true,
    padLines: (literal, breaks) => `(${literal}${breaks})`,
  };
}

function pythonString(value: string, model: LiteralNode | null): string {
  const [, prefix = '', quotes = '"'] = /^([rRuU]?)("""|'''|"|')/.exec(model?.text ?? '') ?? [];
  const sign = quotes[0] ?? '"';
  const isPlain = !/[\p{Cc}\p{Cs}]/u.test(value) && !value.includes(sign);
  if (prefix.toLowerCase() === 'r' && isPlain && !value.endsWith('\\')) return prefix + quotes + value + quotes;
  const escaped = value.replace(/[\p{Cc}\p{Cs}\u2028\u2029\ufeff\\"']/gu, (character) => {
    if (character === '\\') return '\\\\';
    if (character === '"' || character === "'") return character === sign ? `\\${character}` : character;
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
    return short ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return (prefix.toLowerCase() === 'r' ? '' : prefix) + quotes + escaped + quotes;
}
