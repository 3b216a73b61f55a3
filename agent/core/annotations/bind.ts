import type { Fidelity, LiteralSpan, ParamValue, Parameter } from '../../protocol/space.ts';
import { contains } from '../space/index.ts';
import { type Faults, replaceBy } from './faults.ts';
import { python } from './languages/python.ts';
import type { Candidate, FoundNote } from './languages/language.ts';
import { noteDialect, parseLiteral } from './literal.ts';
import type { ParamNote, SpaceNote } from './note.ts';
import type { Declared, PartFidelity, PartLiteral, PartParam } from './part.ts';
import { type LiteralStyle, render } from './render.ts';
import { type LineMap, countBreaks, nearest, quote } from './text.ts';

interface Source {
  readonly text: string;
  readonly file: string;
  readonly lines: LineMap;
  readonly style: LiteralStyle;
}

interface Bound {
  readonly params: PartParam[];
  readonly fidelities: PartFidelity[];
  readonly literals: PartLiteral[];
}

/** Finds the literal of each parameter of a note, checks it against its space, and makes the parameters. */
export function bindNote(params: readonly ParamNote[], note: FoundNote, source: Source, faults: Faults): Bound {
  const bound: Bound = { params: [], fidelities: [], literals: [] };
  const chosen = chooseLiterals(params, note, faults);
  for (const [index, param] of params.entries()) {
    const choice = chosen[index];
    if (choice === undefined || choice === null) continue;
    const { name, candidate } = choice;
    if (!checkName(name, param, faults)) continue;
    if (candidate !== null) bound.literals.push({ name, note: param, start: candidate.start, end: candidate.end });
    if (param.space === null) continue;
    if (param.space.type === 'fidelity') addFidelity(name, param, param.space, candidate, source, bound, faults);
    else addParameter(name, param, param.space, candidate, source, bound, faults);
  }
  return bound;
}

interface Choice {
  readonly name: string;
  /** Null for a value that goes by `via` alone. */
  readonly candidate: Candidate | null;
}

/** One choice for each parameter, in order; null, with a fault, where there is none. */
function chooseLiterals(params: readonly ParamNote[], note: FoundNote, faults: Faults): (Choice | null)[] {
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

function isName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name);
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

function checkName(name: string, param: ParamNote, faults: Faults): boolean {
  const isGood = isName(name);
  // A name is ASCII once it matches, so its length is its bytes.
  if (isGood && name.length <= 128) return true;
  const place = param.name ?? { start: param.spaceStart, end: param.space?.end ?? param.end };
  const reason = isGood ? `has ${name.length} bytes, more than 128` : 'holds other signs than letters, digits, _ . and -';
  const plain = name
    .normalize('NFD')
    .replace(/[^A-Za-z0-9_.-]+/g, '_')
    .replace(/^(?=[^A-Za-z_])/, '_');
  const proposal = isGood || !/[A-Za-z]/.test(plain) ? null : plain.slice(0, 128);
  const fix =
    proposal === null || param.name !== null ? null : replaceBy(`Name it ${proposal}`, place.start, place.start, `${proposal}: `);
  faults.add(
    'HPO-1120',
    place.start,
    place.end,
    `"${quote(name)}" cannot be the name of a parameter: it ${reason}; write another name before the space`,
    fix,
  );
  return false;
}

function declared(param: ParamNote, candidate: Candidate | null): Declared {
  const place = param.name ?? { start: param.spaceStart, end: param.space?.end ?? param.end };
  const rename =
    param.name === null
      ? { start: param.spaceStart, end: param.spaceStart, suffix: ': ' }
      : { start: param.name.start, end: param.name.end, suffix: '' };
  return { place, rename, scope: candidate?.scope ?? null };
}

function span(candidate: Candidate | null): LiteralSpan | null {
  return candidate === null ? null : { start: candidate.start, end: candidate.end, text: candidate.literal.text };
}

function addParameter(
  name: string,
  param: ParamNote,
  space: Extract<SpaceNote, { type: 'distribution' }>,
  candidate: Candidate | null,
  source: Source,
  bound: Bound,
  faults: Faults,
): void {
  const { distribution } = space;
  if (candidate !== null && !checkDefault(name, space, candidate, faults)) return;
  const sink = param.sink ?? { type: 'literal' as const };
  if (candidate !== null && sink.type === 'literal' && 'choices' in distribution) {
    const bad = distribution.choices.find((choice) => render(candidate.literal.text, choice, source.style) === null);
    if (bad !== undefined) {
      faults.add(
        'HPO-1136',
        space.start,
        space.end,
        `${JSON.stringify(bad)} cannot be written in place of ${quote(candidate.literal.text)} in this file; take it out, or send the value by via`,
      );
      return;
    }
  }
  const at = candidate?.start ?? param.start;
  const parameter: Parameter = {
    name,
    distribution,
    ...(candidate === null ? {} : { default: candidate.literal.value }),
    when: param.when?.text ?? null,
    sink,
    site: { file: source.file, line: source.lines.lineOf(at), column: source.lines.columnOf(at) },
    literal: span(candidate),
  };
  bound.params.push({ parameter, when: param.when, ...declared(param, candidate) });
}

