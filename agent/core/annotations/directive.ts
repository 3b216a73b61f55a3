import { unreachable } from '../../protocol/view.ts';
import type { MetricSource, Objective } from '../../protocol/space.ts';
import { samplerNames, schedulerNames } from '../../protocol/study.ts';
import {
  type DirectiveName,
  type SettingsName,
  checkValue,
  directiveKeys,
  directiveNames,
  keyAliases,
  settingsNames,
} from './directiveKeys.ts';
import { type Faults, replaceBy } from './faults.ts';
import { noteDialect, parseLiteral } from './literal.ts';
import { metricDirection } from './metricName.ts';
import { type Range, type Word, match, parseSink, skipSpace } from './note.ts';
import { nearest, quote } from './text.ts';

/** What one directive says. Offsets count in the whole text. */
export type Directive = Range &
  (
    | { readonly type: 'objective'; readonly objective: Objective }
    | { readonly type: 'constraint' | 'where'; readonly condition: Word }
    | { readonly type: 'metric'; readonly source: MetricSource }
    | { readonly type: 'settings'; readonly name: SettingsName; readonly values: Readonly<Record<string, Word>> }
    | { readonly type: 'data'; readonly from: string; readonly to: string; readonly readOnly: boolean }
    | { readonly type: 'include'; readonly paths: readonly string[] }
    | { readonly type: 'secret'; readonly name: string }
  );

/** Reads a directive whose dot stands at `start`; null, with a fault, where it makes no sense. */
export function parseDirective(text: string, start: number, end: number, faults: Faults): Directive | null {
  const word = match(text, start + 1, end, /[A-Za-z_]\w*/y);
  if (word === null) {
    faults.add('HPO-1103', start, Math.min(end, start + 1), `behind "@hpo." stands a directive: ${directiveNames.join(', ')}`);
    return null;
  }
  const name = directiveNames.find((known) => known === word.text);
  if (name === undefined) {
    const meant = nearest(word.text, directiveNames);
    faults.add(
      'HPO-1103',
      word.start,
      word.end,
      `"@hpo.${word.text}" is not a directive${meant === null ? `; known are ${directiveNames.join(', ')}` : `; did you mean @hpo.${meant}?`}`,
      meant === null ? null : replaceBy(`Write @hpo.${meant}`, word.start, word.end, meant),
    );
    return null;
  }
  return parseDirectiveBody(
    name,
    text,
    { start: skipSpace(text, word.end, end), end },
    { start, end: Math.max(end, word.end) },
    faults,
  );
}

/** Reads what stands behind the name of a directive, in `body`; `whole` is blamed for what is missing. */
export function parseDirectiveBody(
  name: DirectiveName,
  text: string,
  body: Range,
  whole: Range,
  faults: Faults,
): Directive | null {
  const words = wordsIn(text, body.start, body.end);
  switch (name) {
    case 'objective':
      return parseObjective(words, whole, faults);
    case 'constraint':
    case 'where': {
      const condition = text.slice(body.start, body.end).trim();
      if (condition === '') {
        faults.add(
          'HPO-1133',
          whole.start,
          whole.end,
          `@hpo.${name} needs a condition, such as ${name === 'where' ? 'n_heads * 64 <= d_model' : 'latency_ms <= 20'}`,
        );
        return null;
      }
      return { type: name, condition: { text: condition, start: body.start, end: body.start + condition.length }, ...whole };
    }
    case 'metric':
      return parseMetric(text, body, whole, faults);
    case 'data': {
      const [from, arrow, to, mode, more] = words.map(({ text: word }) => unquote(word));
      if (
        from === undefined ||
        arrow !== '->' ||
        to === undefined ||
        (mode !== undefined && mode !== 'ro') ||
        more !== undefined
      ) {
        faults.add(
          'HPO-1128',
          whole.start,
          whole.end,
          `data is mapped as "./data -> /data" with ro behind it for read-only, not "${quote(text.slice(body.start, body.end))}"`,
        );
        return null;
      }
      return { type: 'data', from, to, readOnly: mode === 'ro', ...whole };
    }
    case 'include':
      if (words.length === 0) {
        faults.add('HPO-1133', whole.start, whole.end, '@hpo.include needs a file, such as conf/model.yaml');
        return null;
      }
      return { type: 'include', paths: words.map(({ text: word }) => unquote(word)), ...whole };
    case 'secret': {
      const [secret, ...more] = words;
      if (secret === undefined || more.length > 0 || !/^[A-Za-z_]\w*$/.test(secret.text)) {
        faults.add(
          secret === undefined ? 'HPO-1133' : 'HPO-1105',
          secret?.start ?? whole.start,
          words.at(-1)?.end ?? whole.end,
          `@hpo.secret needs the name of one environment variable${secret === undefined ? ', such as API_TOKEN' : `, not "${quote(text.slice(body.start, body.end))}"`}`,
        );
        return null;
      }
      return { type: 'secret', name: secret.text, ...whole };
    }
    default:
      return parseSettings(name, text, body, whole, faults);
  }
}

