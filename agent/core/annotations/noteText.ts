/** Offset of the bracket that closes the one at `open`, texts in quotes skipped; null where none does before `end`. */
export function closingParen(text: string, open: number, end: number): number | null {
  let depth = 0;
  for (let at = open; at < end; at++) {
    const sign = text[at] ?? '';
    if (sign === '"' || sign === "'") at = quoteEnd(text, at, end);
    else if (sign === '(' || sign === '[') depth++;
    else if (sign === ')' || sign === ']') {
      depth--;
      if (depth <= 0) return sign === ')' ? at : null;
    }
  }
  return null;
}

/** Parts of [start, end) between commas outside of brackets and quotes, without the white space around them. */
export function splitArguments(
  text: string,
  start: number,
  end: number,
): { readonly start: number; readonly end: number; readonly text: string }[] {
  const parts: { readonly start: number; readonly end: number; readonly text: string }[] = [];
  let depth = 0;
  let from = start;
  const push = (to: number): void => {
    const raw = text.slice(from, to);
    const offset = from + (raw.length - raw.trimStart().length);
    const trimmed = raw.trim();
    parts.push({ start: offset, end: offset + trimmed.length, text: trimmed });
    from = to + 1;
  };
  for (let at = start; at < end; at++) {
    const sign = text[at] ?? '';
    if (sign === '"' || sign === "'") at = quoteEnd(text, at, end);
    else if (sign === '(' || sign === '[') depth++;
    else if (sign === ')' || sign === ']') depth--;
    else if (sign === ',' && depth === 0) push(at);
  }
  push(end);
  // A trailing comma ends the list, as in Python.
  if (parts.at(-1)?.text === '') parts.pop();
  return parts;
}

/** Offset of the closing quote; of the opening one where none closes it. */
function quoteEnd(text: string, open: number, end: number): number {
  for (let at = open + 1; at < end; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === text[open]) return at;
  }
  return open;
}
