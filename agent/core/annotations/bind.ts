import { isReservedName } from '../../protocol/metricNames.ts';
import type { Fidelity, LiteralSpan, Parameter } from '../../protocol/space.ts';
import { checkDefault, kindWords } from './checkDefault.ts';
import { chooseLiterals, isName } from './chooseLiterals.ts';
import { type Faults, replaceBy } from './faults.ts';
import type { Candidate, FoundNote } from './languages/language.ts';
import type { ParamNote, SpaceNote } from './note.ts';
import type { Declared, PartFidelity, PartLiteral, PartParam } from './part.ts';
import { type LiteralStyle, render } from './render.ts';
import { type LineMap, quote } from './text.ts';

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

function checkName(name: string, param: ParamNote, faults: Faults): boolean {
  const isGood = isName(name);
  // A name is ASCII once it matches, so its length is its bytes.
  if (isGood && name.length <= 128) return true;
  const place = param.name ?? { start: param.spaceStart, end: param.space?.end ?? param.end };
  const reason = isReservedName(name)
    ? 'is a name that every object has'
    : isGood
      ? `has ${name.length} bytes, more than 128`
      : 'holds other signs than letters, digits, _ . and -';
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
