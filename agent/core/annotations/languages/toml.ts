import { parseLiteral, tomlDialect } from '../literal.ts';
import { doubleQuoted } from '../render.ts';
import { type Collected, type Unit, attachNotes, mayHoldNotes } from './attach.ts';
import type { FoundNote, Language } from './language.ts';
import { type TomlEntry, scanToml } from './tomlScan.ts';

export const toml: Language = {
  id: 'toml',
  extensions: ['.toml'],
  notes(text: string): readonly FoundNote[] {
    if (!mayHoldNotes(text)) return [];
    const { entries, comments } = scanToml(text);
    const units = entries.map(
      (entry): Unit => ({
        start: entry.keyStart,
        end: entry.end,
        isBlock: false,
        collect: (into) => collect(entry, entries, into),
      }),
    );
    return attachNotes(
      text,
      comments.map(({ start, end }) => ({ start, textStart: start + 1, textEnd: end, end })),
      units,
      /\s+/y,
    );
  },
  style: {
    read: (text) => parseLiteral(text, tomlDialect),
    string(value, model) {
      // TOML has no escape for half a surrogate pair.
      if (!value.isWellFormed()) return null;
      if (model?.text.startsWith("'") === true && !/['\p{Cc}]/u.test(value)) return `'${value}'`;
      return doubleQuoted(value);
    },
    word: (value) => (value === null ? null : String(value)),
    hasStrictFloats: false,
    hasLists: true,
    hasTuples: false,
    // A value ends with its line in TOML: only brackets can hold line breaks.
    padLines: () => null,
  },
};

function collect(entry: TomlEntry, entries: readonly TomlEntry[], into: Collected): void {
  const name = entry.type === 'element' ? null : (entry.path.at(-1) ?? null);
  if (entry.literal !== null) {
    const path = name === null || entry.path.length < 2 ? null : entry.path.join('.');
    into.candidates.push({
      name,
      path,
      fallback: null,
      scope: entry.path.at(-2) ?? null,
      start: entry.start,
      end: entry.end,
      literal: entry.literal,
    });
    return;
  }
  into.others.push({
    name,
    what: entry.type === 'other' ? 'a date or text over several lines' : 'a table',
    start: entry.start,
    end: entry.end,
  });
  for (const inner of entries) {
    const isChild =
      inner.start >= entry.start && inner.end <= entry.end && inner.path.length === entry.path.length + 1 && inner !== entry;
    if (isChild) collect(inner, entries, into);
  }
}
