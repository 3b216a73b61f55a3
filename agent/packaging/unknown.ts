/** Members of an object that a parser of TOML, YAML or JSON gave; null for anything else. */
export function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : null;
}

/** The objects of a list; empty for anything else. */
export function records(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map((item) => record(item)).filter((item) => item !== null) : [];
}

/** The texts of a list; empty for anything else. */
export function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** What stands at a path of members, such as `tool`, `uv`; null where there is no object. */
export function recordAt(value: unknown, ...path: readonly string[]): Record<string, unknown> | null {
  let at = record(value);
  for (const name of path) at = at !== null && Object.hasOwn(at, name) ? record(at[name]) : null;
  return at;
}
