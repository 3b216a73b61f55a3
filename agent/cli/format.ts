import type { Distribution, Params, ParamValue } from '../protocol/space.ts';
import type { MetricValue } from '../protocol/study.ts';

/** At most `digits` significant digits, as a person would write the number. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const text = Number(value.toPrecision(digits));
  return Math.abs(text) >= 1e-4 && Math.abs(text) < 1e9 ? String(text) : text.toExponential().replace('e+', 'e');
}

export function formatMetric(value: MetricValue | undefined): string {
  return value === undefined ? '–' : typeof value === 'number' ? formatNumber(value) : value;
}

export function formatValue(value: ParamValue): string {
  return typeof value === 'number' ? formatNumber(value) : JSON.stringify(value);
}

export function formatParams(params: Params): string {
  return Object.entries(params)
    .map(([name, value]) => `${name}=${formatValue(value)}`)
    .join(' ');
}

export function formatDistribution(distribution: Distribution): string {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') {
    const shown = distribution.choices.slice(0, 8).map(formatValue).join(', ');
    return `one of ${shown}${distribution.choices.length > 8 ? `, … (${distribution.choices.length})` : ''}`;
  }
  const { low, high, log, revlog, step, type } = distribution;
  const notes = [
    type === 'int' ? 'whole' : '',
    log ? 'log' : '',
    revlog ? 'revlog' : '',
    step === null || step === 1 ? '' : `step ${step}`,
  ];
  const words = notes.filter((note) => note !== '').join(', ');
  return `${formatNumber(low)} … ${formatNumber(high)}${words === '' ? '' : ` (${words})`}`;
}

/** `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} kB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
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

/**
 * Text that came from a user's program or file, for a terminal: control characters are shown, not obeyed, so that a
 * file name or a metric cannot move the cursor, set the title or turn the writing direction.
 */
export function printable(text: string): string {
  return text.replaceAll(
    /(?![\t\n])\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u{${character.charCodeAt(0).toString(16)}}`,
  );
}