function parseObjective(words: readonly Word[], whole: Range, faults: Faults): Directive | null {
  const [metric, direction, ...rest] = words;
  if (metric === undefined) {
    faults.add('HPO-1124', whole.start, whole.end, 'an objective needs a metric and a direction, such as val_loss min');
    return null;
  }
  if (direction === undefined || direction.text.includes('=')) {
    const guess = metricDirection(metric.text);
    faults.add(
      'HPO-1124',
      metric.start,
      metric.end,
      `the objective ${metric.text} lacks its direction: write min or max behind it`,
      guess === null ? null : replaceBy(`Write ${metric.text} ${guess}`, metric.end, metric.end, ` ${guess}`),
    );
    return null;
  }
  if (direction.text !== 'min' && direction.text !== 'max') {
    const meant = /^(?:min|low|small|down)/i.test(direction.text)
      ? 'min'
      : /^(?:max|high|large|up)/i.test(direction.text)
        ? 'max'
        : nearest(direction.text, ['min', 'max']);
    faults.add(
      'HPO-1124',
      direction.start,
      direction.end,
      `"${direction.text}" is no direction; write min or max`,
      meant === null ? null : replaceBy(`Write ${meant}`, direction.start, direction.end, meant),
    );
    return null;
  }
  let goal: number | null = null;
  for (const word of rest) {
    const [, key = '', value = ''] = /^(\w+)=(.*)$/s.exec(word.text) ?? [];
    const number = parseLiteral(value, noteDialect)?.value;
    if (key !== 'goal') {
      const fix =
        nearest(key, ['goal']) === null
          ? replaceBy(`Remove "${word.text}"`, word.start, word.end, '')
          : replaceBy('Write goal', word.start, word.start + key.length, 'goal');
      faults.add(
        'HPO-1104',
        word.start,
        word.end,
        `"${quote(word.text)}" is not known here; behind the direction stands goal=NUMBER or nothing`,
        fix,
      );
    } else if (typeof number === 'number') goal = number;
    else faults.add('HPO-1105', word.start, word.end, `goal is a number, not "${quote(value)}"`);
  }
  return { type: 'objective', objective: { metric: metric.text, direction: direction.text, goal }, ...whole };
}

const sourceKinds = ['stdout', 'json', 'csv', 'tensorboard'] as const;

