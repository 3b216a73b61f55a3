import type { SyntaxNode } from '@lezer/common';
import { parser } from '@lezer/python';
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
    if (!/^[A-Za-z_][\w./-]*$/.test(metric) || found.has(metric) || noMetric.test(metric)) return;
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
    if (typeof literal === 'string' && index < itemsOf(args).length - 1) add(literal.replace(/\s*[:=]\s*$/, ''), node.from);
    scanValue(node, text, add);
  }
}

/** What a person prints is not nested deeper; what is must not exhaust the stack. */
const maxDepth = 100;

function scanValue(node: SyntaxNode, text: string, add: (name: string, offset: number) => void, depth = 0): void {
  if (depth > maxDepth) return;
  if (node.name === 'String' || node.name === 'FormatString') {
    const source = text.slice(node.from, node.to);
    for (const match of source.matchAll(/([A-Za-z_][\w./-]*)\s*["']?\s*[=:]\s*(?=["']?\s*(?:\{|%[-+ #0-9.]*[a-zA-Z]|["']*$))/g))
      add(match[1] ?? '', node.from + match.index);
    // f"{val_loss=:.3f}"
    for (const match of source.matchAll(/\{\s*([A-Za-z_]\w*)\s*=\s*(?=[:!}])/g)) add(match[1] ?? '', node.from + match.index);
    return;
  }
  if (node.name === 'DictionaryExpression') {
    for (const { nodes } of itemsOf(node)) {
      const [key] = nodes;
      const name = key?.name === 'String' ? parseLiteral(text.slice(key.from, key.to), pythonDialect)?.value : undefined;
      if (typeof name === 'string' && key !== undefined) add(name, key.from);
    }
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

/** Metrics of held-out data first, then others whose direction is known. */
function rank({ metric, direction }: MetricCandidate): number {
  if (direction === null) return 3;
  if (/(?:^|[^a-z])(?:val|valid|validation|eval|dev|cv)(?:[^a-z]|$)/i.test(metric)) return 0;
  return /(?:^|[^a-z])(?:train|training|tr)(?:[^a-z]|$)/i.test(metric) ? 2 : 1;
}
