import type { ConfigNode } from './configTree.ts';
import { Faults } from './faults.ts';
import type { Range } from './note.ts';
import { quote } from './text.ts';

/** A settings file, parts of which are read as annotations; faults point to where the part stands. */
export class PlacedText {
  readonly text: string;
  readonly faults: Faults;

  constructor(text: string, faults: Faults) {
    this.text = text;
    this.faults = faults;
  }

  /** A value that is a map, a list or a text where something else is `expected`. */
  wrongKind(what: string, expected: string, { type, start, end }: ConfigNode): void {
    const seen = { map: 'keys and values', list: 'a list', scalar: `"${quote(this.text.slice(start, end))}"` }[type];
    this.faults.add('HPO-1135', start, end, `${what} needs ${expected}, not ${seen}`);
  }

  /** Parses a text of the file in its place, so that faults point into it. */
  inText<T>(
    node: Extract<ConfigNode, { type: 'scalar' }>,
    parse: (text: string, start: number, end: number, faults: Faults) => T,
  ): T {
    if (node.textStart !== null) return parse(this.text, node.textStart, node.textStart + node.text.length, this.faults);
    return this.detached(node.text, node, (text, faults) => parse(text, 0, text.length, faults));
  }

  /** Parses a text that does not stand in the file like this; whatever it has to say is said about `range`. */
  detached<T>(text: string, range: Range, parse: (text: string, faults: Faults) => T): T {
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
