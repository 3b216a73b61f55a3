import { samplerNames, schedulerNames } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { type SettingsName, checkValue, directiveKeys, keyAliases, settingsNames } from './directiveKeys.ts';
import type { Directive } from './directive.ts';
import { type Faults, replaceBy } from './faults.ts';
import { type Range, type Word, match, parseSink, skipSpace } from './note.ts';
import { nearest, quote } from './text.ts';
import { unquote } from './words.ts';

/** A directive of `key=value` pairs, such as `@hpo.search trials=60 tpe`. */
export function parseSettings(name: SettingsName, text: string, body: Range, whole: Range, faults: Faults): Directive | null {
  const values: Record<string, Word> = {};
  let at = skipSpace(text, body.start, body.end);
  if (at >= body.end && name !== 'checkpoint' && name !== 'image') {
    const example = Object.values(directiveKeys[name])[0]?.example ?? '';
    faults.add('HPO-1133', whole.start, whole.end, `@hpo.${name} is empty: write for example ${example}`);
    return null;
  }
  if (at >= body.end && name === 'image') values['image'] = { text: 'auto', start: whole.start, end: whole.end };
  while (at < body.end) {
    const pair = match(text, at, body.end, /[A-Za-z_][\w-]*\s*=\s*(?:"[^"]*"|'[^']*'|\S+)/y);
    const via = pair === null && (name === 'folds' || name === 'seeds') ? match(text, at, body.end, /via(?![\w-])/y) : null;
    if (via !== null) {
      const { sink, end } = parseSink(text, via.end, body.end, faults);
      if (sink !== null) values['via'] = { text: text.slice(via.end, end).trim(), start: via.start, end };
      at = end;
    } else {
      const word = pair ?? match(text, at, body.end, /\S+/y);
      if (word === null) break;
      const [, key = '', value = ''] = pair === null ? [] : (/^([\w-]+)\s*=\s*(.*)$/s.exec(word.text) ?? []);
      const valueWord: Word = pair === null ? word : { text: unquote(value), start: word.end - value.length, end: word.end };
      addSetting(
        name,
        pair === null ? null : { text: key, start: word.start, end: word.start + key.length },
        valueWord,
        values,
        faults,
      );
      at = word.end;
    }
    at = skipSpace(text, at, body.end);
  }
  return { type: 'settings', name, values, ...whole };
}

/** Checks one `key=value`, or a bare word, and adds it to `values`. */
export function addSetting(
  name: SettingsName,
  key: Word | null,
  value: Word,
  values: Record<string, Word>,
  faults: Faults,
): void {
  const keys = directiveKeys[name];
  const bare = key === null ? keyOfBareWord(name, value.text) : null;
  const spelled = key?.text ?? bare;
  if (spelled === null) {
    const meant = nearest(value.text.split('=')[0] ?? '', Object.keys(keys));
    faults.add(
      'HPO-1104',
      value.start,
      value.end,
      `"${quote(value.text)}" is not known in @hpo.${name}; write key=value with one of ${Object.keys(keys).join(', ')}`,
      meant === null || !value.text.includes('=')
        ? null
        : replaceBy(`Write ${meant}`, value.start, value.start + value.text.indexOf('='), meant),
    );
    return;
  }
  const known = Object.hasOwn(keyAliases, spelled) ? (keyAliases[spelled] ?? spelled) : spelled;
  const entry = Object.hasOwn(keys, known) ? keys[known] : undefined;
  const place = key ?? value;
  if (entry === undefined) {
    const meant = nearest(spelled, [...Object.keys(keys), ...(name === 'search' ? Object.keys(keyAliases) : [])]);
    const elsewhere = settingsNames.find((other) => Object.hasOwn(directiveKeys[other], spelled));
    const hint =
      meant !== null
        ? `; did you mean ${meant}?`
        : elsewhere !== undefined
          ? `; it belongs to @hpo.${elsewhere}`
          : `; known are ${Object.keys(keys).join(', ')}`;
    faults.add(
      'HPO-1104',
      place.start,
      place.end,
      `"${quote(spelled)}" is not known in @hpo.${name}${hint}`,
      meant === null ? null : replaceBy(`Write ${meant}`, place.start, place.end, meant),
    );
    return;
  }
  if (Object.hasOwn(values, known)) {
    faults.add('HPO-1125', place.start, value.end, `${spelled} stands twice in @hpo.${name}; the first counts`);
    return;
  }
  const wrong = checkValue(entry.kind, value.text);
  if (wrong !== null) {
    const meant = wrong.mended ?? (entry.kind.type === 'word' ? nearest(value.text, entry.kind.words) : null);
    faults.add(
      'HPO-1105',
      value.start,
      value.end,
      `${spelled} needs ${wrong.message}, not "${quote(value.text)}"${entry.kind.type === 'word' && meant !== null ? `; did you mean ${meant}?` : ''}`,
      meant === null ? null : replaceBy(`Write ${meant}`, value.start, value.end, meant),
    );
    return;
  }
  values[known] = value;
}

/** The key that a word without one stands for: `@hpo.search tpe`, `@hpo.image auto`, `@hpo.folds 5`. */
function keyOfBareWord(name: SettingsName, word: string): string | null {
  const has = (names: readonly string[]): boolean => names.includes(word);
  switch (name) {
    case 'search':
      return has(samplerNames) ? 'sampler' : has(schedulerNames) ? 'scheduler' : null;
    case 'folds':
      return /^\d+$/.test(word) ? 'k' : null;
    case 'seeds':
      return /^\d+$/.test(word) ? 'n' : null;
    case 'checkpoint':
      return 'dir';
    case 'image':
      return 'image';
    case 'budget':
    case 'resources':
    case 'retry':
      return null;
    default:
      return unreachable(name);
  }
}
