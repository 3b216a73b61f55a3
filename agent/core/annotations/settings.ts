import { isVolume } from '../../protocol/clusterWords.ts';
import { directiveText, flagText, innerRange, metricText } from './configText.ts';
import { type ConfigEntry, type ConfigNode, tomlTree, yamlTree } from './configTree.ts';
import { type Directive, parseDirectiveBody } from './directive.ts';
import { type DirectiveName, type SettingsName, settingsNames } from './directiveKeys.ts';
import { Faults, replaceBy } from './faults.ts';
import { readKubernetes } from './kubernetesSection.ts';
import type { Word } from './note.ts';
import { ParameterReader } from './parameterReader.ts';
import type { Part } from './part.ts';
import { PlacedText } from './placedText.ts';
import { addSetting } from './settingsDirective.ts';
import { type LineMap, lineMap, nearest, quote } from './text.ts';

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
  'kubernetes',
  ...settingsNames,
];

class SettingsReader {
  private readonly file: string;
  private readonly lines: LineMap;
  private readonly source: PlacedText;
  private readonly parameters: ParameterReader;
  private readonly directives: Directive[] = [];
  private script: string | null = null;
  private command: readonly string[] | null = null;

  constructor(text: string, file: string, faults: Faults) {
    this.file = file;
    this.lines = lineMap(text);
    this.source = new PlacedText(text, faults);
    this.parameters = new ParameterReader(this.source, file, this.lines);
  }

  read(tree: ConfigNode | null): SettingsPart {
    if (tree !== null && tree.type === 'map') for (const entry of tree.entries) this.setting(entry);
    else if (tree !== null && !(tree.type === 'scalar' && tree.value === null))
      this.source.wrongKind('the settings', 'keys such as parameters and objective', tree);
    const { file, lines, directives, script, command } = this;
    const { params, fidelities } = this.parameters;
    const { faults } = this.source;
    return { file, lines, origin: 'settings', params, fidelities, directives, literals: [], notes: [], faults, script, command };
  }

  private setting({ key, keyStart, keyEnd, node }: ConfigEntry): void {
    const settings = settingsNames.find((name) => name === key);
    const list = Object.hasOwn(lists, key) ? lists[key] : undefined;
    if (key === 'script') this.script = this.string(key, node);
    else if (key === 'command') this.readCommand(node);
    else if (key === 'parameters') this.map(key, node, (entry) => this.parameters.read(entry));
    else if (key === 'metrics' || key === 'metric') this.metrics(node);
    else if (key === 'kubernetes') this.kubernetes(node);
    else if (settings !== undefined) this.settings(settings, node);
    else if (list !== undefined) for (const item of node.type === 'list' ? node.items : [node]) this.listed(list, item);
    else {
      const meant = nearest(key, topKeys);
      this.source.faults.add(
        'HPO-1104',
        keyStart,
        keyEnd,
        `"${quote(key)}" is not known here; ${meant === null ? `known are ${topKeys.join(', ')}` : `did you mean ${meant}?`}`,
        meant === null ? null : replaceBy(`Write ${meant}`, keyStart, keyEnd, meant),
      );
    }
  }

  private kubernetes(node: ConfigNode): void {
    const section = readKubernetes(this.source, node, (volume) => this.volume(volume));
    if (section !== null) this.add({ type: 'kubernetes', section, start: node.start, end: node.end });
  }

  /** Data as anywhere else, but on a volume claim. */
  private volume(node: ConfigNode): void {
    const before = this.directives.length;
    this.listed('data', node);
    const added = this.directives[before];
    if (added?.type === 'data' && !isVolume(added.from))
      this.source.faults.add(
        'HPO-1128',
        node.start,
        node.end,
        `a volume is mapped as "pvc://CLAIM/PATH -> /data", not from ${quote(added.from)}`,
      );
  }

  private readCommand(node: ConfigNode): void {
    if (node.type === 'list') {
      this.command = node.items.flatMap((item) => (item.type === 'scalar' ? item.text : []));
      if (this.command.length < node.items.length) this.source.wrongKind('command', 'a list of texts', node);
    } else {
      const text = this.string('command', node) ?? '';
      this.command = [...text.matchAll(/"([^"]*)"|'([^']*)'|\S+/g)].map(([word, double, single]) => double ?? single ?? word);
    }
    if (this.command.length === 0) this.command = null;
  }

  private metrics(node: ConfigNode): void {
    if (node.type !== 'map') {
      for (const item of node.type === 'list' ? node.items : [node]) this.listed('metric', item);
      return;
    }
    for (const entry of node.entries) {
      const source = metricText(entry);
      if (source === null) this.source.wrongKind(entry.key, 'where it is read from, such as stdout "loss=(\\S+)"', entry.node);
      else
        this.add(
          this.source.detached(source, entry.node, (text, faults) =>
            parseDirectiveBody('metric', text, { start: 0, end: text.length }, { start: 0, end: text.length }, faults),
          ),
        );
    }
  }

  private listed(name: DirectiveName, node: ConfigNode): void {
    const text = node.type === 'scalar' ? null : node.type === 'map' ? directiveText(name, node) : null;
    if (node.type === 'scalar')
      this.add(
        this.source.inText(node, (source, start, end, faults) =>
          parseDirectiveBody(name, source, { start, end }, { start, end }, faults),
        ),
      );
    else if (text === null) this.source.wrongKind(name, 'a text as in the annotation', node);
    else
      this.add(
        this.source.detached(text, node, (source, faults) =>
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
      this.add(text === null ? this.source.inText(node, read) : read(this.source.text, node.start, node.end, this.source.faults));
      return;
    }
    if (node.type === 'list') return this.source.wrongKind(name, 'keys and values', node);
    const values: Record<string, Word> = {};
    for (const { key, keyStart, keyEnd, node: value } of node.entries) {
      const text =
        value.type === 'scalar'
          ? value.text
          : value.type === 'list'
            ? value.items.map((item) => (item.type === 'scalar' ? item.text : '')).join(',')
            : null;
      if (text === null) this.source.wrongKind(key, 'a single value', value);
      else if (key === 'via' && (name === 'folds' || name === 'seeds'))
        values['via'] = { text, start: value.start, end: value.end };
      else
        addSetting(
          name,
          { text: key, start: keyStart, end: keyEnd },
          { text: flagText(text), ...innerRange(value) },
          values,
          this.source.faults,
        );
    }
    this.add({ type: 'settings', name, values, start: node.start, end: node.end });
  }

  private add(directive: Directive | null): void {
    if (directive !== null) this.directives.push(directive);
  }

  private string(key: string, node: ConfigNode): string | null {
    if (node.type === 'scalar' && typeof node.value === 'string' && node.value !== '') return node.value;
    this.source.wrongKind(key, 'a text', node);
    return null;
  }

  private map(key: string, node: ConfigNode, each: (entry: ConfigEntry) => void): void {
    if (node.type === 'map') node.entries.forEach(each);
    else this.source.wrongKind(key, 'keys and values', node);
  }
}
