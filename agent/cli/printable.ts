/**
 * Text that came from a user's program or file, for a terminal: control characters are shown, not obeyed, so that a
 * file name or a metric cannot move the cursor, set the title or turn the writing direction. A line may end in CR LF.
 */
export function printable(text: string): string {
  return text.replaceAll(
    /(?![\t\n]|\r\n)\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u{${character.charCodeAt(0).toString(16)}}`,
  );
}

/** Columns as wide as their widest cell; the last one is left as it is. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
