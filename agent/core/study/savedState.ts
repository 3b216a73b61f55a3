import type { JournalEntry } from '../../protocol/events.ts';
import { metricNumber, metricValue, type TrialView } from '../../protocol/view.ts';
import type { MetricValue } from '../../protocol/study.ts';
import type { Observation } from '../samplers/index.ts';
import type { SchedulerState } from '../schedulers/index.ts';
import { StudyState } from './state.ts';

/**
 * A state as text, in pages of trials and the rest, so that what has not changed since the last time need not be written
 * again. What is loaded equals what was saved, to the hash (`stateHash`); a program of another version may not read it.
 */

/** Trials of a page. */
export const savedPageSize = 512;

/** Trials from `page * savedPageSize` on, and what the sampler knows of them. */
export function savePage(state: StudyState, page: number): string {
  const first = page * savedPageSize;
  const trials = state.view.trials.slice(first, first + savedPageSize);
  return JSON.stringify({ trials, rows: trials.map(({ number }) => rowOf(state, number)) });
}

/** Everything but the trials. */
export function saveRest(state: StudyState): string {
  const { view, history, baseline: _baseline, ...others } = state;
  const { trials, spec: _spec, ...study } = view;
  if (history.size !== trials.length) throw new TypeError(`the history has ${history.size} rows of ${trials.length} trials`);
  return JSON.stringify({ study: encode(study), others: encode(others) });
}

/**
 * The state that was saved. Throws where the texts are not its, or lack something.
 *
 * @param created the study's first entry
 */
export function loadStudy(created: JournalEntry, rest: string, pages: Iterable<string>): StudyState {
  // Written by `saveRest` of this very program, and kept by a checksum.
  const saved = JSON.parse(rest) as { study: unknown; others: unknown };
  const others = decode(saved.others) as { readonly schedulerState: SchedulerState };
  const state = new StudyState(created, others.schedulerState);
  const { schedulerState: _owned, ...fields } = others;
  Object.assign(state.view, decode(saved.study));
  Object.assign(state, fields);
  const { trials } = state.view;
  for (const text of pages) {
    const page = JSON.parse(text) as { trials: TrialView[]; rows: SavedRow[] };
    for (const [index, trial] of page.trials.entries()) {
      const row = page.rows[index];
      if (trial.number !== trials.length || row === undefined)
        throw new TypeError(`a page has trial ${trial.number} out of place`);
      trials.push(trial);
      state.history.upsert(observationOf(trial, row));
    }
  }
  return state;
}

/** State, values, resource, and where the study has them, curve and violations. */
type SavedRow = readonly [
  Observation['state'],
  readonly MetricValue[],
  number,
  (readonly MetricValue[])?,
  (readonly MetricValue[])?,
];

function rowOf({ history }: StudyState, number: number): (SavedRow[number] | null)[] {
  const { number: found, state, values, resource, curve, violations } = history.at(number);
  if (found !== number) throw new TypeError(`row ${number} of the history is of trial ${found}`);
  return [state, values.map(metricValue), resource, curve?.map(metricValue) ?? null, violations?.map(metricValue) ?? null];
}

function observationOf({ number, params }: TrialView, [state, values, resource, curve, violations]: SavedRow): Observation {
  return {
    number,
    params,
    state,
    values: values.map(metricNumber),
    resource,
    ...(curve == null ? {} : { curve: curve.map(metricNumber) }),
    ...(violations == null ? {} : { violations: violations.map(metricNumber) }),
  };
}

/** Numbers that JSON lacks, maps and sets get a name of their own; anything else that is no plain data is refused. */
function encode(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : { '#number': String(value) };
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(encode);
  if (value instanceof Map) return { '#map': [...value].map(encode) };
  if (value instanceof Set) return { '#set': [...value].map(encode) };
  if (Object.getPrototypeOf(value) !== Object.prototype) throw new TypeError(`no plain data: ${value.constructor.name}`);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, encode(field)]));
}

function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const fields = Object.entries(value) as [string, unknown][];
  const [[name, content] = ['', null]] = fields;
  if (fields.length === 1 && name === '#number') return Number(content);
  if (fields.length === 1 && name === '#map') return new Map(decode(content) as [unknown, unknown][]);
  if (fields.length === 1 && name === '#set') return new Set(decode(content) as unknown[]);
  return Object.fromEntries(fields.map(([field, inner]) => [field, decode(inner)]));
}
