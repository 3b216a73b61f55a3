import { readFileSync, writeFileSync } from 'node:fs';

const results = new URL('../results/', import.meta.url);
const readme = new URL('../../../README.md', import.meta.url);

const sum = (runs, name) => runs.reduce((total, run) => total + (run[name] ?? 0), 0);
const of = (runs, name, whole) => `${sum(runs, name)} of ${whole}`;
const count = (runs, test) => `${runs.filter(test).length} of ${runs.length}`;
const none = '–';

/** One line of a table: what all repetitions of a fault with one system came to. */
function cells({ scenario, runs }) {
  const expected = sum(runs, 'expected');
  const isAsked = (name) => runs.some((run) => run[name] !== undefined);
  return {
    finished: of(runs, 'finished', expected),
    lost: isAsked('lost') ? String(sum(runs, 'lost')) : none,
    repeated: isAsked('repeated') ? String(sum(runs, 'repeated')) : none,
    doubled: isAsked('doubled') ? String(sum(runs, 'doubled')) : none,
    stuck: isAsked('stuck') ? String(sum(runs, 'stuck')) : none,
    readable: count(runs, ({ isReadable }) => isReadable),
    byItself: isAsked('byItself') ? count(runs, ({ byItself }) => byItself) : none,
    same: isAsked('same') ? of(runs, 'same', expected) : none,
    more: remark(scenario, runs),
  };
}

function remark(scenario, runs) {
  if (scenario === 'stale lock') return `went on after ${runs.map(({ seconds }) => `${seconds.toFixed(1)} s`).join(', ')}`;
  if (scenario === '12 random kills') return `${sum(runs, 'kills')} kills`;
  if (scenario === 'cut journal') {
    const nRepaired = runs.filter(({ isRepaired }) => isRepaired).length;
    const repaired = nRepaired === 0 ? '' : ` (after its own repair: ${nRepaired} of ${runs.length})`;
    return `readable before it went on: ${runs.map(({ readable, of: whole }) => `${readable} of ${whole}`).join(', ')}${repaired}`;
  }
  if (scenario === 'flipped byte') {
    const nSilent = runs.filter(({ isSilent }) => isSilent).length;
    return `noticed: ${count(runs, ({ isSeen }) => isSeen)}; wrong without a word: ${nSilent}; right after its own repair: ${of(runs, 'mended', sum(runs, 'expected'))}`;
  }
  const errors = new Set(runs.map(({ error }) => error).filter((error) => error !== null && error !== undefined));
  return [...errors].map((error) => `“${error.replaceAll('|', '\\|').slice(0, 120)}”`).join('; ');
}

/** The table as printed, and as it stands in the results and, shorter, in the README. */
export function tables(measured, systems) {
  const name = (measurement) => systems.find(({ key }) => key === measurement.system)?.name ?? '';
  const rows = measured.map((measurement) => ({ ...cells(measurement), measurement }));
  const full = table(
    [
      'Fault',
      '',
      'runs',
      'finished',
      'lost',
      'done twice',
      'counted twice',
      'left running',
      'readable',
      'by itself',
      'same points',
      '',
    ],
    rows.map(({ measurement, ...row }) => [
      measurement.scenario,
      name(measurement),
      String(measurement.runs.length),
      row.finished,
      row.lost,
      row.repeated,
      row.doubled,
      row.stuck,
      row.readable,
      row.byItself,
      row.same,
      row.more,
    ]),
  );
  const short = table(
    ['Fault', ...systems.map((system) => system.name)],
    [...new Set(measured.map(({ scenario }) => scenario))].map((scenario) => [
      scenario,
      ...systems.map((system) => {
        const row = rows.find(({ measurement }) => measurement.scenario === scenario && measurement.system === system.key);
        return row === undefined ? none : inShort(scenario, row);
      }),
    ]),
  );
  return { full, short };
}

function inShort(scenario, row) {
  if (scenario === 'flipped byte') return `${row.finished} trials as they were; ${row.more}`;
  if (scenario.startsWith('1 against 4 workers')) return `${row.same} points the same`;
  const parts = [`${row.finished} finished`];
  if (row.lost !== '0') parts.push(`${row.lost} lost`);
  if (row.doubled !== '0') parts.push(`${row.doubled} counted twice`);
  if (row.stuck !== '0') parts.push(`${row.stuck} left running`);
  if (scenario === 'stale lock') parts.push(row.more);
  else parts.push(`${row.same} points the same`);
  return parts.join(', ');
}

export function writeReport({ full, short }, systems) {
  const set = systems.map(({ name, configuration }) => `- ${name}: ${configuration}`).join('\n');
  writeFileSync(
    new URL('faults.md', results),
    `# The same faults, done to this program and to Optuna

Made by \`npm run bench -- faults\`: real processes, killed by SIGKILL; both sides evaluate the same function, which writes into a ledger of
its own what it began and what it did. Each study has 25 trials, one at a time unless said otherwise, and a seed.

${set}

Optuna samples by \`TPESampler(seed, multivariate=True)\` (with \`constant_liar=True\` where trials run at once) and counts by
\`MaxTrialsCallback(25, states=(TrialState.COMPLETE,))\`; a study that does not go on by itself is started again by the same script.

- *finished*: trials with a result, of those that were asked for, over all runs
- *lost*: points whose evaluation began and whose result the study does not have in the end
- *done twice*: evaluations that came to their end again, as what was done since the last record is lost with the process; *counted twice*:
  points that have more than one result
- *left running*: trials that the study says are running when nothing runs any more
- *readable*: runs after which all trials can be read; *by itself*: runs that went on without anyone doing anything
- *same points*: points that an undisturbed run with the same seed tries too
- by fault: where a cut journal is refused, this program goes on after \`hpo doctor --repair\`, as its error says; Optuna has no repair.
  A flipped bit may change nothing, as not all of a file is used: \`finished\` counts the trials that read as they were, *noticed* the
  files that reading or (ours) \`hpo doctor\` refuse. A cut journal is cut in the file that was written last: with this program that is
  the write-ahead log, which SQLite reads up to the cut. *In batches*: this program by \`--batch 4\`, Optuna by a loop
  of four times \`ask\`, evaluated side by side and told in their order. How long a lock holds up a study also depends on what else the machine does.

${full}
`,
  );
  const before = readFileSync(readme, 'utf8');
  const after = before.replace(/(<!-- faults -->\n)[\s\S]*?(<!-- \/faults -->)/, (_, open, close) => `${open}${short}\n${close}`);
  writeFileSync(readme, after);
}

function table(head, rows) {
  const line = (row) => `| ${row.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
