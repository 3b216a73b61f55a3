import type { Comment } from './attach.ts';

/** How the words and signs of a language are told apart. All expressions are sticky. */
export interface Lexis {
  /** Each with the lengths of the signs that open and close it. */
  readonly comments: readonly { readonly shape: RegExp; readonly open: number; readonly close: number }[];
  /** Texts and the like that are never tuned, and in which nothing is a comment. */
  readonly opaque: RegExp;
  readonly string: RegExp;
  readonly word: RegExp;
  readonly number: RegExp;
}

export interface CodeToken {
  readonly type: 'number' | 'string' | 'word' | 'other';
  readonly start: number;
  /** Of a number without its suffix, `0.1` of `0.1f`. */
  readonly valueEnd: number;
  readonly end: number;
  readonly text: string;
}

const otherRadix = /0[xXbBoO][\w.']*/y;
/** What says the type of a number, and stays when the number changes. */
const suffix = /(?:_?[iuf](?:8|16|32|64|128|size)|[fFlLuUdDmMn]{1,3})(?!\w)/y;
const sign = /<<-|<-|=>|::|[-+*/%&|^=!<>]=|[^\s\w]/uy;

/** The words and signs of a program, and its comments. Never throws: what is not understood is a sign. */
export function scanCode(
  text: string,
  lexis: Lexis,
): { readonly tokens: readonly CodeToken[]; readonly comments: readonly Comment[] } {
  const tokens: CodeToken[] = [];
  const comments: Comment[] = [];
  let at = 0;
  const endOf = (shape: RegExp, from = at): number => {
    shape.lastIndex = from;
    return from + (shape.exec(text)?.[0].length ?? 0);
  };
  const add = (type: CodeToken['type'], end: number, valueEnd = end): void => {
    tokens.push({ type, start: at, valueEnd, end, text: text.slice(at, end) });
    at = end;
  };
  while (at < text.length) {
    if (/\s/.test(text[at] ?? '')) {
      at++;
      continue;
    }
    const comment = lexis.comments.find(({ shape }) => endOf(shape) > at);
    if (comment !== undefined) {
      const end = endOf(comment.shape);
      // Below the first line of a comment stands prose, or code that is out of use.
      const lineEnd = at + (/[\r\n]/.exec(text.slice(at, end))?.index ?? end - at - comment.close);
      comments.push({ start: at, textStart: at + comment.open, textEnd: Math.max(at + comment.open, lineEnd), end });
      at = end;
    } else if (endOf(lexis.opaque) > at) add('other', endOf(lexis.opaque));
    else if (endOf(lexis.string) > at) add('string', endOf(lexis.string));
    else if (endOf(lexis.word) > at) add('word', endOf(lexis.word));
    else if (endOf(otherRadix) > at) add('other', endOf(otherRadix));
    else if (endOf(lexis.number) > at) {
      const valueEnd = endOf(lexis.number);
      const end = endOf(suffix, valueEnd);
      // `2x` is no number with a suffix.
      add(/\w/.test(text[end] ?? '') ? 'other' : 'number', end, valueEnd);
    } else add('other', Math.max(endOf(sign), at + 1));
  }
  return { tokens, comments };
}
