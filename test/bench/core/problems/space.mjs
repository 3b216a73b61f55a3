// Distributions and parameters in the form that `hpo space --json` prints.

export const float = (low, high, log = false) => ({ type: 'float', low, high, log, revlog: false, step: null });
export const int = (low, high, log = false) => ({ type: 'int', low, high, log, revlog: false, step: null });
export const choice = (...choices) => ({ type: 'categorical', choices });
export const ordinal = (...choices) => ({ type: 'ordinal', choices });

/** A parameter without a default: a default would be trial 0 of ours, and peers are given none. */
export const parameter = (name, distribution, when = null) => ({
  name,
  distribution,
  when,
  sink: { type: 'literal' },
  site: { file: 'train.py', line: 1, column: 1 },
  literal: null,
});
