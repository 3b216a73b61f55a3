import type { Fidelity, Parameter } from '../../protocol/space.ts';
import { bindNote } from './bind.ts';
import { type Directive, parseDirective } from './directive.ts';
import { Faults } from './faults.ts';
import { languageNames, languageOf } from './languages/index.ts';
import type { FoundNote, Language } from './languages/language.ts';
import type { ParamNote, Range, Word } from './note.ts';
import { parseParams } from './note.ts';
import { type LineMap, lineMap } from './text.ts';

/** What one file says, before it is put together with what others say. */
export interface Part {
  readonly file: string;
  readonly lines: LineMap;
  /** Comments win over settings (rule 8). */
  readonly origin: 'comments' | 'settings';
  readonly params: readonly PartParam[];
  readonly fidelities: readonly PartFidelity[];
  readonly directives: readonly Directive[];
  /** Every annotated literal, also of parameters that have a fault and are not in `params`. */
  readonly literals: readonly PartLiteral[];
  readonly notes: readonly NoteRange[];
  readonly faults: Faults;
}

/** Where the names of a parameter or fidelity stand, for faults that only show when all is put together. */
export interface Declared {
  /** The name in the note, or the space where the note has none. */
  readonly place: Range;
  /** Edit that gives it another name. */
  readonly rename: { readonly start: number; readonly end: number; readonly suffix: string };
  /** Function, class or table around the literal. */
  readonly scope: string | null;
}

export interface PartParam extends Declared {
  readonly parameter: Parameter;
  readonly when: Word | null;
}

export interface PartFidelity extends Declared {
  readonly fidelity: Fidelity;
}

export interface PartLiteral extends Range {
  readonly name: string;
  readonly note: ParamNote;
}

/** A note and the literals that it tunes; offsets into the text, lines from 1. For lenses, hovers and highlighting. */
export interface NoteRange extends Range {
  readonly line: number;
  readonly literals: readonly { readonly start: number; readonly end: number; readonly name: string }[];
}

/** Reads the notes in the comments of a file. Never throws. */
export function readComments(text: string, file: string): Part {
  const language = languageOf(file);
  const faults = new Faults();
  const lines = lineMap(text);
  const found = findNotes(text, file, language, faults);
  const params: PartParam[] = [];
  const fidelities: PartFidelity[] = [];
  const directives: Directive[] = [];
  const literals: PartLiteral[] = [];
  const notes: NoteRange[] = [];
  for (const note of language === null ? [] : found) {
    const before = literals.length;
    if (text[note.bodyStart] === '.') {
      const directive = parseDirective(text, note.bodyStart, note.end, faults);
      if (directive !== null) directives.push(directive);
    } else if (language !== null) {
      const bound = bindNote(
        parseParams(text, note.bodyStart, note.end, faults),
        note,
        { text, file, lines, style: language.style },
        faults,
      );
      params.push(...bound.params);
      fidelities.push(...bound.fidelities);
      literals.push(...bound.literals);
    }
    const ranges = literals.slice(before).map(({ start, end, name }) => ({ start, end, name }));
    notes.push({ start: note.start, end: note.end, line: lines.lineOf(note.start), literals: ranges });
  }
  dropOverlaps(params, fidelities, literals, faults);
  return { file, lines, origin: 'comments', params, fidelities, directives, literals, notes, faults };
}

function findNotes(text: string, file: string, language: Language | null, faults: Faults): readonly FoundNote[] {
  if (language === null) {
    const mark = /@hpo(?![\w-])/.exec(text);
    if (mark !== null)
      faults.add(
        'HPO-1138',
        mark.index,
        mark.index + mark[0].length,
        `annotations are not read in ${file || 'this file'}; they are in ${languageNames}`,
      );
    return [];
  }
  try {
    return language.notes(text);
  } catch (error) {
    // The parsers of the libraries descend recursively: the one thing that no text may do is to nest thousands deep.
    if (!(error instanceof RangeError)) throw error;
    faults.add('HPO-1134', 0, 0, 'the file is nested too deeply to be read');
    return [];
  }
}

/** Two values cannot replace the same characters: the later annotation is the fault. */
function dropOverlaps(params: PartParam[], fidelities: PartFidelity[], literals: readonly PartLiteral[], faults: Faults): void {
  const bad = new Set<number>();
  const sorted = [...literals].sort((a, b) => a.start - b.start || b.end - a.end || a.note.start - b.note.start);
  let end = -1;
  let owner: PartLiteral | null = null;
  for (const literal of sorted) {
    if (literal.start >= end || owner === null) {
      end = literal.end;
      owner = literal;
      continue;
    }
    const later = literal.note.start >= owner.note.start ? literal : owner;
    const place = later.note.name ?? { start: later.note.spaceStart, end: later.note.end };
    faults.add(
      'HPO-1131',
      place.start,
      place.end,
      `${later.name} tunes characters that ${later === literal ? owner.name : literal.name} tunes already; annotate either the whole or its parts, and each once`,
    );
    bad.add(later.note.start);
  }
  if (bad.size === 0) return;
  const keep = ({ place, rename }: Declared): boolean => !bad.has(place.start) && !bad.has(rename.start);
  params.splice(0, params.length, ...params.filter(keep));
  fidelities.splice(0, fidelities.length, ...fidelities.filter(keep));
}