function checkDefault(
  name: string,
  space: Extract<SpaceNote, { type: 'distribution' }>,
  candidate: Candidate,
  faults: Faults,
): boolean {
  const { distribution } = space;
  const { value, text, kind } = candidate.literal;
  const seen = quote(text);
  const fail = (code: 'HPO-1114' | 'HPO-1115', message: string, fix: ReturnType<typeof replaceBy> | null = null): false => {
    faults.add(code, space.start, space.end, message, fix);
    return false;
  };
  if ('choices' in distribution) {
    if (contains(distribution, value)) return true;
    if (space.isBool)
      return fail(
        'HPO-1115',
        `${name} is ${seen}, and bool chooses between True and False; use choice(…) for other values`,
        value === 0 || value === 1 ? replaceBy('Use choice(0, 1)', space.start, space.end, 'choice(0, 1)') : null,
      );
    return fail(
      'HPO-1114',
      `${name} is ${seen}, which is not one of its own choices; the script's value is the first trial`,
      replaceBy(`Add ${seen}`, space.close, space.close, `, ${literalText(candidate)}`),
    );
  }
  const { type, low, high } = distribution;
  if (typeof value !== 'number')
    return fail(
      'HPO-1115',
      `${name} is ${kindWords[kind]} (${seen}), and ${type} needs a number; use choice(…) for other values`,
    );
  if (type === 'int' && !Number.isInteger(value))
    return fail(
      'HPO-1115',
      `${name} is ${seen}, which is not a whole number; use float for it`,
      replaceBy('Use float', space.start, space.start + 3, 'float'),
    );
  if (value >= low && value <= high) {
    if (contains(distribution, value)) return true;
    return fail(
      'HPO-1114',
      `${name} is ${seen}, which is not reached from ${low} in steps of ${distribution.step}; change the step, the lower end or the value`,
    );
  }
  const word = value < low ? space.low : space.high;
  const isWritable =
    parseLiteral(text, noteDialect)?.value === value &&
    !((distribution.log || distribution.revlog) && value <= 0) &&
    distribution.step === null;
  const fix = word === null || !isWritable ? null : replaceBy(`Widen the range to ${seen}`, word.start, word.end, text);
  return fail(
    'HPO-1114',
    `${name} is ${seen}, outside of its own range from ${space.low?.text ?? low} to ${space.high?.text ?? high}; the script's value is the first trial`,
    fix,
  );
}

const kindWords = { number: 'a number', string: 'a text', bool: 'a boolean', null: 'None', list: 'a list' } as const;

/** The default as a note writes it: on one line, and bare words of YAML in quotes. */
function literalText(candidate: Candidate): string {
  const { value, text } = candidate.literal;
  const isFit = parseLiteral(text, noteDialect) !== null && countBreaks(text) === 0;
  return isFit ? text : (render('', value, python.style) ?? text);
}

function addFidelity(
  name: string,
  param: ParamNote,
  space: Extract<SpaceNote, { type: 'fidelity' }>,
  candidate: Candidate | null,
  source: Source,
  bound: Bound,
  faults: Faults,
): void {
  const { min, max, eta } = space;
  if (param.when !== null) {
    faults.add('HPO-1101', param.when.start, param.when.end, 'the fidelity exists in every trial; it cannot have a condition');
    return;
  }
  const value = candidate?.literal.value ?? max;
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    const kind = candidate?.literal.kind ?? 'null';
    faults.add(
      'HPO-1115',
      space.start,
      space.end,
      `${name} is ${typeof value === 'number' ? value : kindWords[kind]}, and the fidelity needs a whole number`,
    );
    return;
  }
  if (value < min || value > max) {
    const word = value < min ? space.low : space.high;
    const fix = value < 1 ? null : replaceBy(`Widen the range to ${value}`, word.start, word.end, String(value));
    faults.add(
      'HPO-1114',
      space.start,
      space.end,
      `${name} is ${value}, outside of its own range from ${min} to ${max}; the script's value is the first trial`,
      fix,
    );
    return;
  }
  const at = candidate?.start ?? param.start;
  const fidelity: Fidelity = {
    name,
    min,
    max,
    reductionFactor: eta,
    default: value,
    sink: param.sink ?? { type: 'literal' },
    site: { file: source.file, line: source.lines.lineOf(at), column: source.lines.columnOf(at) },
    literal: span(candidate),
  };
  bound.fidelities.push({ fidelity, ...declared(param, candidate) });
}
