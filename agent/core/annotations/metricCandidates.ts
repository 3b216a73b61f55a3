import type { SyntaxNode } from '@lezer/common';
import { parser } from '@lezer/python';
import { dataSetWords, isCounterOrClock } from '../../protocol/metricNames.ts';
import { languageOf } from './languages/index.ts';
import { itemsOf } from './languages/pythonTree.ts';
import { parseLiteral, pythonDialect } from './literal.ts';
import { metricDirection } from './metricName.ts';
import { lineMap } from './text.ts';

export interface MetricCandidate {
  readonly metric: string;
  /** Null where the name does not tell it. */
  readonly direction: 'min' | 'max' | null;
  /** From 1. */
  readonly line: number;
}

/**
 * Metrics that a Python script seems to report, likeliest first: names in front of values in what it prints or logs.
 * A guess from the text alone, to be shown and asked for, never chosen silently (rule 7).
 */
export function metricCandidates(text: string, file: string): MetricCandidate[] {
  if (languageOf(file)?.id !== 'python') return [];
  const lines = lineMap(text);
  const found = new Map<string, MetricCandidate>();
  const add = (name: string, offset: number): void => {
    const metric = name.trim();
    if (!/^[A-Za-z_][\w./-]*$/.test(metric) || found.has(metric) || noMetric.test(metric) || isCounterOrClock(metric)) return;
    found.set(metric, { metric, direction: metricDirection(metric), line: lines.lineOf(offset) });
  };
  parser.parse(text).iterate({
    enter({ name, node }) {
      if (name !== 'CallExpression') return;
      const callee = node.firstChild;
      const args = node.getChild('ArgList');
      if (callee !== null && args !== null && reporters.test(text.slice(callee.from, callee.to))) scanCall(args, text, add);
    },
  });
  return [...found.values()].sort((a, b) => rank(a) - rank(b) || a.line - b.line);
}

/** print, logger.info, tqdm.write, wandb.log, mlflow.log_metric, self.log, json.dump … */
const reporters =
  /(?:^|\.)(?:print|info|debug|warning|log|log_dict|log_metric|log_metrics|write|set_postfix|add_scalar|report|echo|secho|rprint|dumps?|track)$/;

/** What is printed beside metrics and is none. */
const noMetric =
  /^(?:epochs?|steps?|iter(?:ation)?s?|batch(?:_size)?|lr|learning_rate|seed|time|elapsed|eta|fold|rank|device|gpu|cpu|size|n|i|x|y|len|shape|version|path|file|name|args?|end|sep|flush|indent|prog_bar|on_epoch|on_step|duration|total|count|progress|best_epoch|global_step|data|model|config|params?|samples|train|test|val|https?)$/i;

function scanCall(args: SyntaxNode, text: string, add: (name: string, offset: number) => void): void {
  for (const [index, { nodes }] of itemsOf(args).entries()) {
    const [node] = nodes;
    if (node === undefined || nodes[1]?.name === 'AssignOp') {
      const value = nodes.at(-1);
      // set_postfix(loss=value)
      if (node !== undefined && value !== undefined && !/^(?:String|Number|Boolean|None)$/.test(value.name))
        add(text.slice(node.from, node.to), node.from);
      continue;
    }
    const literal = node.name === 'String' ? parseLiteral(text.slice(node.from, node.to), pythonDialect)?.value : undefined;
    // print("val_loss", loss), log_metric("val_loss", loss)
    if (typeof literal === 'string' && index < itemsOf(args).length - 1)
      add(literal.trim().replace(dataSetBlank, '$1_'), node.from);
    scanValue(node, text, add);
  }
}

/** What a person prints is not nested deeper; what is must not exhaust the stack. */
const maxDepth = 100;

function scanValue(node: SyntaxNode, text: string, add: (name: string, offset: number) => void, depth = 0): void {
  if (depth > maxDepth) return;
  if (node.name === 'String' || node.name === 'FormatString') {
    scanText(text.slice(node.from, node.to), (name, index) => add(name, node.from + index));
    return;
  }
  if (node.name === 'DictionaryExpression') {
    scanDictionary(node, '', text, add, depth);
    return;
  }
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (
      /^(?:BinaryExpression|ParenthesizedExpression|MemberExpression|ContinuedString|String|FormatString|CallExpression)$/.test(
        child.name,
      )
    )
      scanValue(child, text, add, depth + 1);
    else if (child.name === 'ArgList' && node.name === 'CallExpression')
      for (const { nodes } of itemsOf(child)) if (nodes[0] !== undefined) scanValue(nodes[0], text, add, depth + 1);
  }
}

