import { type Node, Scalar, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { TomlError, parse as parseToml } from 'smol-toml';
import type { ParamValue } from '../../protocol/space.ts';
import type { Faults } from './faults.ts';
import { type TomlEntry, scanToml } from './languages/tomlScan.ts';

/** A settings file as a tree with places, whether it was YAML or TOML. Offsets count in the file's text. */
export type ConfigNode = { readonly start: number; readonly end: number } & (
  | { readonly type: 'map'; readonly entries: readonly ConfigEntry[] }
  | { readonly type: 'list'; readonly items: readonly ConfigNode[] }
  | {
      readonly type: 'scalar';
      readonly value: ParamValue;
      /** As written, for numbers and words; the text itself for texts. */
      readonly text: string;
      /** Where the text stands as it is, so that faults inside it have a place; null where escapes move it. */
      readonly textStart: number | null;
    }
);

export interface ConfigEntry {
  readonly key: string;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly node: ConfigNode;
}

/** The tree of a YAML text; null, with a fault where it is broken, when there is none. */
export function yamlTree(text: string, faults: Faults): ConfigNode | null {
  const document = parseDocument(text, { logLevel: 'silent', prettyErrors: false });
  // What follows the first fault is mostly its consequence.
  const [error] = document.errors;
  if (error !== undefined) {
    const [start, end] = error.pos;
    faults.add('HPO-1134', Math.min(start, text.length), Math.min(end, text.length), `this is not valid YAML: ${error.message}`);
  }
  return fromYaml(document.contents, text);
}

function fromYaml(node: Node | null, text: string): ConfigNode | null {
  const [start, end] = node?.range ?? [0, 0];
  if (isMap(node)) {
    const entries: ConfigEntry[] = [];
    for (const { key, value } of node.items) {
      if (!isScalar(key) || !Array.isArray(key.range)) continue;
      const inner = isScalar(value) || isMap(value) || isSeq(value) ? fromYaml(value, text) : null;
      const [keyStart, keyEnd] = key.range;
      if (inner !== null) entries.push({ key: String(key.value), keyStart, keyEnd, node: inner });
    }
    return { type: 'map', start, end, entries };
  }
  if (isSeq(node)) {
    const items = node.items.flatMap((item) =>
      isScalar(item) || isMap(item) || isSeq(item) ? (fromYaml(item, text) ?? []) : [],
    );
    return { type: 'list', start, end, items };
  }
  if (!isScalar(node)) return null;
  const { value } = node;
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean' && value !== null) return null;
  const isPlain = node.type === Scalar.PLAIN;
  const source = text.slice(start, end);
  const textStart = isPlain ? start : start + 1;
  const isInPlace =
    typeof value === 'string' && text.slice(textStart, textStart + value.length) === value && (isPlain || /^["']/.test(source));
  return {
    type: 'scalar',
    start,
    end,
    value,
    text: typeof value === 'string' ? value : source,
    textStart: isInPlace ? textStart : null,
  };
}

/** The tree of the table `[tool.hpo]` of a TOML text; null when there is none. */
export function tomlTree(text: string, faults: Faults): ConfigNode | null {
  const entries = scanToml(text).entries.filter(({ path }) => path[0] === 'tool' && path[1] === 'hpo');
  if (entries.length === 0) return null;
  try {
    parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const lines = text.split('\n');
    const before = lines.slice(0, Math.max(0, error.line - 1)).reduce((sum, line) => sum + line.length + 1, 0);
    const at = Math.min(text.length, before + Math.max(0, error.column - 1));
    const [, message = ''] = /^(?:Invalid TOML document: )?([^\n]*)/.exec(error.message) ?? [];
    faults.add('HPO-1134', at, at, `this is not valid TOML: ${message}`);
  }
  return fromToml(entries, 2, text);
}

/** The node of all entries whose paths share their first `depth` parts. */
function fromToml(entries: readonly TomlEntry[], depth: number, text: string): ConfigNode {
  const start = Math.min(...entries.map(({ keyStart }) => keyStart));
  const end = Math.max(...entries.map((entry) => entry.end));
  const own = entries.find(({ path }) => path.length === depth);
  const inner = entries.filter(({ path }) => path.length > depth);
  if (own !== undefined && inner.length === 0) {
    if (own.type === 'list') return { type: 'list', start: own.start, end: own.end, items: [] };
    if (own.type === 'table') return { type: 'map', start: own.start, end: own.end, entries: [] };
    return tomlScalar(own, text);
  }
  const groups = new Map<string, TomlEntry[]>();
  for (const entry of inner) {
    const key = entry.path[depth] ?? '';
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  const isList = [...groups.keys()].every((key, index) => key === String(index));
  if (isList) return { type: 'list', start, end, items: [...groups.values()].map((group) => fromToml(group, depth + 1, text)) };
  const children = [...groups].map(([key, group]): ConfigEntry => {
    const keyStart = Math.min(...group.map((entry) => entry.keyStart));
    return {
      key,
      keyStart,
      keyEnd: keyStart + (text.startsWith(key, keyStart) ? key.length : 1),
      node: fromToml(group, depth + 1, text),
    };
  });
  return { type: 'map', start, end, entries: children };
}

function tomlScalar({ start, end, literal }: TomlEntry, text: string): ConfigNode {
  const source = text.slice(start, end);
  const value = literal?.value ?? source;
  const inner = /^["']/.test(source) ? start + 1 : start;
  const isInPlace = typeof value === 'string' && text.slice(inner, inner + value.length) === value;
  return {
    type: 'scalar',
    start,
    end,
    value,
    text: typeof value === 'string' ? value : source,
    textStart: isInPlace ? inner : null,
  };
}
