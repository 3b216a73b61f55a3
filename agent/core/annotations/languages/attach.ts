import { type LineMap, lineMap } from '../text.ts';
import type { Candidate, FoundNote, NotLiteral } from './language.ts';

/** A comment as the language found it: `start` at its sign, `textStart` behind the sign, `end` before the line's end. */
export interface Comment {
  readonly start: number;
  readonly textStart: number;
  readonly textEnd: number;
  readonly end: number;
}

/** A statement, argument, element or entry, to which a comment can belong. */
export interface Unit {
  readonly start: number;
  readonly end: number;
  /** Holds other units on lines of their own; a comment belongs to it only where it belongs to none of those. */
  readonly isBlock: boolean;
  collect(into: Collected): void;
}

export interface Collected {
  readonly candidates: Candidate[];
  readonly others: NotLiteral[];
}

/** Whether a text can hold a note at all; the cheap question before parsing. */
export function mayHoldNotes(text: string): boolean {
  return /@hpo|hpo:/.test(text);
}

/**
 * Finds the notes among the comments and what each belongs to: a trailing comment to the outermost units that end on
 * its line, one on a line of its own to the outermost unit that begins next (rule 2). `skip` matches, sticky, what may
 * stand between a comment and the next unit, such as the dash of a list.
 */
export function attachNotes(text: string, comments: readonly Comment[], units: readonly Unit[], skip: RegExp): FoundNote[] {
  const lines = lineMap(text);
  const notes: FoundNote[] = [];
  for (const [index, comment] of comments.entries()) {
    const body = noteBody(text, comment);
    if (body === null) continue;
    const lineStart = lines.starts[lines.lineOf(comment.start) - 1] ?? 0;
    const isOwnLine = text.slice(lineStart, comment.start).trim() === '';
    const found = isOwnLine ? following(text, comments, index, units, skip) : trailing(comment, units, lines);
    const collected: Collected = { candidates: [], others: [] };
    // A directive is about the study, not about what stands beside it.
    if (text[body.start] !== '.') for (const unit of found) unit.collect(collected);
    notes.push({
      start: comment.start,
      end: body.end,
      bodyStart: body.start,
      isOwnLine,
      ...collected,
      hasTarget: found.length > 0,
    });
  }
  return notes;
}

/** Where the note's own text stands in a comment: behind `@hpo`, to the end or to a further comment (`# noqa`). */
function noteBody(text: string, comment: Comment): { readonly start: number; readonly end: number } | null {
  const content = text.slice(comment.textStart, comment.textEnd);
  // `hpo:` is the alias, where a space, a name or a directive follows: it may also begin a sentence; a comment before the note (`# noqa  # @hpo bool`) is skipped.
  const mark = /(?:^|\s(?:#|\/\/))[#/*!\s]*(?:@hpo(?![\w-])|hpo:(?=\s*(?:\.\w|bool\b|[\w.-]+\s*[:(])))/.exec(content);
  if (mark === null) return null;
  const start = mark.index + mark[0].length;
  return { start: comment.textStart + start, end: comment.textStart + noteEnd(content, start) };
}

function noteEnd(content: string, from: number): number {
  let quoteSign: string | null = null;
  let end = from;
  for (let at = from; at < content.length; at++) {
    const sign = content[at] ?? '';
    if (quoteSign !== null) {
      if (sign === '\\') at++;
      else if (sign === quoteSign) quoteSign = null;
    } else if ((sign === '"' || sign === "'") && content.includes(sign, at + 1)) quoteSign = sign;
    else if (/\s/.test(content[at - 1] ?? '') && (sign === '#' || content.startsWith('//', at))) break;
    if (!/\s/.test(sign)) end = Math.min(at + 1, content.length);
  }
  return end;
}

function trailing(comment: Comment, units: readonly Unit[], lines: LineMap): Unit[] {
  const line = lines.lineOf(comment.start);
  const ending = units.filter(
    (unit) => !unit.isBlock && unit.end <= comment.start && unit.end > unit.start && lines.lineOf(unit.end - 1) === line,
  );
  if (ending.length > 0) return outermost(ending);
  // Nothing ends here: the comment stands behind an opening bracket or a key, and belongs to what that opens.
  const around = units.filter((unit) => unit.start < comment.start && unit.end > comment.start);
  const innermost = around.reduce<Unit | null>((best, unit) => (best === null || unit.start >= best.start ? unit : best), null);
  return innermost === null ? [] : [innermost];
}

function following(text: string, comments: readonly Comment[], index: number, units: readonly Unit[], skip: RegExp): Unit[] {
  let at = comments[index]?.end ?? 0;
  let next = index + 1;
  for (;;) {
    skip.lastIndex = at;
    at += skip.exec(text)?.[0].length ?? 0;
    const comment = comments[next];
    if (comment?.start !== at) break;
    at = comment.end;
    next++;
  }
  const starting = units.filter((unit) => unit.start === at);
  const plain = starting.filter((unit) => !unit.isBlock);
  return outermost(plain.length > 0 ? plain : starting);
}

function outermost(units: readonly Unit[]): Unit[] {
  const sorted = [...units].sort((a, b) => a.start - b.start || b.end - a.end);
  const kept: Unit[] = [];
  let end = -1;
  for (const unit of sorted) {
    if (unit.end <= end) continue;
    kept.push(unit);
    end = unit.end;
  }
  return kept;
}
