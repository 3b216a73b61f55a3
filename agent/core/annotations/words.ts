import { type Word, match, skipSpace } from './note.ts';

/** Words between white space; a word that begins with a quote goes to its closing quote. */
export function wordsIn(text: string, start: number, end: number): Word[] {
  const words: Word[] = [];
  let at = skipSpace(text, start, end);
  while (at < end) {
    const word = match(text, at, end, /"(?:[^"\\]|\\[^])*"|'(?:[^'\\]|\\[^])*'|\S+/y);
    if (word === null) break;
    words.push(word);
    at = skipSpace(text, word.end, end);
  }
  return words;
}

export function unquote(word: string): string {
  return /^(["']).*\1$/s.test(word) && word.length > 1 ? word.slice(1, -1) : word;
}
