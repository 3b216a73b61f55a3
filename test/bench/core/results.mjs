import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { methods } from './methods.mjs';
import { anytimePlot, costPlot, sequentialPlots } from './plots.mjs';
import { byFamily, compare, Regrets, standings } from './report.mjs';
import { interval, mean } from './statistics.mjs';
import { batchTargets, costTargets, sequentialTargets } from './targets.mjs';
import { versionOf } from './tuners.mjs';

const folder = new URL('../results/', import.meta.url);
const readme = new URL('../../../README.md', import.meta.url);
const labels = new Map(methods.map(({ name, label }) => [name, label]));
const at = [20, 40, 60];

/**
 * Tables, charts and targets of what is recorded. Without new costs the old ones stay.
 * @param {{ cells: import('./cells.mjs').Cell[], problems: import('./problems.mjs').Problem[], costs: object | null }} data
 */
export function writeResults({ cells, problems, costs }) {
  mkdirSync(folder, { recursive: true });
  const file = new URL('core.json', folder);
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const measuredCosts = costs ?? before.costs ?? null;
  // What was recorded for batches may be of another day than what was recorded one after the other.
  const versions = { sequential: latestVersions(cells, 60), batches: latestVersions(cells, 96) };
  const of = (trials, workers) =>
    new Regrets(cells, problems, { trials, workers, versions: trials === 60 ? versions.sequential : versions.batches });
  const families = new Map(problems.map(({ name, family }) => [name, family]));

  const regrets = of(60, 1);
  const groups = comparisons(regrets);
  const tables = groups.map(({ title, names }) => ({ title, ...standings(regrets, names, at) }));
  const rivals = ['optuna-tpe', 'optuna-tpe4', 'optuna-gp', 'smac', 'hebo', 'optuna-cmaes', 'optuna-qmc', 'random'];
  const pairs = ['auto', 'gp', 'tpe'].flatMap((ours) =>
    rivals.map((theirs) => compare(regrets, ours, theirs, 60)).filter((row) => row !== null),
  );

  const byWorkers = [1, 8, 32].map((workers) => ({ workers, regrets: of(96, workers) }));
  const batches = batchRows(byWorkers);
  const dear = tables.find(({ title }) => title === titles.dear) ?? tables[0];
  const targets = [
    ...(dear === undefined ? [] : sequentialTargets(regrets, dear)),
    ...batchTargets(byWorkers),
    ...(measuredCosts === null ? [] : costTargets(measuredCosts)),
  ];
  const [widest] = groups;
  const family = widest === undefined ? null : { methods: widest.names, rows: byFamily(regrets, widest.names, families, 60) };
  const machine = `${availableParallelism()} cores, shared with other work; OMP_NUM_THREADS=1`;
  const results = {
    machine,
    versions: { sequential: Object.fromEntries(versions.sequential), batches: Object.fromEntries(versions.batches) },
    tables,
    pairs,
    batches,
    costs: measuredCosts,
    targets,
    family,
  };
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);

  const drawn = groups.find(({ title }) => title === titles.dear) ?? widest;
  const charts = drawn === undefined ? {} : sequentialPlots(regrets, drawn.names, labels, 60);
  if (measuredCosts !== null) charts['core-cost.svg'] = costPlot(measuredCosts.asks, labels);
  const series = anytimeSeries(byWorkers);
  if (series.length > 0) charts['core-anytime.svg'] = anytimePlot(series);
  for (const [name, svg] of Object.entries(charts)) writeFileSync(new URL(name, folder), svg);

  const text = markdown(results, Object.keys(charts));
  writeFileSync(new URL('core.md', folder), text);
  writeReadme(results);
  console.log(text);
}

/**
 * Methods that are compared on the cells that all of them have: those that ran on most cells where `auto` did, those and the ones that cost
 * more, all samplers of ours, and HEBO on the few cells of its own.
 */
