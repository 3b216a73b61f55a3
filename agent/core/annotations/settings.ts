import type { ParamValue, Parameter, Sink } from '../../protocol/space.ts';
import { contains } from '../space/index.ts';
import { type ConfigEntry, type ConfigNode, tomlTree, yamlTree } from './configTree.ts';
import { type Directive, addSetting, parseDirectiveBody } from './directive.ts';
import { type DirectiveName, type SettingsName, settingsNames } from './directiveKeys.ts';
import { Faults, replaceBy } from './faults.ts';
import { type ParamNote, type Range, type Word, parseParams, parseSink } from './note.ts';
import type { Part, PartFidelity, PartParam } from './part.ts';
import { lineMap, nearest, quote } from './text.ts';

export interface SettingsPart extends Part {
  /** What `hpo tune hpo.yml` runs. */
  readonly script: string | null;
  readonly command: readonly string[] | null;
}

/** An hpo.yml: the directives by their names, `parameters`, and the program. Never throws. */
export function readHpoYml(text: string, file: string): SettingsPart {
  const faults = new Faults();
  return new SettingsReader(text, file, faults).read(treeOf(() => yamlTree(text, faults), faults));
}

/** The table `[tool.hpo]` of a pyproject.toml; null when there is none. */
export function readPyproject(text: string, file: string): SettingsPart | null {
  if (!/tool|hpo/.test(text)) return null;
  const faults = new Faults();
  const tree = treeOf(() => tomlTree(text, faults), faults);
  return tree === null && faults.list.length === 0 ? null : new SettingsReader(text, file, faults).read(tree);
}

/** The table `[tool.hpo]` of the block of PEP 723 in a script; null when there is none. */
export function readScriptBlock(text: string, file: string): SettingsPart | null {
  // The expression that PEP 723 gives for its own blocks, for this type of block.
  const block = /^# \/\/\/ script[^\S\r\n]*\r?\n((?:#(?:| [^\r\n]*)\r?\n)+?)# \/\/\/[^\S\r\n]*$/m.exec(text);
  if (block === null) return null;
  // Blanks in place of what is not TOML, so that every offset stays what it is in the script.
  const start = block.index + block[0].indexOf(block[1] ?? '');
  const blank = (part: string): string => part.replace(/[^\r\n]/g, ' ');
  const inner = (block[1] ?? '').replace(/^# ?/gm, blank);
  return readPyproject(blank(text.slice(0, start)) + inner, file);
}

function treeOf(read: () => ConfigNode | null, faults: Faults): ConfigNode | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    faults.add('HPO-1134', 0, 0, 'the file is nested too deeply to be read');
    return null;
  }
}

/** Settings that are lists may be spelled in singular and plural. */
const lists: Readonly<Record<string, DirectiveName>> = {
  objective: 'objective',
  objectives: 'objective',
  constraint: 'constraint',
  constraints: 'constraint',
  where: 'where',
  data: 'data',
  include: 'include',
  secret: 'secret',
  secrets: 'secret',
};
const topKeys = [
  'script',
  'command',
  'parameters',
  'metrics',
  'objectives',
  'constraints',
  'where',
  'data',
  'include',
  'secrets',
  ...settingsNames,
];

class SettingsReader {
  private readonly text: string;
  private readonly file: string;
  private readonly faults: Faults;
  private readonly lines;
  private readonly params: PartParam[] = [];
  private readonly fidelities: PartFidelity[] = [];
  private readonly directives: Directive[] = [];
  private script: string | null = null;
  private command: readonly string[] | null = null;

  constructor(text: string, file: string, faults: Faults) {
    this.text = text;
    this.file = file;
    this.faults = faults;
    this.lines = lineMap(text);
  }

  read(tree: ConfigNode | null): SettingsPart {
    if (tree !== null && tree.type === 'map') for (const entry of tree.entries) this.setting(entry);
    else if (tree !== null && !(tree.type === 'scalar' && tree.value === null))
      this.wrongKind('the settings', 'keys such as parameters and objective', tree);
    const { file, lines, params, fidelities, directives, faults, script, command } = this;
    return { file, lines, origin: 'settings', params, fidelities, directives, literals: [], notes: [], faults, script, command };
  }

