import type { SyntaxNode } from '@lezer/common';
import { parseLiteral, pythonDialect } from '../literal.ts';
import type { Collected } from './attach.ts';
import { childrenOf, itemsOf } from './pythonTree.ts';

/** What surrounds a value: the name it gets, and the name that it lends to a lone nameless literal in it. */
interface Context {
  readonly text: string;
  readonly into: Collected;
  readonly name: string | null;
  readonly path: string | null;
  readonly fallback: string | null;
}

/** Literals of a simple statement. */
export function collectStatement(statement: SyntaxNode, text: string, into: Collected): void {
  if (statement.name === 'AssignStatement' || statement.name === 'UpdateStatement') collectAssignment(statement, text, into);
  else collectStatementOf(statement, text, into);
}

/** Literals of the expressions that are children of a node, without a name of their own. */
export function collectStatementOf(statement: SyntaxNode, text: string, into: Collected): void {
  const context: Context = { text, into, name: null, path: null, fallback: null };
  if (statement.name === 'Decorator') {
    const args = statement.getChild('ArgList');
    if (args !== null) collectCall(text.slice(statement.from + 1, args.from), args, context);
    return;
  }
  for (const child of childrenOf(statement)) if (isExpression(child)) collectValue(child, context);
}

/** Literals of `def f(lr=0.1):`, `for epoch in range(10):`, `with Pool(processes=4) as pool:`. */
export function collectHeader(nodes: readonly SyntaxNode[], text: string, into: Collected): void {
  const isLoop = nodes.some(({ name }) => name === 'in');
  const target = isLoop ? nodes.find(({ name }) => name === 'VariableName') : undefined;
  const fallback = target === undefined ? null : slice(text, target);
  for (const node of nodes) {
    if (node.name === 'ParamList' || node.name === 'ArgList') {
      for (const item of itemsOf(node)) collectItem(item.nodes, node, text, into);
    } else if (isExpression(node) && (isLoop || !/^(?:Boolean|Number|String|None)$/.test(node.name)))
      collectValue(node, { text, into, name: null, path: null, fallback });
  }
}

/** Literals of one element: an argument, a parameter with a default, an entry of a dict, an element of a list. */
export function collectItem(nodes: readonly SyntaxNode[], list: SyntaxNode, text: string, into: Collected): void {
  collectItemIn(nodes, list, { text, into, name: null, path: null, fallback: null });
}

function collectItemIn(nodes: readonly SyntaxNode[], list: SyntaxNode, context: Context): void {
  const value = nodes.at(-1);
  if (value === undefined) return;
  // What the parser guessed around a syntax error may be read otherwise once a value stands there.
  if (nodes.some(({ type }) => type.isError)) reject(value, 'code with a syntax error', context);
  if (!isExpression(value) || nodes.some(({ type }) => type.isError)) return;
  const [first] = nodes;
  const assign = nodes.findIndex(({ name }) => name === 'AssignOp');
  const colon = list.name === 'DictionaryExpression' ? nodes.findIndex(({ name }) => name === ':') : -1;
  if (assign > 0 && first !== undefined) {
    const name = slice(context.text, first);
    collectValue(value, named(context, name, context.path));
  } else if (colon > 0 && first !== undefined) {
    const key = parseLiteral(slice(context.text, first), pythonDialect);
    const name = key?.kind === 'string' ? String(key.value) : null;
    collectValue(value, named(context, name, context.path));
  } else if (list.name !== 'ParamList') {
    collectValue(value, { ...context, name: null, fallback: list.name === 'ArgList' ? context.fallback : null });
  }
}

function named(context: Context, name: string | null, prefix: string | null): Context {
  return { ...context, name, path: name === null || prefix === null ? null : `${prefix}.${name}`, fallback: name };
}

