/**
 * Text that came from a user's program or file, for people: what would be obeyed instead of shown is written as its
 * code, so that a file name or a metric cannot move the cursor, set the title or turn the writing direction. Tabs and
 * line ends stay; a line may end in CR LF.
 */
export function printable(text: string): string {
  return text.replaceAll(obeyed, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`);
}

/** The same in JSON, where it is the same value still. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(obeyed, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** In one line, where an end of a line would pass what follows for something else. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/\s*\n\s*/g, ' '));
}

/** Control characters of both sets, the marks that turn the writing direction, and Unicode's own line ends. */
const obeyed = /(?![\t\n]|\r\n)\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