  private setting({ key, keyStart, keyEnd, node }: ConfigEntry): void {
    const settings = settingsNames.find((name) => name === key);
    const list = Object.hasOwn(lists, key) ? lists[key] : undefined;
    if (key === 'script') this.script = this.string(key, node);
    else if (key === 'command') this.readCommand(node);
    else if (key === 'parameters') this.map(key, node, (entry) => this.parameter(entry));
    else if (key === 'metrics' || key === 'metric') this.metrics(node);
    else if (settings !== undefined) this.settings(settings, node);
    else if (list !== undefined) for (const item of node.type === 'list' ? node.items : [node]) this.listed(list, item);
    else {
      const meant = nearest(key, topKeys);
      this.faults.add(
        'HPO-1104',
        keyStart,
        keyEnd,
        `"${quote(key)}" is not known here; ${meant === null ? `known are ${topKeys.join(', ')}` : `did you mean ${meant}?`}`,
        meant === null ? null : replaceBy(`Write ${meant}`, keyStart, keyEnd, meant),
      );
    }
  }

  private readCommand(node: ConfigNode): void {
    if (node.type === 'list') {
      this.command = node.items.flatMap((item) => (item.type === 'scalar' ? item.text : []));
      if (this.command.length < node.items.length) this.wrongKind('command', 'a list of texts', node);
    } else {
      const text = this.string('command', node) ?? '';
      this.command = [...text.matchAll(/"([^"]*)"|'([^']*)'|\S+/g)].map(([word, double, single]) => double ?? single ?? word);
    }
    if (this.command.length === 0) this.command = null;
  }

