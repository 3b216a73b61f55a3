import { isVolume, parseVolume } from '../../protocol/clusterWords.ts';
import { isReservedName } from '../../protocol/metricNames.ts';
import type { MetricSource, Objective } from '../../protocol/space.ts';
import { type DirectiveName, type SettingsName, directiveNames } from './directiveKeys.ts';
import { type Faults, replaceBy } from './faults.ts';
import type { KubernetesSection } from './kubernetesSection.ts';
import { noteDialect, parseLiteral } from './literal.ts';
import { parseMetric } from './metricDirective.ts';
import { metricDirection } from './metricName.ts';
import { type Range, type Word, match, skipSpace } from './note.ts';
import { parseSettings } from './settingsDirective.ts';
import { nearest, quote } from './text.ts';
import { unquote, wordsIn } from './words.ts';

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
    /** Of settings files only. */
    | { readonly type: 'kubernetes'; readonly section: KubernetesSection }
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
      const volume = isVolume(from) ? parseVolume(from) : null;
      if (typeof volume === 'string') {
        faults.add('HPO-1128', whole.start, whole.end, `data on a cluster needs ${volume}, not "${quote(from)}"`);
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
  if (isReservedName(metric.text)) {
    faults.add('HPO-1124', metric.start, metric.end, `no metric can be called ${metric.text}: every object has that name`);
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