function collectAssignment(statement: SyntaxNode, text: string, into: Collected): void {
  const groups: SyntaxNode[][] = [[]];
  for (const child of childrenOf(statement)) {
    if (child.name === 'AssignOp' || child.name === 'UpdateOp') groups.push([]);
    else if (child.name !== 'TypeDef' && child.name !== 'Comment' && !child.type.isError) groups.at(-1)?.push(child);
  }
  const targets = splitAtCommas(groups[0] ?? []);
  const value = groups.length > 1 ? (groups.at(-1) ?? []) : [];
  const context = (target: SyntaxNode | undefined): Context => {
    const parts = target === undefined ? [] : targetParts(target, text);
    const name = parts.at(-1) ?? null;
    return { text, into, name, path: parts.length > 1 && name !== null ? parts.join('.') : null, fallback: name };
  };
  const [first] = targets;
  const last = value.at(-1);
  if (value[0] === undefined || last === undefined) {
    if (first !== undefined)
      into.others.push({
        name: context(first).name,
        what: 'a declaration without a value',
        start: statement.from,
        end: statement.to,
      });
    return;
  }
  const whole = value.length > 1 ? { from: value[0].from, to: last.to } : value[0];
  const unpacked = unpack(targets, value);
  if (unpacked !== null) {
    for (const [index, element] of unpacked.entries()) collectValue(element, context(targets[index]));
  } else if (value.length === 1) collectValue(value[0], context(first));
  else if (!pushLiteral(whole.from, whole.to, context(first))) {
    for (const element of splitAtCommas(value)) collectValue(element, { ...context(first), name: null, path: null });
  }
}

/** The values of `a, b = 1, 2` one by one; null where targets and values do not pair up. */
function unpack(targets: readonly SyntaxNode[], value: readonly SyntaxNode[]): SyntaxNode[] | null {
  if (targets.length < 2) return null;
  const [only] = value;
  const elements =
    value.length === 1 && only !== undefined && /^(?:Tuple|Array)Expression$/.test(only.name)
      ? itemsOf(only).flatMap(({ nodes }) => nodes)
      : splitAtCommas(value);
  return elements.length === targets.length ? elements : null;
}

function splitAtCommas(nodes: readonly SyntaxNode[]): SyntaxNode[] {
  return nodes.filter(({ name }) => name !== ',');
}

/** `self.lr` → self, lr; `cfg["optimizer"]["lr"]` → cfg, optimizer, lr; empty where the last part has no name. */
function targetParts(node: SyntaxNode, text: string): string[] {
  if (node.name === 'VariableName') return [slice(text, node)];
  if (node.name !== 'MemberExpression') return [];
  const object = node.firstChild;
  const property = node.getChild('PropertyName') ?? node.getChild('String');
  const before = object === null ? [] : targetParts(object, text);
  if (property === null) return [];
  const key = property.name === 'String' ? parseLiteral(slice(text, property), pythonDialect)?.value : slice(text, property);
  return typeof key === 'string' ? [...before, key] : [];
}

function collectValue(node: SyntaxNode, context: Context): void {
  if (pushLiteral(node.from, endOf(node), context)) return;
  switch (node.name) {
    case 'ParenthesizedExpression': {
      const inner = childrenOf(node).find(isExpression);
      if (inner !== undefined) collectValue(inner, context);
      return;
    }
    case 'CallExpression': {
      const args = node.getChild('ArgList');
      const callee = node.firstChild;
      if (args === null || callee === null) return;
      collectOperands(callee, context);
      reject(node, 'a call', context);
      collectCall(slice(context.text, callee), args, context);
      return;
    }
    case 'DictionaryExpression':
      for (const { nodes } of itemsOf(node)) collectItemIn(nodes, node, { ...context, path: context.path ?? context.name });
      return;
    case 'ArrayExpression':
    case 'TupleExpression':
    case 'SetExpression':
      reject(node, 'a list that holds more than literals', context);
      for (const { nodes } of itemsOf(node)) collectItemIn(nodes, node, context);
      return;
    case 'LambdaExpression': {
      reject(node, 'a function', context);
      const params = node.getChild('ParamList');
      if (params !== null) for (const { nodes } of itemsOf(params)) collectItemIn(nodes, params, context);
      return;
    }
    case 'NamedExpression': {
      const children = childrenOf(node);
      const [target] = children;
      const value = children.at(-1);
      if (target !== undefined && value !== undefined && value !== target)
        collectValue(value, named(context, slice(context.text, target), null));
      return;
    }
    case 'FormatString':
    case 'ContinuedString':
    case 'String':
      reject(node, wordsFor(node, context.text), context);
      return;
    default:
      reject(node, wordsFor(node, context.text), context);
      collectOperands(node, context);
  }
}