  /** `lr: float(0, 1, log) via arg(--lr)`, or a map with space or type, default, when and via. */
  private parameter({ key, keyStart, keyEnd, node }: ConfigEntry): void {
    const place: Range = { start: keyStart, end: keyEnd };
    if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(key) || key.length > 128) {
      this.faults.add(
        'HPO-1120',
        keyStart,
        keyEnd,
        `"${quote(key)}" cannot be the name of a parameter: letters, digits, _ . and -, at most 128`,
      );
      return;
    }
    if (node.type === 'scalar') return this.addParam(key, place, this.note(node), null);
    if (node.type === 'list') return this.wrongKind(key, 'a space such as float(0, 1)', node);
    const fields = new Map(node.entries.map((entry) => [entry.key, entry]));
    const known = [
      'space',
      'type',
      'low',
      'high',
      'min',
      'max',
      'eta',
      'log',
      'revlog',
      'step',
      'choices',
      'default',
      'when',
      'via',
    ];
    for (const entry of node.entries) {
      const meant = nearest(entry.key, known);
      if (!known.includes(entry.key))
        this.faults.add(
          'HPO-1104',
          entry.keyStart,
          entry.keyEnd,
          `"${quote(entry.key)}" is not known in a parameter; ${meant === null ? `known are ${known.join(', ')}` : `did you mean ${meant}?`}`,
          meant === null ? null : replaceBy(`Write ${meant}`, entry.keyStart, entry.keyEnd, meant),
        );
    }
    const space = fields.get('space')?.node;
    const note =
      space !== undefined && space.type === 'scalar'
        ? this.note(space)
        : this.detached(spaceText(fields), node, (text, faults) => parseParams(text, 0, text.length, faults))[0];
    if (note === undefined) return;
    const when = fields.get('when')?.node;
    const via = fields.get('via')?.node;
    const sink =
      via?.type === 'scalar'
        ? this.inText(via, (text, start, end, faults) => parseSink(text, start, end, faults).sink)
        : note.sink;
    const full: ParamNote = {
      ...note,
      sink,
      when: when?.type === 'scalar' ? { text: when.text, start: when.textStart ?? when.start, end: when.end } : note.when,
    };
    this.addParam(key, place, full, fields.get('default')?.node ?? null);
  }

  private note(node: Extract<ConfigNode, { type: 'scalar' }>): ParamNote | undefined {
    return this.inText(node, (text, start, end, faults) => parseParams(text, start, end, faults))[0];
  }

  private addParam(name: string, place: Range, note: ParamNote | undefined, defaultNode: ConfigNode | null): void {
    if (note === undefined || note.space === null) return;
    // A program that is described from outside gets its values as arguments unless it says otherwise.
    const sink: Sink = note.sink ?? { type: 'arg', flag: `--${name}` };
    const site = { file: this.file, line: this.lines.lineOf(place.start), column: this.lines.columnOf(place.start) };
    const declared = { place, rename: { ...place, suffix: '' }, scope: null };
    const value = defaultNode === null ? undefined : valueOf(defaultNode);
    if (note.space.type === 'fidelity') {
      const { min, max, eta } = note.space;
      const fallback = value ?? max;
      if (typeof fallback === 'number' && Number.isInteger(fallback) && fallback >= min && fallback <= max) {
        this.fidelities.push({
          fidelity: { name, min, max, reductionFactor: eta, default: fallback, sink, site, literal: null },
          ...declared,
        });
      } else this.badDefault(name, defaultNode, place);
      return;
    }
    const { distribution } = note.space;
    if (value !== undefined && !contains(distribution, value)) return this.badDefault(name, defaultNode, place);
    const parameter: Parameter = {
      name,
      distribution,
      ...(value === undefined ? {} : { default: value }),
      when: note.when?.text ?? null,
      sink,
      site,
      literal: null,
    };
    this.params.push({ parameter, when: note.when, ...declared });
  }

  private badDefault(name: string, node: ConfigNode | null, place: Range): void {
    const { start, end } = node ?? place;
    this.faults.add(
      'HPO-1114',
      start,
      end,
      `the default of ${name}, ${quote(this.text.slice(start, end))}, is not one of its own values`,
    );
  }

  private metrics(node: ConfigNode): void {
    if (node.type !== 'map') {
      for (const item of node.type === 'list' ? node.items : [node]) this.listed('metric', item);
      return;
    }
    for (const entry of node.entries) {
      const source = metricText(entry);
      if (source === null) this.wrongKind(entry.key, 'where it is read from, such as stdout "loss=(\\S+)"', entry.node);
      else
        this.add(
          this.detached(source, entry.node, (text, faults) =>
            parseDirectiveBody('metric', text, { start: 0, end: text.length }, { start: 0, end: text.length }, faults),
          ),
        );
    }
  }

  private listed(name: DirectiveName, node: ConfigNode): void {
    const text = node.type === 'scalar' ? null : node.type === 'map' ? directiveText(name, node) : null;
    if (node.type === 'scalar')
      this.add(
        this.inText(node, (source, start, end, faults) =>
          parseDirectiveBody(name, source, { start, end }, { start, end }, faults),
        ),
      );
    else if (text === null) this.wrongKind(name, 'a text as in the annotation', node);
    else
      this.add(
        this.detached(text, node, (source, faults) =>
          parseDirectiveBody(name, source, { start: 0, end: source.length }, { start: 0, end: source.length }, faults),
        ),
      );
  }

  private settings(name: SettingsName, node: ConfigNode): void {
    if (node.type === 'scalar') {
      // `folds: 5`, `image: auto`, `search: trials=60 parallel=4`
      const text = typeof node.value === 'string' ? null : node.text;
      const read = (source: string, start: number, end: number, faults: Faults) =>
        parseDirectiveBody(name, source, { start, end }, { start, end }, faults);
      this.add(text === null ? this.inText(node, read) : read(this.text, node.start, node.end, this.faults));
      return;
    }
    if (node.type === 'list') return this.wrongKind(name, 'keys and values', node);
    const values: Record<string, Word> = {};
    for (const { key, keyStart, keyEnd, node: value } of node.entries) {
      const text =
        value.type === 'scalar'
          ? value.text
          : value.type === 'list'
            ? value.items.map((item) => (item.type === 'scalar' ? item.text : '')).join(',')
            : null;
      if (text === null) this.wrongKind(key, 'a single value', value);
      else if (key === 'via' && (name === 'folds' || name === 'seeds'))
        values['via'] = { text, start: value.start, end: value.end };
      else
        addSetting(
          name,
          { text: key, start: keyStart, end: keyEnd },
          { text: flagText(text), ...innerRange(value) },
          values,
          this.faults,
        );
    }
    this.add({ type: 'settings', name, values, start: node.start, end: node.end });
  }

  private add(directive: Directive | null): void {
    if (directive !== null) this.directives.push(directive);
  }

  private string(key: string, node: ConfigNode): string | null {
    if (node.type === 'scalar' && typeof node.value === 'string' && node.value !== '') return node.value;
    this.wrongKind(key, 'a text', node);
    return null;
  }

  private map(key: string, node: ConfigNode, each: (entry: ConfigEntry) => void): void {
    if (node.type === 'map') node.entries.forEach(each);
    else this.wrongKind(key, 'keys and values', node);
  }

  private wrongKind(what: string, expected: string, { type, start, end }: ConfigNode): void {
    const seen = { map: 'keys and values', list: 'a list', scalar: `"${quote(this.text.slice(start, end))}"` }[type];
    this.faults.add('HPO-1135', start, end, `${what} needs ${expected}, not ${seen}`);
  }

  /** Parses a text of the file in its place, so that faults point into it. */
  private inText<T>(
    node: Extract<ConfigNode, { type: 'scalar' }>,
    parse: (text: string, start: number, end: number, faults: Faults) => T,
  ): T {
    if (node.textStart !== null) return parse(this.text, node.textStart, node.textStart + node.text.length, this.faults);
    return this.detached(node.text, node, (text, faults) => parse(text, 0, text.length, faults));
  }

  /** Parses a text that does not stand in the file like this; whatever it has to say is said about `range`. */
  private detached<T>(text: string, range: Range, parse: (text: string, faults: Faults) => T): T {
    const faults = new Faults();
    const parsed = parse(text, faults);
    for (const { code, message } of faults.list) this.faults.add(code, range.start, range.end, message);
    return moveTo(parsed, range);
  }
}

