import type { Diagnostic } from '../../protocol/space.ts';

/** What can be wrong with the description of an environment; `causes` of the list of errors has the words for each. */
export type FaultCode =
  /** A file cannot be read. */
  | 'HPO-2420'
  /** Two files disagree about a package. */
  | 'HPO-2421'
  /** Two files disagree about the version of the language. */
  | 'HPO-2422'
  /** Several files, of which one has to be chosen. */
  | 'HPO-2423'
  /** A lock is older than what it locks. */
  | 'HPO-2424'
  /** What was named is not there, or cannot be used. */
  | 'HPO-2425'
  /** A manifest holds credentials. */
  | 'HPO-2426'
  /** A part of a description that an image does not get. */
  | 'HPO-2427'
  /** Packages that nothing can install again. */
  | 'HPO-2428'
  /** A manifest refers to what is not there. */
  | 'HPO-2429';

/** Characters of a text, by offset. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Place {
  /** Relative to the root. */
  readonly file: string;
  /** Empty where there is none: line 1 is meant then. */
  readonly text: string;
  /** Characters that are meant; null for the file as a whole. */
  readonly span: Span | null;
}

/** `message` says what and why with the value seen; `next` what to do. */
export function fault(
  code: FaultCode,
  severity: Diagnostic['severity'],
  place: Place,
  message: string,
  next: string,
): Diagnostic {
  const { start, end } = place.span ?? { start: 0, end: 0 };
  const from = position(place.text, start);
  const to = position(place.text, end);
  return {
    code,
    severity,
    message: `${message}; ${next}`,
    file: place.file,
    line: from.line,
    column: from.column,
    endLine: to.line,
    endColumn: to.column,
    fix: null,
  };
}

/** Where a text, or what an expression finds, first stands in a file. */
export function placeOf(file: string, text: string, wanted: string | RegExp): Place {
  const match = typeof wanted === 'string' ? null : wanted.exec(text);
  const found = typeof wanted === 'string' ? wanted : (match?.[1] ?? match?.[0] ?? '');
  const at = typeof wanted === 'string' ? text.indexOf(wanted) : match === null ? -1 : match.index + match[0].indexOf(found);
  return { file, text, span: at === -1 || found === '' ? null : { start: at, end: at + found.length } };
}

/** A whole line, counted from 1. */
export function lineOf(file: string, text: string, line: number): Place {
  const lines = text.split('\n');
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  const length = (lines[line - 1] ?? '').replace(/\r$/, '').length;
  return { file, text, span: { start, end: start + length } };
}

/** `requirements.txt:3`: how one file is named in a message about another. */
export function named(place: Place): string {
  return place.span === null ? place.file : `${place.file}:${position(place.text, place.span.start).line}`;
}

function position(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}

/** A name for use in an expression. */
export function escaped(name: string): string {
  return name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** An expression for a package's name however it is spelled: `scikit-learn`, `Scikit_Learn`. */
export function nameExpression(name: string): string {
  return name
    .split(/[-_.]+/)
    .map((part) => escaped(part))
    .join('[-_.]+');
}