/** The calls and dicts inside an expression; its own operands are no places of their own. */
function collectOperands(node: SyntaxNode, context: Context): void {
  const inner: Context = { ...context, name: null, path: null, fallback: null };
  const holders = new Set(['CallExpression', 'DictionaryExpression', 'NamedExpression', 'LambdaExpression']);
  for (const child of childrenOf(node)) {
    if (holders.has(child.name)) collectValue(child, inner);
    else if (child.name !== 'FormatString' && child.name !== 'ContinuedString') collectOperands(child, inner);
  }
}

/** Calls that stand for a setting with a default: pydantic and dataclass fields, typer options. */
const fieldCalls = new Set(['Field', 'field', 'Option', 'Argument', 'attrib', 'ib']);
/** Calls whose first text is the option's name: argparse, click. */
const optionCalls = new Set(['add_argument', 'option', 'argument', 'add_option']);

function collectCall(callee: string, args: SyntaxNode, context: Context): void {
  const items = itemsOf(args);
  const called = callee.trim().split('.').at(-1) ?? '';
  const { text } = context;
  const keyword = (name: string): SyntaxNode | undefined =>
    items
      .find(({ nodes }) => nodes[1]?.name === 'AssignOp' && nodes[0] !== undefined && slice(text, nodes[0]) === name)
      ?.nodes.at(-1);
  const positional = items.filter(({ nodes }) => nodes.length === 1).map(({ nodes }) => nodes[0]);
  const texts = positional
    .map((node) => (node === undefined ? null : parseLiteral(slice(text, node), pythonDialect)))
    .filter((literal) => literal?.kind === 'string');
  const option = texts.map((literal) => String(literal?.value));

  if (optionCalls.has(called) && option.length > 0) {
    const long = option.find((name) => name.startsWith('--')) ?? option[0] ?? '';
    // click writes --shout/--no-shout for a switch.
    const name = (long.split('/')[0] ?? '').replace(/^-+/, '');
    const value = keyword('default');
    if (value === undefined)
      context.into.others.push({ name, what: 'an option without a default', start: args.from, end: args.to });
    else collectValue(value, { ...context, name, path: name.replaceAll('-', '_'), fallback: name });
    return;
  }
  if (fieldCalls.has(called) && context.name !== null) {
    const value = keyword('default') ?? positional[0];
    if (value !== undefined) collectValue(value, context);
    return;
  }
  if (/^DEFINE_\w+$/.test(called) && option[0] !== undefined) {
    const value = keyword('default') ?? positional[1];
    if (value !== undefined) collectValue(value, named(context, option[0], null));
    return;
  }
  const inner: Context = { ...context, name: null, path: context.name };
  for (const { nodes } of items) collectItemIn(nodes, args, inner);
}

/** Without what the parser misses behind `1.`, which Python reads as a number: that place may lie behind a comment. */
function endOf(node: SyntaxNode): number {
  let last = node.lastChild;
  if (last?.type.isError !== true || last.from < last.to) return node.to;
  while (last !== null && (last.type.isError || last.name === 'Comment')) last = last.prevSibling;
  return last?.to ?? node.to;
}

function pushLiteral(start: number, end: number, context: Context): boolean {
  const literal = parseLiteral(context.text.slice(start, end), pythonDialect);
  if (literal === null) return false;
  const { name, path, fallback } = context;
  context.into.candidates.push({ name, path, fallback, scope: null, start, end, literal });
  return true;
}

function reject(node: SyntaxNode, what: string, context: Context): void {
  context.into.others.push({ name: context.name, what, start: node.from, end: node.to });
}

function wordsFor(node: SyntaxNode, text: string): string {
  switch (node.name) {
    case 'FormatString':
      return 'an f-string';
    case 'ContinuedString':
      return 'several texts one after the other';
    case 'String':
      return /^[a-zA-Z]*b/i.test(slice(text, node)) ? 'bytes' : 'a text that cannot be read exactly';
    case 'Number':
      return 'a number that cannot be read exactly';
    case 'VariableName':
      return 'another variable';
    case 'MemberExpression':
      return 'an attribute or element';
    case 'ConditionalExpression':
      return 'a conditional expression';
    default:
      return node.name.includes('Comprehension') ? 'a comprehension' : 'an expression';
  }
}

function isExpression(node: SyntaxNode): boolean {
  return /Expression$|^(?:VariableName|Number|String|FormatString|ContinuedString|Boolean|None|Ellipsis)$/.test(node.name);
}

function slice(text: string, node: { readonly from: number; readonly to: number }): string {
  return text.slice(node.from, node.to);
}
