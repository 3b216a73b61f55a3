import type { History } from '../history.ts';
import { type Acquisition, logProbabilityBelow } from './acquisition.ts';
import type { GpModel } from './model.ts';
import { labels, type Limits, measured } from './prior.ts';
import { chooseRows, type TrainingSet } from './trainingSet.ts';

/**
 * How likely a trial delivers a usable result, as factors of the acquisition (J. R. Gardner et al.: Bayesian optimization with
 * inequality constraints, ICML 2014). One model for each measured constraint, of how far it is violated; and one for trials
 * that broke otherwise, of −1 (worked) and 1 (broke), whose sign is the prediction. Empty where nothing ever went wrong.
 */
export function feasibilityOf(
  history: History,
  training: TrainingSet,
  maxRows: number,
  fit: (rows: readonly number[], y: Float64Array, purpose: string, limits: Limits) => GpModel,
): Acquisition[] {
  const parts: Acquisition[] = [];
  const { worked, broke } = training;
  if (broke.length > 0 && worked.length > 0) {
    const all = [...worked, ...broke].sort((a, b) => a - b);
    const isBroken = new Set(broke);
    const signs = Float64Array.from(all, (row) => (isBroken.has(row) ? 1 : -1));
    const chosen = chooseRows(signs, maxRows);
    const rows = chosen.map((index) => all[index] ?? 0);
    const y = Float64Array.from(chosen, (index) => signs[index] ?? 0);
    parts.push(logProbabilityBelow(fit(rows, y, 'broke', labels), 0, labelWeight));
  }
  for (let constraint = 0; constraint < nConstraints(history); constraint++) {
    const rows: number[] = [];
    const violations: number[] = [];
    for (let row = 0; row < history.size; row++) {
      const { state, violations: known } = history.at(row);
      const violation = known?.[constraint] ?? NaN;
      if (state === 'pending' || Number.isNaN(violation)) continue;
      rows.push(row);
      violations.push(violation);
    }
    if (rows.length < 3 || !violations.some((violation) => violation > 0)) continue;
    const y = scaled(Float64Array.from(violations));
    const chosen = chooseRows(y.map(Math.abs), maxRows);
    const model = fit(
      chosen.map((index) => rows[index] ?? 0),
      Float64Array.from(chosen, (index) => y[index] ?? 0),
      `constraint ${constraint}`,
      measured,
    );
    parts.push(logProbabilityBelow(model, 0));
  }
  return parts;
}

/** Power of the probability that a trial works: a regression of labels is timid, and a trial that breaks teaches little else. */
const labelWeight = 3;

function nConstraints(history: History): number {
  for (let row = 0; row < history.size; row++) {
    const count = history.at(row).violations?.length ?? 0;
    if (count > 0) return count;
  }
  return 0;
}

/** In units of the typical size, large ones compressed; 0, where feasibility begins, stays 0. */
function scaled(violations: Float64Array): Float64Array {
  const sizes = violations
    .map(Math.abs)
    .filter((size) => size > 0 && size < Infinity)
    .sort();
  const typical = sizes[sizes.length >> 1] ?? 1;
  return violations.map((violation) => Math.asinh(Math.max(-1e300, Math.min(1e300, violation)) / typical));
}
