import { overTrials } from './report.mjs';
import { interval, mean } from './statistics.mjs';
import { lineChart } from './svg.mjs';

/** File name → SVG of the sequential comparison. */
export function sequentialPlots(regrets, methods, labels, trials) {
  const lines = (kind) =>
    overTrials(regrets, methods, trials, kind).map(({ method, points }) => ({ label: labels.get(method), points }));
  const about = `${regrets.shared(methods).length} cells`;
  return {
    'core-regret.svg': lineChart({
      title: `Normalised regret over trials, ${about}, 95 % intervals`,
      x: 'trials',
      y: 'mean normalised regret',
      lines: lines('regret'),
      logY: true,
    }),
    'core-rank.svg': lineChart({
      title: `Mean rank over trials (1 is best), ${about}, 95 % intervals`,
      x: 'trials',
      y: 'mean rank',
      lines: lines('rank'),
    }),
  };
}

/** Time of a proposal over the length of the history. */
export function costPlot(costs, labels) {
  const series = new Map();
  for (const { ours, theirs, n, msOurs, msTheirs } of costs)
    for (const [method, ms] of [
      [ours, msOurs],
      [theirs, msTheirs],
    ])
      series.set(method, new Map(series.get(method)).set(n, ms));
  return lineChart({
    title: 'Time of an ask over the number of trials, ten mixed parameters',
    x: 'trials in the history',
    y: 'ms, median',
    lines: [...series].map(([method, points]) => ({
      label: labels.get(method),
      points: [...points].sort((a, b) => a[0] - b[0]),
    })),
    logX: true,
    logY: true,
  });
}

/**
 * Regret over simulated time with W workers. The unit of time is what one trial of random search takes on that problem on average, so
 * that 96 units is a sequential random search of 96 trials.
 * @param {{ label: string, regrets: import('./report.mjs').Regrets, method: string, keys: string[], unit(key: string): number }[]} series
 */
export function anytimePlot(series, horizon = 96) {
  const steps = Array.from({ length: 60 }, (_, k) => horizon ** ((k + 1) / 60));
  return lineChart({
    title: 'Any-time performance: regret over simulated time, 95 % intervals',
    x: 'time, in mean durations of a random trial',
    y: 'mean normalised regret',
    lines: series.map(({ label, regrets, method, keys, dash, ...rest }) => ({
      label,
      dash,
      points: steps.flatMap((step) => {
        const values = keys.map((key) => {
          const cell = regrets.cell(method, key);
          const found = cell.best.findLast(([, , time]) => time <= step * rest.unit(key));
          return found === undefined ? null : regrets.regretOfLoss(cell.problem, found[1]);
        });
        return values.includes(null) ? [] : [[step, mean(values), ...interval(values, mean, 300)]];
      }),
    })),
    logX: true,
    logY: true,
  });
}
