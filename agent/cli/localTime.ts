/** `2026-03-14 15:09`, where the reader is. */
export function localTime(ms: number): string {
  return new Date(ms).toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short' });
}
