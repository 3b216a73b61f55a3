import type { Distribution, Parameter, ParamValue } from '../protocol/space.ts';
import type { MetricValue, TrialState } from '../protocol/study.ts';
import { unreachable } from '../protocol/view.ts';

/** Pure translations of our vocabulary into what stands in an Optuna database. */

export type OptunaState = 'RUNNING' | 'COMPLETE' | 'PRUNED' | 'FAIL' | 'WAITING';

/** Optuna has no paused, infeasible or cancelled: those live on in `hpo_trial` and in attributes. */
export const optunaStates: Readonly<Record<TrialState, OptunaState>> = {
  waiting: 'WAITING',
  running: 'RUNNING',
  paused: 'RUNNING',
  complete: 'COMPLETE',
  pruned: 'PRUNED',
  failed: 'FAIL',
  infeasible: 'COMPLETE',
  cancelled: 'FAIL',
};

/** How one parameter of a space stands in `trial_params`. */
export interface OptunaParam {
  readonly json: string;
  /** Optuna's internal number of a value; null when the value is not of the distribution's kind (not a choice, not a number). */
  encode(value: ParamValue): number | null;
}

export function optunaParam(distribution: Distribution): OptunaParam {
  const json = optunaDistribution(distribution);
  if (distribution.type === 'float' || distribution.type === 'int') {
    return { json, encode: (value) => (typeof value === 'number' ? value : null) };
  }
  const indexes = new Map(distribution.choices.map((choice, index) => [JSON.stringify(choice), index]));
  return { json, encode: (value) => indexes.get(JSON.stringify(value)) ?? null };
}

/**
 * `distribution_json`. What Optuna lacks is left out: the order of an ordinal, revlog, and a step on a log scale
 * (Optuna refuses the two together). The study's attribute `hpo_space` keeps it all, tuples included.
 */
export function optunaDistribution(distribution: Distribution): string {
  switch (distribution.type) {
    case 'float': {
      const { low, log } = distribution;
      const step = log ? null : distribution.step;
      const high = step === null ? distribution.high : lastOnGrid(low, distribution.high, step);
      return JSON.stringify({ name: 'FloatDistribution', attributes: { step, low, high, log } });
    }
    case 'int': {
      const { low, log } = distribution;
      const step = log ? 1 : (distribution.step ?? 1);
      const high = low + Math.floor((distribution.high - low) / step) * step;
      return JSON.stringify({ name: 'IntDistribution', attributes: { log, step, low, high } });
    }
    case 'categorical':
    case 'ordinal':
      return JSON.stringify({ name: 'CategoricalDistribution', attributes: { choices: distribution.choices.map(optunaChoice) } });
    default:
      return unreachable(distribution);
  }
}

/**
 * Optuna stores what JSON holds but promises scalars alone, and its dashboard answers 500 to a choice that Python
 * cannot hash: tuples and lists are their JSON text.
 */
function optunaChoice(choice: ParamValue): ParamValue {
  return typeof choice === 'object' && choice !== null ? JSON.stringify(choice) : choice;
}

/** The largest low + k·step that is at most high; high itself when it is on the grid up to rounding. */
function lastOnGrid(low: number, high: number, step: number): number {
  const steps = (high - low) / step;
  if (Math.abs(steps - Math.round(steps)) < 1e-8) return high;
  // 0.1 + 2 × 0.3 is 0.7000000000000001: twelve digits give the decimal that the user would have written.
  return Number((low + Math.floor(steps) * step).toPrecision(12));
}

/** The two columns of a value; `NAN` is allowed for intermediate values only. */
export interface OptunaValue {
  readonly value: number | null;
  readonly type: 'FINITE' | 'INF_POS' | 'INF_NEG' | 'NAN';
}

export function optunaValue(value: MetricValue): OptunaValue {
  switch (value) {
    case 'nan':
      return { value: null, type: 'NAN' };
    case 'inf':
      return { value: null, type: 'INF_POS' };
    case '-inf':
      return { value: null, type: 'INF_NEG' };
    default:
      return { value, type: 'FINITE' };
  }
}

/** Local time without a zone, as Optuna's `datetime.now()` leaves it: `2026-11-22 06:39:51.937000`. */
export function optunaDatetime(at: number): string {
  const date = new Date(at);
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}000`;
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

/** What `hpo_space` keeps of each parameter: everything that Optuna's distributions cannot say. */
export function spaceAttribute(parameters: readonly Parameter[]): string {
  return JSON.stringify(parameters.map(({ name, distribution, when }) => ({ name, distribution, when })));
}
