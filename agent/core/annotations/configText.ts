import type { ParamValue } from '../../protocol/space.ts';
import type { ConfigEntry, ConfigNode } from './configTree.ts';
import type { DirectiveName } from './directiveKeys.ts';
import type { Range } from './note.ts';

/** Keys and values of a settings file in the words of the annotations, so that one parser reads both. */

export function valueOf(node: ConfigNode): ParamValue {
  if (node.type === 'scalar') return node.value;
  return node.type === 'list' ? node.items.map(valueOf) : null;
}

/** Where a text stands without its quotes, so that a fix keeps them. */
export function innerRange(node: ConfigNode): Range {
  if (node.type !== 'scalar' || node.textStart === null) return { start: node.start, end: node.end };
  return { start: node.textStart, end: node.textStart + node.text.length };
}

/** YAML 1.2 reads yes as a text, TOML only knows true; the annotation's words for it are yes and no. */
export function flagText(text: string): string {
  return text === 'True' ? 'true' : text === 'False' ? 'false' : text;
}

/** `{type: float, low: 0, high: 1, log: true}` as the annotation writes it. */
export function spaceText(fields: ReadonlyMap<string, ConfigEntry>): string {
  const field = (name: string): string => {
    const node = fields.get(name)?.node;
    return node?.type === 'scalar' ? node.text : '';
  };
  const kind = { categorical: 'choice' }[field('type')] ?? field('type');
  const choices = fields.get('choices')?.node;
  if (kind === 'bool' || (kind === '' && choices === undefined)) return kind;
  if (choices?.type === 'list')
    return `${kind === '' ? 'choice' : kind}(${choices.items.map((item) => pythonText(valueOf(item))).join(', ')})`;
  const flags = ['log', 'revlog'].filter((flag) => field(flag) === 'true');
  const named = ['step', 'eta'].filter((name) => field(name) !== '').map((name) => `${name}=${field(name)}`);
  return `${kind}(${[field('low') || field('min'), field('high') || field('max'), ...flags, ...named].join(', ')})`;
}

function pythonText(value: ParamValue): string {
  if (Array.isArray(value)) return `[${value.map(pythonText).join(', ')}]`;
  return JSON.stringify(value);
}

/** `{metric: val_loss, direction: min, goal: 0.1}` and `{from: ./data, to: /data, readOnly: true}` as the annotation writes them. */
export function directiveText(name: DirectiveName, node: Extract<ConfigNode, { type: 'map' }>): string | null {
  const field = (key: string): string => {
    const value = node.entries.find((entry) => entry.key === key)?.node;
    return value?.type === 'scalar' ? value.text : '';
  };
  if (name === 'objective')
    return `${field('metric')} ${field('direction')}${field('goal') === '' ? '' : ` goal=${field('goal')}`}`;
  if (name === 'data')
    return `${quoted(field('from'))} -> ${quoted(field('to'))}${field('readOnly') === 'true' || field('ro') === 'true' ? ' ro' : ''}`;
  return null;
}

/** `val_loss: stdout "…"`, `val_loss: {from: stdout, pattern: …, step: …}`, `val_loss: {from: json, path: …}`. */
export function metricText({ key, node }: ConfigEntry): string | null {
  if (node.type === 'scalar')
    return typeof node.value === 'string' ? `${key} ${/^from\s/.test(node.value) ? '' : 'from '}${node.value}` : null;
  if (node.type !== 'map') return null;
  const field = (...names: string[]): string => {
    const value = node.entries.find((entry) => names.includes(entry.key))?.node;
    return value?.type === 'scalar' ? value.text : '';
  };
  const from = field('from') || 'stdout';
  const inside = from === 'stdout' ? quoted(field('pattern', 'regex')) : field('path', 'dir');
  const step = field('step');
  return `${key} from ${from} ${inside}${step === '' ? '' : ` step ${quoted(step)}`}`;
}

function quoted(text: string): string {
  return text === '' ? '' : `"${text.replaceAll('"', '\\"')}"`;
}