/** Names of nested dictionaries are joined by a full stop, as the parser of the output joins them. */
function scanDictionary(
  dictionary: SyntaxNode,
  prefix: string,
  text: string,
  add: (name: string, offset: number) => void,
  depth: number,
): void {
  for (const { nodes } of itemsOf(dictionary)) {
    const [key] = nodes;
    const value = nodes.at(-1);
    const name = key?.name === 'String' ? parseLiteral(text.slice(key.from, key.to), pythonDialect)?.value : undefined;
    if (typeof name !== 'string' || key === undefined) continue;
    if (value?.name !== 'DictionaryExpression') add(prefix + name, key.from);
    else if (depth < maxDepth) scanDictionary(value, `${prefix}${name}.`, text, add, depth + 1);
  }
}

/** A replacement field of an f-string or of `format`, or a conversion of `%`. */
const field = String.raw`(?:\{(?:[^{}]|\{[^{}]*\})*\}|%[-+ #0-9.]*[a-zA-Z])`;
/** What may follow a number that is a value: `0.3/10`, `3ms` and `1,234` are none. */
const delimiter = String.raw`(?=$|[\s;)\]}%|"'(+<>#]|[.,](?![\d{%])|[^\x00-\x7f])`;
/** Where a name may begin: what stands behind another field is only a part of one. */
const begin = String.raw`(?<![\w./}%-])`;
/** `Val Loss: {x}`, `loss=%.3f`, `"loss: " + str(x)`. */
const named = new RegExp(
  String.raw`${begin}([A-Za-z_][\w./-]*)(["']?)\s*([=:])(?:(\s*)["']?\s*${field}${delimiter}|\s*["']*$)`,
  'g',
);
/** `{val_loss=:.3f}` */
const selfNamed = new RegExp(String.raw`${begin}\{\s*([A-Za-z_][\w.]*)\s*=\s*(?:![rsa])?(?::[^{}]*)?\}${delimiter}`, 'g');
/** What stands before a name and belongs to it: `Val Loss` is `Val_Loss`, LightGBM's `valid_0's auc` is `valid_0-auc`. */
const dataSet = new RegExp(String.raw`${begin}(?:([A-Za-z_][\w./-]*)'s|(${dataSetWords.join('|')}))[ \t]$`, 'i');
const dataSetBlank = new RegExp(String.raw`^(${dataSetWords.join('|')}) (?=\S+$)`, 'i');
/** Longer names are none. */
const maxNameLength = 128;

/** The names in a text of the script, as the parser of the output will read them. */
function scanText(source: string, add: (name: string, index: number) => void): void {
  // Without what is not printed: its prefix and quotes. Escapes stand for one sign each, mostly a blank.
  const plain = source.replace(/^[A-Za-z]*(?:"""|'''|"|')/, (opening) => ' '.repeat(opening.length)).replace(/\\[^]/g, '  ');
  const addWhole = (name: string, index: number): void => {
    const from = Math.max(0, index - maxNameLength);
    const [, owner, word] = dataSet.exec(plain.slice(from, index)) ?? [];
    add(owner !== undefined ? `${owner}-${name}` : word !== undefined ? `${word}_${name}` : name, index);
  };
  for (const { 1: name = '', 2: quote, 3: separator, 4: blank, index } of plain.matchAll(named)) {
    // `train.py:{line}` is a place in a file.
    if (separator === ':' && blank === '' && quote === '' && name.includes('.')) continue;
    if (quote === '') addWhole(name, index);
    else if (plain[index - 1] === quote) add(name, index);
  }
  for (const { 1: name = '', index } of plain.matchAll(selfNamed)) addWhole(name, index);
}

/** Metrics of held-out data first, then others whose direction is known. */
function rank({ metric, direction }: MetricCandidate): number {
  if (direction === null) return 3;
  if (/(?:^|[^a-z])(?:val|valid|validation|eval|dev|cv)(?:[^a-z]|$)/i.test(metric)) return 0;
  return /(?:^|[^a-z])(?:train|training|tr)(?:[^a-z]|$)/i.test(metric) ? 2 : 1;
}