function comparisons(regrets) {
  const ran = (name) => regrets.cellsOf(name).length;
  const names = methods.map(({ name }) => name).filter((name) => ran(name) > 0);
  const most = Math.max(0, ...names.map(ran));
  const wide = names.filter((name) => ran(name) >= 0.7 * (ran('auto') || most));
  const own = methods.filter(({ name, peer }) => peer === null && ran(name) > 0).map(({ name }) => name);
  const dear = [...new Set([...wide, ...['optuna-gp', 'smac'].filter((name) => ran(name) > 0)])];
  return [
    { title: titles.wide, names: wide },
    { title: titles.dear, names: dear.length === wide.length ? [] : dear },
    {
      title: titles.own,
      names: own.every((name) => wide.includes(name)) ? [] : [...own, 'optuna-tpe'].filter((name) => ran(name) > 0),
    },
    { title: titles.hebo, names: ran('hebo') > 0 && !wide.includes('hebo') ? [...dear, 'hebo'] : [] },
  ].filter((group) => group.names.length > 1 && regrets.shared(group.names).length > 0);
}

const titles = {
  wide: 'Sequential, 60 evaluations',
  dear: 'The same with the tuners that cost more, on the cells that these have',
  own: 'All samplers of ours',
  hebo: 'The same with HEBO, on its cells',
};

/** Of each method the version that the sources have now, where something of it is recorded; else the last that was. */
function latestVersions(cells, trials) {
  const own = cells.filter((cell) => cell.trials === trials);
  const last = new Map(own.map(({ method, version }) => [method, version]));
  for (const method of methods) {
    const now = versionOf(method);
    if (own.some((cell) => cell.method === method.name && cell.version === now)) last.set(method.name, now);
  }
  return last;
}

function batchRows(byWorkers) {
  return methods.flatMap(({ name }) => {
    const keys = byWorkers.map(({ regrets }) => regrets.shared([name])).reduce((a, b) => a.filter((key) => b.includes(key)));
    if (keys.length === 0) return [];
    const columns = byWorkers.map(({ workers, regrets }) => {
      const values = keys.map((key) => regrets.regret(name, key, 96));
      const duplicates = mean(keys.map((key) => regrets.cell(name, key).duplicates));
      return { workers, regret: mean(values), interval: interval(values, mean), duplicates };
    });
    return [{ method: name, cells: keys.length, columns }];
  });
}

function anytimeSeries(byWorkers) {
  const [sequential] = byWorkers;
  const unit = (key) => {
    const { end, trials } = sequential.regrets.cell('random', key);
    return end / trials;
  };
  return ['auto', 'optuna-tpe'].flatMap((method, which) =>
    byWorkers.flatMap(({ workers, regrets }) => {
      const keys = regrets.shared([method]).filter((key) => sequential.regrets.shared(['random']).includes(key));
      const label = `${labels.get(method).replace(/ \(.*/, '')}, ${workers} worker${workers === 1 ? '' : 's'}`;
      return keys.length === 0 ? [] : [{ label, regrets, method, keys, unit, dash: which === 1 }];
    }),
  );
}

