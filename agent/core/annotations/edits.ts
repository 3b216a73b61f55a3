import { HpoError } from '../../protocol/errors.ts';
import type { Diagnostic, Distribution, LiteralSpan, Params, ParamValue } from '../../protocol/space.ts';
import { contains } from '../space/index.ts';
import { type Fault, diagnose } from './faults.ts';
import { languageOf, languages } from './languages/index.ts';
import type { Language, LanguageId } from './languages/language.ts';
import { readComments } from './part.ts';
import { isSameValue, render } from './render.ts';
import { countBreaks, lineMap, quote } from './text.ts';

/**
 * The value as the literal would write it: its quotes, underscores, exponent, brackets; a float stays a float and a whole
 * number a whole number, and reading it gives exactly the value. Never a line more or less than the literal has.
 * @throws HpoError HPO-1136 when the language has no literal for the value
 */
export function renderValue(literalText: string, value: ParamValue, language: LanguageId): string {
  const style = languages.find(({ id }) => id === language)?.style;
  const literal = style === undefined ? null : render(literalText, value, style);
  if (literal !== null) return literal;
  throw new HpoError(
    'HPO-1136',
    `${JSON.stringify(value)} cannot be written in ${language} in place of ${quote(literalText)}`,
    'Take the value out of the space, or send it by via.',
  );
}

/**
 * The text with each literal replaced, character by character, by its value. An edit whose literal is no longer there,
 * or whose value the language cannot write, is left out with a diagnostic. The number of lines stays.
 */
export function applyValues(
  text: string,
  edits: readonly { readonly literal: LiteralSpan; readonly value: ParamValue }[],
  file: string,
): { readonly text: string; readonly diagnostics: Diagnostic[] } {
  const faults: Fault[] = [];
  const fail = (code: Fault['code'], start: number, end: number, message: string): void => {
    faults.push({ code, start: Math.min(start, text.length), end: Math.min(end, text.length), message, fix: null });
  };
  const language = languageOf(file);
  if (language === null) fail('HPO-1138', 0, 0, `annotations are not read in ${file || 'this file'}; nothing was replaced`);
  const pieces: string[] = [];
  let at = 0;
  for (const { literal, value } of language === null ? [] : [...edits].sort((a, b) => a.literal.start - b.literal.start)) {
    const { start, end, text: expected } = literal;
    if (start < at || text.slice(start, end) !== expected) {
      fail(
        'HPO-1137',
        start,
        end,
        `"${quote(text.slice(start, end))}" stands where "${quote(expected)}" was; it was not replaced`,
      );
      continue;
    }
    const replacement = language === null ? null : replacementFor(text, literal, value, language);
    if (replacement === null) {
      fail(
        'HPO-1136',
        start,
        end,
        `${JSON.stringify(value)} cannot be written in place of ${quote(expected)}; it was not replaced`,
      );
      continue;
    }
    pieces.push(text.slice(at, start), replacement);
    at = end;
  }
  const lines = lineMap(text);
  return { text: pieces.join('') + text.slice(at), diagnostics: faults.map((fault) => diagnose(fault, file, lines)) };
}

/** A literal for this place: in brackets where it would grow together with a word beside it (`return-1`, `1if x else 2`). */
function replacementFor(
  text: string,
  { start, end, text: literalText }: LiteralSpan,
  value: ParamValue,
  language: Language,
): string | null {
  const literal = render(literalText, value, language.style);
  if (literal === null || literal === literalText || language.id !== 'python') return literal;
  const isGlued = (a: string | undefined, b: string | undefined): boolean => /[\w.]$/.test(a ?? '') && /^["'\w.]/.test(b ?? '');
  const isAlone = !isGlued(text[start - 1], literal) && !(/\w/.test(text[end] ?? '') && /[\w.]$/.test(literal));
  const wrapped = isAlone ? literal : `(${literal})`;
  return countBreaks(wrapped) === countBreaks(literalText) ? wrapped : null;
}

/**
 * The edits that write `params` into a text which may have moved on since it was tuned: literals are found by name.
 * Values are rounded for the source. Literals that hold their value already need no edit; `missing` names those that
 * are not annotated any more or cannot be written.
 */
export function bestEdits(
  currentText: string,
  file: string,
  params: Params,
): {
  readonly edits: { readonly start: number; readonly end: number; readonly text: string; readonly name: string }[];
  readonly missing: string[];
} {
  const language = languageOf(file);
  const { literals } = readComments(currentText, file);
  const edits: { start: number; end: number; text: string; name: string }[] = [];
  const missing: string[] = [];
  for (const [name, value] of Object.entries(params)) {
    const literal = literals.find((candidate) => candidate.name === name);
    if (literal === undefined || language === null) {
      missing.push(name);
      continue;
    }
    const { start, end, note } = literal;
    const span: LiteralSpan = { start, end, text: currentText.slice(start, end) };
    const rounded = note.space?.type === 'distribution' ? roundForSource(note.space.distribution, value) : value;
    const text = replacementFor(currentText, span, rounded, language);
    if (text === null || edits.some((edit) => edit.start < end && start < edit.end)) missing.push(name);
    else if (text !== span.text) edits.push({ start, end, text, name });
  }
  return { edits: edits.sort((a, b) => a.start - b.start), missing };
}

/**
 * The value with the digits that matter: four significant ones of a float, and more only where fewer would leave the
 * range. Values on a grid, whole numbers and choices stay as they are, without the dust of binary arithmetic.
 */
export function roundForSource(distribution: Distribution, value: ParamValue): ParamValue {
  if (typeof value !== 'number' || distribution.type !== 'float' || !Number.isFinite(value)) return value;
  // A grid value such as 0.30000000000000004 is 0.3.
  const digits = distribution.step === null ? 4 : 12;
  // A narrow range far from zero, 1000.0 to 1000.1, needs digits that tell its values apart.
  const spread = distribution.high - distribution.low;
  const magnitude = Math.max(Math.abs(distribution.low), Math.abs(distribution.high));
  const extra = spread > 0 && spread < magnitude ? Math.floor(Math.log10(magnitude / spread)) : 0;
  for (let precision = Math.min(17, digits + (distribution.log ? 0 : extra)); precision <= 17; precision++) {
    const rounded = Number(value.toPrecision(precision));
    if (contains(distribution, rounded) || isSameValue(rounded, value)) return rounded;
  }
  return value;
}
