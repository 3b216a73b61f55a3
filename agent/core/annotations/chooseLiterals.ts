import { isReservedName } from '../../protocol/metricNames.ts';
import type { ParamValue } from '../../protocol/space.ts';
import { contains } from '../space/index.ts';
import { type Faults, replaceBy } from './faults.ts';
import type { Candidate, FoundNote } from './languages/language.ts';
import type { ParamNote, SpaceNote } from './note.ts';
import { nearest, quote } from './text.ts';

/** Which literal of a statement a parameter of its note means. */
export interface Choice {
  readonly name: string;
  /** Null for a value that goes by `via` alone. */
  readonly candidate: Candidate | null;
}

/** One choice for each parameter, in order; null, with a fault, where there is none. */
export function chooseLiterals(params: readonly ParamNote[], note: FoundNote, faults: Faults): (Choice | null)[] {
  const taken = new Set<Candidate>();
  // Names that match go first, so that a renamed literal cannot take the place of one that is named as it stands.
  const byName = params.map((param) => {
    const found = param.name === null ? undefined : matchName(param.name.text, note.candidates, taken);
    if (found !== undefined) taken.add(found);
    return found;
  });
  return params.map((param, index): Choice | null => {
    const exact = byName[index];
    if (param.name !== null && exact !== undefined) return { name: param.name.text, candidate: exact };
    if (param.name !== null) return chooseOther(param.name.text, param, note, taken, params.length === 1, faults);
    return chooseUnnamed(param, note, params.length === 1, faults);
  });
}

function matchName(name: string, candidates: readonly Candidate[], taken: ReadonlySet<Candidate>): Candidate | undefined {
  const free = candidates.filter((candidate) => !taken.has(candidate));
  return (
    free.find((candidate) => candidate.name === name) ??
    free.find(({ path }) => path !== null && (path === name || path.endsWith(`.${name}`)))
  );
}

/** A name that is not one of the statement's: it renames the only literal there is. */
function chooseOther(
  name: string,
  param: ParamNote,
  note: FoundNote,
  taken: Set<Candidate>,
  isAlone: boolean,
  faults: Faults,
): Choice | null {
  const free = note.candidates.filter((candidate) => !taken.has(candidate));
  const [only] = free;
  // The value of this name is there, and it is no literal: a literal somewhere inside it is not what is meant.
  const isExpression = note.others.some((other) => other.name === name) && !free.some((candidate) => candidate.fallback === name);
  const isViaAlone = param.sink !== null && note.isOwnLine;
  if (isAlone && !isViaAlone && !isExpression && only !== undefined) {
    if (free.length === 1) return take(name, only, taken);
    const nameless = free.filter((candidate) => candidate.name === null);
    if (nameless.length === 1 && nameless[0] !== undefined) return take(name, nameless[0], taken);
  }
  if (param.sink !== null) return { name, candidate: null };
  const place = param.name ?? param;
  if (isExpression || note.candidates.length === 0) {
    addNotLiteral(name, place, note, faults);
    return null;
  }
  const names = usableNames(note);
  const meant = nearest(name, names);
  const seen = names.length === 0 ? 'the literals here have no names' : `the literals here are ${quote(names.join(', '))}`;
  faults.add(
    'HPO-1118',
    place.start,
    place.end,
    `no literal here is called ${quote(name)}; ${seen}${meant === null ? '' : `; did you mean ${meant}?`}`,
    meant === null ? null : replaceBy(`Write ${meant}`, place.start, place.end, meant),
  );
  return null;
}

function usableNames(note: FoundNote): string[] {
  return note.candidates.flatMap(({ name }) => (name !== null && isName(name) ? name : []));
}

/** Whether this can be the name of a parameter, apart from its length. */
export function isName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name) && !isReservedName(name);
}

function take(name: string, candidate: Candidate, taken: Set<Candidate>): Choice {
  taken.add(candidate);
  return { name, candidate };
}

function chooseUnnamed(param: ParamNote, note: FoundNote, isAlone: boolean, faults: Faults): Choice | null {
  const [only] = note.candidates;
  const start = param.spaceStart;
  const end = param.space?.end ?? param.end;
  if (only === undefined) {
    addNotLiteral(null, { start, end }, note, faults);
    return null;
  }
  if (note.candidates.length > 1 || !isAlone) {
    const names = usableNames(note);
    const fitting = note.candidates.filter(
      (candidate) => candidate.name !== null && isName(candidate.name) && fits(param.space, candidate.literal.value),
    );
    const fix =
      fitting.length === 1 && fitting[0]?.name !== undefined && fitting[0].name !== null && isAlone
        ? replaceBy(`Name it ${fitting[0].name}`, start, start, `${fitting[0].name}: `)
        : null;
    const seen = `${note.candidates.length} literals${names.length === 0 ? '' : ` (${quote(names.join(', '))})`}`;
    faults.add(
      'HPO-1117',
      start,
      end,
      note.candidates.length > 1
        ? `${seen} stand here: write the name of the one that is meant before the space, such as ${names[0] ?? 'name'}: ${spaceWord(param.space)}`
        : 'several spaces in one note: write a name before each',
      fix,
    );
    return null;
  }
  const { name, fallback } = only;
  if (name === null && fallback !== null) {
    // Rule 12: the annotated value is a call. A name says that its argument is meant.
    const what = note.others.find((other) => other.name === fallback)?.what ?? 'a call';
    const written = `${fallback}: ${spaceWord(param.space)}`;
    const fix = isName(fallback)
      ? replaceBy(`Tune ${quote(only.literal.text)} as ${fallback}`, start, start, `${fallback}: `)
      : null;
    faults.add(
      'HPO-1116',
      start,
      end,
      `the value of ${quote(fallback)} is ${what}, not a literal; to tune ${quote(only.literal.text)} in it, write ${written}`,
      fix,
    );
    return null;
  }
  if (name === null) {
    faults.add(
      'HPO-1117',
      start,
      end,
      `the literal ${quote(only.literal.text)} has no name: write one before the space, such as name: ${spaceWord(param.space)}`,
    );
    return null;
  }
  return { name, candidate: only };
}

function spaceWord(space: SpaceNote | null): string {
  if (space === null) return 'float(0, 1)';
  if (space.type === 'fidelity') return 'fidelity(…)';
  return { float: 'float(…)', int: 'int(…)', categorical: space.isBool ? 'bool' : 'choice(…)', ordinal: 'ordinal(…)' }[
    space.distribution.type
  ];
}

function fits(space: SpaceNote | null, value: ParamValue): boolean {
  if (space === null) return false;
  if (space.type === 'fidelity') return typeof value === 'number' && value >= space.min && value <= space.max;
  return contains(space.distribution, value);
}

function addNotLiteral(
  name: string | null,
  place: { readonly start: number; readonly end: number },
  note: FoundNote,
  faults: Faults,
): void {
  if (!note.hasTarget) {
    faults.add(
      'HPO-1132',
      place.start,
      place.end,
      note.isOwnLine
        ? 'nothing follows that could be tuned: write the note above, or behind, the line with the literal'
        : 'nothing ends on this line that could be tuned: write the note behind the literal',
    );
    return;
  }
  const other = note.others.find((candidate) => name !== null && candidate.name === name) ?? note.others[0];
  const what =
    other === undefined
      ? 'there is no literal'
      : `${other.name === null ? 'what stands here' : `the value of ${quote(other.name)}`} is ${other.what}, not a literal`;
  faults.add(
    'HPO-1116',
    place.start,
    place.end,
    `${what}; assign a literal to a variable, annotate that line, and use the variable here`,
  );
}