function markdown({ machine, versions, tables, pairs, batches, costs, targets, family }, charts) {
  const parts = [
    '# The tuning core beside its peers',
    'Made by `npm run bench -- core`. Ours go through `hpo serve`, peers through their own ask and tell, on the same problems and seeds. ' +
      'Regret = (best found − best known) / (median of random points − best known): 0 is the best known, 1 a typical random point. ' +
      'A cell is one problem with one seed; intervals are 95 % bootstrap intervals over cells.',
    `Machine: ${machine}. Versions: ${named(versions.sequential)}; for batches ${named(versions.batches)}. Those of ours are hashes of the ` +
      'sources of the core.',
    '## Targets',
    'Tuning with early stopping has a comparison of its own: [multifidelity.md](multifidelity.md).',
    table(
      ['', 'target', 'measured', ''],
      targets.map(({ name, target, measured, met }) => [name, target, measured, met === null ? '–' : met ? 'met' : '**missed**']),
    ),
    ...tables.flatMap((standing) => [
      `## ${standing.title}`,
      `${standing.cells} cells of ${standing.problems} problems, shared by all methods of the table.`,
      standingTable(standing),
    ]),
    '## Pair by pair',
    'Ratio of mean regrets after 60 evaluations on the cells that both have; *wins* counts cells where ours is better, ties half.',
    table(
      ['ours', 'peer', 'cells (problems)', 'regret ours', 'regret peer', 'ratio', 'wins', 'ms per trial'],
      pairs.map((row) => [
        row.ours,
        labels.get(row.theirs),
        `${row.cells} (${row.problems})`,
        ...row.regrets.map((value) => value.toFixed(4)),
        `${row.ratio.value.toFixed(3)} (${row.ratio.interval.map((value) => value.toFixed(3)).join(' to ')})`,
        `${Math.round(100 * row.wins)} %`,
        row.ms.map(show).join(' : '),
      ]),
    ),
  ];
  if (family !== null)
    parts.push(
      '## By family of problems',
      table(
        ['family', 'cells', ...family.methods],
        family.rows.map((row) => [row.family, row.cells, ...row.regrets.map((value) => value.toFixed(4))]),
      ),
    );
  if (batches.length > 0)
    parts.push(
      '## Batches, 96 evaluations',
      'Asynchronous workers on a simulated clock, the problem’s own training times.',
      table(
        ['', 'cells', ...batches[0].columns.flatMap(({ workers }) => [`regret, W = ${workers}`, 'duplicates'])],
        batches.map((row) => [
          labels.get(row.method),
          row.cells,
          ...row.columns.flatMap((column) => [
            `${column.regret.toFixed(4)} (${column.interval.map((value) => value.toFixed(3)).join(' to ')})`,
            column.duplicates.toFixed(2),
          ]),
        ]),
      ),
    );
  if (costs !== null)
    parts.push(
      '## Time of an ask',
      'Ten mixed parameters; medians in ms, each within its own process.',
      table(
        ['trials', 'ours', 'ms', 'peer', 'ms', 'peer / ours'],
        costs.asks.map(({ n, ours, theirs, msOurs, msTheirs }) => [
          n.toLocaleString('en'),
          ours,
          msOurs.toFixed(3),
          theirs,
          msTheirs.toFixed(2),
          (msTheirs / msOurs).toFixed(1),
        ]),
      ),
    );
  parts.push(...charts.map((name) => `![${name}](${name})`));
  return `${parts.join('\n\n')}\n`;
}

function standingTable({ rows }) {
  return table(
    ['', '@20', '@40', '@60', '95 %', 'mean rank @60', 'ask + tell, ms'],
    rows
      .toSorted((a, b) => a.regret.at(-1) - b.regret.at(-1))
      .map((row) => [
        labels.get(row.method),
        ...row.regret.map((value) => value.toFixed(4)),
        row.interval.map((value) => value.toFixed(4)).join(' to '),
        `${row.rank.toFixed(2)} (${row.rankInterval.map((value) => value.toFixed(2)).join(' to ')})`,
        show(row.ms),
      ]),
  );
}

const named = (versions) =>
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');

/** Milliseconds. */
const show = (ms) => (ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en'));

function table(head, rows) {
  const line = (row) => `| ${row.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The sequential table with the dear tuners, between markers of the README. */
function writeReadme({ tables }) {
  const standing = tables.find(({ title }) => title === titles.dear) ?? tables[0];
  if (standing === undefined) return;
  const text = `Mean regret after 20, 40 and 60 evaluations one after the other, on ${standing.problems} problems, ${standing.cells} runs of each tuner: 0 is the best known
value, 1 a typical random point. Everything that was measured, what was missed, and how: [test/bench/results/core.md](test/bench/results/core.md).

${standingTable(standing)}
`;
  const before = readFileSync(readme, 'utf8');
  const after = before.replace(
    /(<!-- benchmark -->\n)[\s\S]*?(<!-- \/benchmark -->)/,
    (_, open, close) => `${open}${text}${close}`,
  );
  writeFileSync(readme, after);
}
