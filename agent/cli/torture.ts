import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { HpoError } from '../protocol/errors.ts';
import { diskFullInside, type Run, scenarios, summarize, torment, type TortureSummary } from '../torture/index.ts';
import { agentBundle, type CommandLine } from './commandLine.ts';
import { formatTable } from './table.ts';

interface TortureOptions {
  readonly minutes?: number;
  readonly seed: number;
  readonly only?: string;
  readonly json?: boolean;
  readonly list?: boolean;
  readonly inside?: string;
}

export function tortureCommand(program: Command, line: CommandLine): void {
  program
    .command('torture')
    .description(
      'kill, stop, starve and damage agents of its own, in folders of its own, and check that nothing is lost or doubled',
    )
    .option('--minutes <n>', 'repeat with further seeds until then; without it, each scenario once', positive)
    .option('--seed <n>', 'what is left to chance follows from it', whole, 1)
    .option('--only <text>', 'only scenarios whose name has this text')
    .option('--list', 'print the scenarios, and which of them cannot be done here')
    .option('--json', 'print a line for each run, then the sums')
    .addOption(new Option('--inside <folder>').hideHelp())
    .action((options: TortureOptions) => torture(line, options));
}

async function torture(line: CommandLine, options: TortureOptions): Promise<void> {
  const { seed, only = '', minutes } = options;
  const agent = { agentMain: agentBundle(), node: process.execPath };
  if (options.inside !== undefined) {
    const { faults, checks, violations } = await diskFullInside({ ...agent, folder: options.inside, seed }, options.inside);
    line.printJson({ faults, checks: [...checks], violations });
    return;
  }
  const chosen = scenarios.filter(({ name }) => name.includes(only));
  if (chosen.length === 0)
    throw new HpoError('HPO-4061', `no scenario has "${only}" in its name`, 'see them: hpo torture --list', { exitCode: 3 });
  if (options.list === true) {
    for (const scenario of chosen) {
      const { name, kind } = scenario;
      const reason = await scenario.missing();
      if (options.json === true) line.printJson({ name, kind, missing: reason });
      else line.print(`${name}${reason === null ? '' : `  (not here: ${reason})`}`);
    }
    return;
  }
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  const startedAt = performance.now();
  const runs = await torment({
    ...agent,
    scenarios: chosen,
    seed,
    until: minutes === undefined ? null : startedAt + minutes * 60_000,
    // Most of a run is waiting; with too many at once, agents are slow rather than tormented.
    parallel: Math.min(4, Math.max(1, availableParallelism())),
    signal: abort.signal,
    onRun: (run) => {
      if (options.json === true) line.printJson(run);
      else note(line, run);
    },
  }).catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
    return null;
  });
  if (runs === null) {
    line.note('interrupted; everything that was started is killed and removed');
    line.exitCode = 130;
    return;
  }
  const summary = summarize(runs);
  if (options.json === true) line.printJson({ type: 'sums', seed, ...summary });
  else show(line, summary, seed, performance.now() - startedAt);
  if (summary.violations > 0) line.exitCode = 1;
}

function note(line: CommandLine, { name, seed, ms, missing, faults, violations, broken, folder }: Run): void {
  if (missing !== null) return line.note(`· not here   ${name}: ${missing}`);
  const isWell = violations.length === 0 && broken === null;
  line.note(`· ${isWell ? 'ok        ' : 'VIOLATION '} ${name}  seed ${seed}  ${faults} faults  ${(ms / 1000).toFixed(1)} s`);
  for (const { invariant, studyId, what } of violations)
    line.note(`    ${invariant}${studyId === null ? '' : ` of ${studyId}`}: ${what}`);
  if (broken !== null) line.note(`    it came to no end: ${broken}`);
  if (folder !== null)
    line.note(`    what is left of it: ${folder}; again: hpo torture --only ${JSON.stringify(name)} --seed ${seed}`);
}

function show(line: CommandLine, { kinds, invariants, ...total }: TortureSummary, seed: number, ms: number): void {
  const numbers = (row: { runs: number; faults: number; checks: number; violations: number }): readonly string[] =>
    [row.runs, row.faults, row.checks, row.violations].map((value) => value.toLocaleString('en').padStart(10));
  line.print(
    formatTable([
      ['faults injected', ...['runs', 'faults', 'checks', 'violations'].map((word) => word.padStart(10))],
      ...kinds.map((kind) => [kind.kind, ...numbers(kind), ...(kind.missing === null ? [] : [`not here: ${kind.missing}`])]),
      ['all', ...numbers(total)],
    ]),
  );
  line.print(
    `\ninvariants checked: ${Object.entries(invariants)
      .map(([name, times]) => `${name} ${times.toLocaleString('en')}`)
      .join(' · ')}`,
  );
  line.print(`seed ${seed}, ${(ms / 1000).toFixed(0)} s`);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('write a number of minutes, such as 5');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('write a whole number from 0');
  return value;
}