function parseMetric(text: string, body: Range, whole: Range, faults: Faults): Directive | null {
  const fail = (message: string, range: Range = whole): null => {
    faults.add('HPO-1126', range.start, range.end, message);
    return null;
  };
  const [name, from, kind, ...rest] = wordsIn(text, body.start, body.end);
  if (name === undefined)
    return fail('a metric needs its name and where it is read from, such as val_loss from stdout "val_loss=(\\S+)"');
  if (from?.text !== 'from' || kind === undefined)
    return fail(`behind ${name.text} stands "from" and one of ${sourceKinds.join(', ')}`, from ?? name);
  const source = sourceKinds.find((known) => known === kind.text);
  if (source === undefined) {
    const meant = nearest(kind.text, sourceKinds);
    faults.add(
      'HPO-1126',
      kind.start,
      kind.end,
      `"${kind.text}" is no source of a metric; known are ${sourceKinds.join(', ')}${meant === null ? '' : `; did you mean ${meant}?`}`,
      meant === null ? null : replaceBy(`Write ${meant}`, kind.start, kind.end, meant),
    );
    return null;
  }
  const [first, second, third, ...more] = rest;
  if (first === undefined)
    return fail(
      `${source} needs ${source === 'stdout' ? 'a regular expression in quotes' : source === 'tensorboard' ? 'a folder' : 'a file'}`,
      kind,
    );
  const range: Range = { start: whole.start, end: whole.end };
  if (source !== 'stdout') {
    if (second !== undefined) return fail(`"${quote(second.text)}" is not expected behind ${source} ${first.text}`, second);
    const path = unquote(first.text);
    return {
      type: 'metric',
      source:
        source === 'tensorboard' ? { type: source, metric: name.text, dir: path } : { type: source, metric: name.text, path },
      ...range,
    };
  }
  if (second !== undefined && second.text !== 'step')
    return fail(`"${quote(second.text)}" is not expected here; behind the expression stands step "REGEX" or nothing`, second);
  if (second !== undefined && third === undefined) return fail('step needs a regular expression in quotes', second);
  if (more[0] !== undefined) return fail(`"${quote(more[0].text)}" is not expected here`, more[0]);
  const pattern = readPattern(first, faults);
  const stepPattern = third === undefined ? null : readPattern(third, faults);
  if (pattern === null || (third !== undefined && stepPattern === null)) return null;
  return { type: 'metric', source: { type: 'stdout', metric: name.text, pattern, stepPattern }, ...range };
}

/** A regular expression in quotes: its backslashes are its own. */
function readPattern(word: Word, faults: Faults): string | null {
  const [, sign, inside = ''] = /^(["'])(.*)\1$/s.exec(word.text) ?? [];
  if (sign === undefined) {
    faults.add(
      'HPO-1127',
      word.start,
      word.end,
      `a regular expression stands in quotes, not ${quote(word.text)}`,
      replaceBy('Put it in quotes', word.start, word.end, `"${word.text.replaceAll('"', '\\"')}"`),
    );
    return null;
  }
  const pattern = inside.replaceAll(`\\${sign}`, sign);
  const message = patternFault(pattern);
  if (message === null) return pattern;
  const isUngrouped = message.startsWith('has no group');
  const fix =
    isUngrouped && /\\S[+*]$/.test(pattern)
      ? replaceBy('Make the end a group', word.end - 4, word.end - 1, `(${pattern.slice(-3)})`)
      : null;
  faults.add('HPO-1127', word.start, word.end, `the regular expression ${message}`, fix);
  return null;
}

/** Why a pattern cannot be used, in words; null when it can. */
export function patternFault(pattern: string): string | null {
  try {
    // With an empty alternative the expression matches anything, and the match shows how many groups there are.
    const groups = (new RegExp(`${pattern}|`).exec('')?.length ?? 1) - 1;
    return groups > 0 ? null : 'has no group: put the value in round brackets, such as (\\S+)';
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : String(error)}`;
  }
}

function parseSettings(name: SettingsName, text: string, body: Range, whole: Range, faults: Faults): Directive | null {
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
      return null;
    default:
      return unreachable(name);
  }
}

/** Words between white space; a word that begins with a quote goes to its closing quote. */
function wordsIn(text: string, start: number, end: number): Word[] {
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

function unquote(word: string): string {
  return /^(["']).*\1$/s.test(word) && word.length > 1 ? word.slice(1, -1) : word;
}