/** The same data with every place in it set to `range`. */
function moveTo<T>(data: T, range: Range): T {
  const moved = (value: unknown, key: string): unknown => {
    if (key === 'start' || key === 'spaceStart') return range.start;
    if (key === 'end' || key === 'close') return range.end;
    if (Array.isArray(value)) return value.map((item) => moved(item, ''));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, moved(inner, name)]));
  };
  // The shape is the one that came in: only numbers were replaced by numbers.
  return moved(data, '') as T;
}

function valueOf(node: ConfigNode): ParamValue {
  if (node.type === 'scalar') return node.value;
  return node.type === 'list' ? node.items.map(valueOf) : null;
}

/** Where a text stands without its quotes, so that a fix keeps them. */
function innerRange(node: ConfigNode): Range {
  if (node.type !== 'scalar' || node.textStart === null) return { start: node.start, end: node.end };
  return { start: node.textStart, end: node.textStart + node.text.length };
}

/** YAML 1.2 reads yes as a text, TOML only knows true; the annotation's words for it are yes and no. */
function flagText(text: string): string {
  return text === 'True' ? 'true' : text === 'False' ? 'false' : text;
}

/** `{type: float, low: 0, high: 1, log: true}` as the annotation writes it. */
function spaceText(fields: ReadonlyMap<string, ConfigEntry>): string {
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
function directiveText(name: DirectiveName, node: Extract<ConfigNode, { type: 'map' }>): string | null {
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
function metricText({ key, node }: ConfigEntry): string | null {
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
