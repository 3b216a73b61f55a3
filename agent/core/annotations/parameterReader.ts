import type { Parameter, Sink } from '../../protocol/space.ts';
import { contains } from '../space/index.ts';
import type { ConfigEntry, ConfigNode } from './configTree.ts';
import { spaceText, valueOf } from './configText.ts';
import { isName } from './chooseLiterals.ts';
import { replaceBy } from './faults.ts';
import { type ParamNote, type Range, parseParams, parseSink } from './note.ts';
import type { PartFidelity, PartParam } from './part.ts';
import type { PlacedText } from './placedText.ts';
import { type LineMap, nearest, quote } from './text.ts';

/** The entries of `parameters` in a settings file. */
export class ParameterReader {
  readonly params: PartParam[] = [];
  readonly fidelities: PartFidelity[] = [];
  private readonly source: PlacedText;
  private readonly file: string;
  private readonly lines: LineMap;

  constructor(source: PlacedText, file: string, lines: LineMap) {
    this.source = source;
    this.file = file;
    this.lines = lines;
  }

  /** `lr: float(0, 1, log) via arg(--lr)`, or a map with space or type, default, when and via. */
  read({ key, keyStart, keyEnd, node }: ConfigEntry): void {
    const place: Range = { start: keyStart, end: keyEnd };
    if (!isName(key) || key.length > 128) {
      this.source.faults.add(
        'HPO-1120',
        keyStart,
        keyEnd,
        `"${quote(key)}" cannot be the name of a parameter: letters, digits, _ . and -, at most 128, and not what every object has`,
      );
      return;
    }
    if (node.type === 'scalar') return this.addParam(key, place, this.note(node), null);
    if (node.type === 'list') return this.source.wrongKind(key, 'a space such as float(0, 1)', node);
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
        this.source.faults.add(
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
        : this.source.detached(spaceText(fields), node, (text, faults) => parseParams(text, 0, text.length, faults))[0];
    if (note === undefined) return;
    const when = fields.get('when')?.node;
    const via = fields.get('via')?.node;
    const sink =
      via?.type === 'scalar'
        ? this.source.inText(via, (text, start, end, faults) => parseSink(text, start, end, faults).sink)
        : note.sink;
    const full: ParamNote = {
      ...note,
      sink,
      when: when?.type === 'scalar' ? { text: when.text, start: when.textStart ?? when.start, end: when.end } : note.when,
    };
    this.addParam(key, place, full, fields.get('default')?.node ?? null);
  }

  private note(node: Extract<ConfigNode, { type: 'scalar' }>): ParamNote | undefined {
    return this.source.inText(node, (text, start, end, faults) => parseParams(text, start, end, faults))[0];
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
    this.source.faults.add(
      'HPO-1114',
      start,
      end,
      `the default of ${name}, ${quote(this.source.text.slice(start, end))}, is not one of its own values`,
    );
  }
}
