/** A `# /// script` block. The expression is that of PEP 723. */
export interface InlineBlock {
  /** Its TOML, without the comment signs. */
  readonly toml: string;
  /** As it stands in the script, with the lines that begin and end it. */
  readonly source: string;
  /** Line of the script, from 1, on which it begins. */
  readonly line: number;
}

/** Null for a script without one. */
export function inlineBlock(script: string): InlineBlock | null {
  const match = /^# \/\/\/ script[ \t]*\r?\n((?:#(?:| .*)\r?\n)+?)# \/\/\/[ \t]*\r?$/m.exec(script);
  const [source, content] = match ?? [];
  if (match === null || source === undefined || content === undefined) return null;
  return { toml: content.replace(/^# ?/gm, ''), source, line: script.slice(0, match.index).split('\n').length };
}
