import type { LiteralNode } from '../literal.ts';
import type { LiteralStyle } from '../render.ts';

export type LanguageId = 'python' | 'yaml' | 'toml' | 'json' | CodeId;
/** Read by words and signs, see `code.ts`. */
export type CodeId = 'c' | 'rust' | 'javascript' | 'r' | 'julia' | 'lua' | 'matlab';

/**
 * One language: finds the notes of a text and the literals that each may tune. Knows nothing of what notes say.
 * A new language (or notebooks) is a new file with one of these, listed in `languages/index.ts`.
 */
export interface Language {
  readonly id: LanguageId;
  /** With the dot, in lower case. */
  readonly extensions: readonly string[];
  /** Never throws; a broken text gives what could be read. */
  notes(text: string): readonly FoundNote[];
  readonly style: LiteralStyle;
}

/** One comment with a note. All offsets are UTF-16 units into the whole text. */
export interface FoundNote {
  /** From the sign of the comment to the end of the note. */
  readonly start: number;
  readonly end: number;
  /** What stands behind `@hpo`; begins with `.` for a directive. */
  readonly bodyStart: number;
  /** A note of its own line, as against one behind code. */
  readonly isOwnLine: boolean;
  /** What the note belongs to: empty when there is nothing. */
  readonly candidates: readonly Candidate[];
  /** What stands where a literal could, for messages. */
  readonly others: readonly NotLiteral[];
  readonly hasTarget: boolean;
}

export interface Candidate {
  /** Assignment target, keyword, key or option; null for an element or a positional argument. */
  readonly name: string | null;
  /** Longer spelling of the name, `optimizer.lr`, which a note may use too. */
  readonly path: string | null;
  /** Name to take when this is the only literal: the target of the assignment around it. */
  readonly fallback: string | null;
  /** Function or class around it, for proposing a name. */
  readonly scope: string | null;
  readonly start: number;
  readonly end: number;
  readonly literal: LiteralNode;
}

/** A value that cannot be tuned, in words: "a call". */
export interface NotLiteral {
  readonly name: string | null;
  readonly what: string;
  readonly start: number;
  readonly end: number;
}
