import { compare } from './report.mjs';
import { mean, ratio } from './statistics.mjs';

/**
 * @typedef {{ name: string, target: string, measured: string, met: boolean | null }} Target  met: null where it was not measured
 */

/** Sequential: ratios of regret after 60 evaluations, and ranks. @returns {Target[]} */
export function sequentialTargets(regrets, standing) {
  const below = (ours, theirs, limit, { strict = false, label }) => {
    const found = compare(regrets, ours, theirs, 60);
    const name = `regret of ${ours} / ${label}`;
    const target = `≤ ${limit.toFixed(2)}${strict ? ', interval below 1' : ''}`;
    if (found === null) return { name, target, measured: 'not measured', met: null };
    const { value, interval } = found.ratio;
    return {
      name,
      target,
      measured: `${show(found.ratio)} on ${found.cells} cells of ${found.problems} problems`,
      met: value <= limit && (!strict || interval[1] < 1),
    };
  };
  const best = standing?.rows.toSorted((a, b) => a.rank - b.rank)[0];
  const hebo = compare(regrets, 'auto', 'hebo', 60);
  return [
    below('auto', 'optuna-tpe', 0.7, { strict: true, label: 'Optuna TPE' }),
    below('auto', 'smac', 0.65, { label: 'SMAC3' }),
    below('auto', 'optuna-gp', 1, { label: 'Optuna GPSampler' }),
    {
      name: 'best mean rank of all',
      target: 'auto',
      measured: best === undefined ? 'not measured' : `${best.method} (${best.rank.toFixed(2)})`,
      met: best === undefined ? null : best.method === 'auto',
    },
    below('auto', 'hebo', 1, { label: 'HEBO (stretch)' }),
    {
      name: 'time of auto / HEBO (stretch)',
      target: '≤ 1/20',
      measured: hebo === null ? 'not measured' : `1/${Math.round(hebo.ms[1] / hebo.ms[0])}`,
      met: hebo === null ? null : hebo.ms[0] * 20 <= hebo.ms[1],
    },
    below('tpe', 'optuna-tpe', 1.05, { label: 'Optuna TPE' }),
  ];
}

/** Batches: `byWorkers` has the regrets with 1, 8 and 32 workers. @returns {Target[]} */
export function batchTargets(byWorkers) {
  return ['auto', 'tpe'].flatMap((method) => {
    const [one, , many] = byWorkers;
    const keys = many.regrets.shared([method]).filter((key) => one.regrets.shared([method]).includes(key));
    if (keys.length === 0) return [];
    const found = ratio(keys.map((key) => [many.regrets.regret(method, key, 96), one.regrets.regret(method, key, 96)]));
    const duplicates = mean(keys.map((key) => many.regrets.cell(method, key).duplicates));
    return [
      {
        name: `${method}: regret with 32 workers / with 1`,
        target: '≤ 1.30',
        measured: `${show(found)} on ${keys.length} cells`,
        met: found.value <= 1.3,
      },
      {
        name: `${method}: duplicates in 96 with 32 workers`,
        target: '< 1',
        measured: duplicates.toFixed(2),
        met: duplicates < 1,
      },
    ];
  });
}

/** @returns {Target[]} */
export function costTargets({ asks, rungs }) {
  const rows = asks.filter(({ target }) => target !== null);
  return [
    ...rows.map(({ ours, theirs, n, msOurs, msTheirs, target, met }) => ({
      name: `ask after ${n.toLocaleString('en')}: ${ours}${target.includes('ms') ? '' : ` / ${theirs}`}`,
      target,
      measured: target.includes('ms') ? `${msOurs.toFixed(3)} ms` : `1/${(msTheirs / msOurs).toFixed(1)}`,
      met,
    })),
    ...['asha-stop', 'asha-promote'].map((name) => {
      const [few, many] = rungs.filter((row) => row.name === name).map(({ us }) => us);
      return {
        name: `rung decision, ${name}, at 1,000 and 100,000 trials`,
        target: '≤ 20 µs, at most doubling',
        measured: `${few.toFixed(1)} and ${many.toFixed(1)} µs`,
        met: many <= 20 && many <= 2 * few,
      };
    }),
  ];
}

const show = ({ value, interval: [low, high] }) => `${value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
