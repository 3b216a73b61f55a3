import { createHash } from 'node:crypto';
import { record } from '../unknown.ts';

/**
 * As Python's `json.dumps(value, sort_keys=True)` writes it, in ASCII; `isCompact` with `separators=(",", ":")`. The tools hash
 * this text of a manifest and keep the hash in their lock.
 */
export function pythonJson(value: unknown, isCompact = false): string {
  const [comma, colon] = isCompact ? [',', ':'] : [', ', ': '];
  const table = record(value);
  if (Array.isArray(value)) return `[${value.map((item) => pythonJson(item, isCompact)).join(comma)}]`;
  if (table !== null) {
    const members = Object.keys(table).sort();
    return `{${members.map((name) => `${ascii(name)}${colon}${pythonJson(table[name], isCompact)}`).join(comma)}}`;
  }
  return typeof value === 'string'
    ? ascii(value)
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : 'null';
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function ascii(value: string): string {
  return JSON.stringify(value).replaceAll(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
