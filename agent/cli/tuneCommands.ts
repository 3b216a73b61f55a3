import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type Command, Option } from 'commander';
import { decodeName } from '../protocol/decoders.ts';
import { HpoError } from '../protocol/errors.ts';
import type { Preflight, TuneRequest } from '../protocol/requests.ts';
import { bestTrial, countTrials, type StudyView } from '../protocol/view.ts';
import { durationMs } from '../studySpec.ts';
import { bestChange, gainText } from './bestChange.ts';
import type { CommandLine } from './commandLine.ts';
import { followStudy } from './followStudy.ts';
import { formatBytes, formatDistribution, formatDuration, formatTable, formatValue, printable } from './format.ts';
import { Progress } from './progress.ts';
import { reportHtml } from './report.ts';

interface TuneOptions {
  readonly trials?: string;
  readonly parallel?: string;
  readonly on?: string;
  readonly search?: string;
  readonly scheduler?: string;
  readonly seed?: string;
  readonly budget?: readonly string[];
  readonly objective?: string;
  readonly python?: string;
  readonly env?: 'auto' | 'current';
  readonly timeout?: string;
  readonly file?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
}

export function tuneCommands(program: Command, line: CommandLine): void {
  const withOptions = (command: Command): Command =>
    command
      .option('-n, --trials <n>', 'number of trials')
      .option('--parallel <n>', 'trials at once')
      .option('--on <executor>', 'local (docker and kubernetes come later)')
      .option('--search <sampler>', 'auto, random, grid or tpe')
      .option('--scheduler <name>', 'auto, none, asha-stop or asha-promote')
      .option('--seed <n>', 'makes the study repeatable')
      .option('--budget <word...>', 'hours=1, minutes=10, seconds=90, trials=30, resource=500')
      .option('--objective <words>', 'for a script that annotates none: "val_loss min"')
      .option('--python <path>', 'the interpreter that runs the trials')
      .addOption(
        new Option('--env <mode>', 'make an environment where packages are missing, or use the current one').choices([
          'auto',
          'current',
        ]),
      )
      .option('--timeout <time>', 'ends a trial after 90s, 10m, 2h')
      .option('--json', 'print JSON');
  withOptions(program.command('tune <script>').description('tune an annotated script'))
    .option('--detach', 'start and return at once')
    .action(async (script: string, options: TuneOptions) => tune(line, script, options));
  withOptions(program.command('run [script]').description('same as tune'))
    .option('-f, --file <file>', 'script or hpo.yml')
    .option('--detach', 'start and return at once')
    .action(async (script: string | undefined, options: TuneOptions) => {
      const target = options.file ?? script;
      if (target === undefined) throw new HpoError('HPO-4015', 'nothing to run was named', 'hpo run -f hpo.yml', { exitCode: 2 });
      await tune(line, target, options);
    });
  withOptions(program.command('preview <script>').description('what would run, before anything starts')).action(
    async (script: string, options: TuneOptions) => {
      const result = await (await line.agent()).request('study/preflight', toRequest(script, options));
      if (options.json === true) line.printJson(result.plan);
      else showPreflight(line, result, (text) => line.print(text));
      if (hasErrors(line, result)) line.exitCode = 1;
    },
  );
}

async function tune(line: CommandLine, script: string, options: TuneOptions): Promise<void> {
  const isJson = options.json === true;
  const client = await line.agent();
  let request = toRequest(script, options);
  const preflight = await client.request('study/preflight', request);
  if (!isJson) showPreflight(line, preflight, (text) => line.note(text));
  if (hasErrors(line, preflight)) {
    line.exitCode = 1;
    return;
  }
  request = await answerQuestions(line, request, preflight);
  const { studyId } = await client.request('study/create', request);
  if (options.detach === true) {
    if (isJson) line.printJson({ studyId });
    else line.print(studyId);
    return;
  }
  if (!isJson) line.note(`\nstudy ${studyId}\n`);
  const view = await followToEnd(line, studyId, isJson);
  if (view === null) return;
  if (view.endReason === 'failed') line.exitCode = 1;
  if (isJson) {
    line.printJson({
      type: 'studyEnded',
      studyId,
      reason: view.endReason,
      message: view.message,
      trials: countTrials(view),
      best: bestTrial(view),
    });
  } else {
    await showResult(line, view);
  }
}

/** Null when the user interrupted. */
async function followToEnd(line: CommandLine, studyId: string, isJson: boolean): Promise<StudyView | null> {
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  process.once('SIGINT', onSignal);
  using progress = new Progress(line, Date.now());
  const view = await followStudy(
    line,
    studyId,
    (current, entry) => {
      if (!isJson) progress.update(current);
      else if (entry.event.type !== 'studyEnded') line.printJson({ seq: entry.seq, studyId, ...entry.event });
    },
    interrupt.signal,
  );
  process.removeListener('SIGINT', onSignal);
  if (view.state === 'ended') return view;
  progress[Symbol.dispose]();
  line.note(`\nThe study goes on. See it: hpo status ${studyId} · stop it: hpo stop ${studyId}`);
  line.exitCode = 130;
  return null;
}

export function toRequest(script: string, options: TuneOptions): TuneRequest {
  const [metric, direction, ...rest] = options.objective?.trim().split(/\s+/) ?? [];
  if (
    options.objective !== undefined &&
    (metric === undefined || (direction !== 'min' && direction !== 'max') || rest.length > 0)
  ) {
    throw new HpoError('HPO-4016', `"${options.objective}" is not an objective`, 'write it as: --objective "val_loss min"', {
      exitCode: 2,
    });
  }
  return {
    script: resolve(script),
    ...(options.trials === undefined ? {} : { trials: wholeNumber('-n', options.trials, 1) }),
    ...(options.parallel === undefined ? {} : { parallel: wholeNumber('--parallel', options.parallel, 1) }),
    ...(options.seed === undefined ? {} : { seed: wholeNumber('--seed', options.seed, 0) }),
    ...(options.search === undefined ? {} : { sampler: decodeName('sampler', options.search) }),
    ...(options.scheduler === undefined ? {} : { scheduler: decodeName('scheduler', options.scheduler) }),
    ...(options.on === undefined ? {} : { executor: decodeName('executor', options.on) }),
    ...(options.budget === undefined ? {} : { budget: budgetWords(options.budget) }),
    ...(metric === undefined || direction === undefined
      ? {}
      : { objective: { metric, direction: direction === 'min' ? 'min' : 'max' } }),
    ...(options.python === undefined ? {} : { interpreter: { path: options.python, reason: '--python' } }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.timeout === undefined ? {} : { trialTimeoutMs: durationMs(options.timeout) ?? 0 }),
  };
}

const budgetNames = ['hours', 'minutes', 'seconds', 'trials', 'resource'];

function budgetWords(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const [name, value, ...rest] = word.split('=');
      if (name === undefined || value === undefined || rest.length > 0 || !budgetNames.includes(name)) {
        throw new HpoError(
          'HPO-4017',
          `"${word}" is not a budget`,
          `write one of: ${budgetNames.map((known) => `${known}=N`).join(', ')}`,
          { exitCode: 2 },
        );
      }
      return [name, value];
    }),
  );
}

export function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new HpoError(
    'HPO-4018',
    `${option} ${text}: not a whole number of at least ${least}`,
    `write for example: ${option} ${Math.max(least, 20)}`,
    { exitCode: 2 },
  );
}

/** A metric is proposed, shown and asked for, never chosen silently. */
async function answerQuestions(line: CommandLine, request: TuneRequest, preflight: Preflight): Promise<TuneRequest> {
  let answered = request;
  for (const question of preflight.questions) {
    if (question.type === 'objective') {
      const candidates = question.candidates.filter((candidate) => candidate.direction !== null);
      const [only] = candidates;
      // Without a terminal to ask on, the agent's refusal says what to write.
      if (candidates.length !== 1 || only?.direction == null || !process.stdin.isTTY) continue;
      const prompt = createInterface({ input: process.stdin, output: process.stderr });
      const answer = await prompt.question(`Improve ${only.metric}, smaller or larger is better: ${only.direction}? [Y/n] `);
      prompt.close();
      if (/^(y|yes|)$/i.test(answer.trim()))
        answered = { ...answered, objective: { metric: only.metric, direction: only.direction } };
    } else {
      line.note(`${question.message} An environment of its own will be made (--env current to use it as it is).`);
    }
  }
  return answered;
}

function hasErrors(line: CommandLine, preflight: Preflight): boolean {
  const errors = preflight.diagnostics.filter(({ severity }) => severity === 'error');
  for (const { file, line: row, column, code, message, severity } of preflight.diagnostics) {
    line.note(`${printable(file)}:${row}:${column} ${severity} ${code}: ${printable(message)}`);
  }
  return errors.length > 0;
}

function showPreflight(line: CommandLine, { spec, environment, snapshot, plan }: Preflight, say: (text: string) => void): void {
  const rows = spec.space.parameters.map(({ name, distribution, default: own, when, site }) => [
    `  ${printable(name)}`,
    own === undefined ? '' : printable(formatValue(own)),
    printable(formatDistribution(distribution)),
    when === null ? '' : `when ${printable(when)}`,
    `${printable(site.file)}:${site.line}`,
  ]);
  say(line.style('bold', 'tunes', line.stderr));
  if (rows.length > 0) say(formatTable(rows));
  for (const { metric, direction } of spec.objectives)
    say(`${line.style('bold', 'for', line.stderr)}    ${printable(metric)} ${direction}`);
  if (spec.fidelity !== null)
    say(
      `${line.style('bold', 'by', line.stderr)}     ${printable(spec.fidelity.name)} ${spec.fidelity.min} … ${spec.fidelity.max}`,
    );
  if (environment !== null)
    say(
      `${line.style('bold', 'with', line.stderr)}   Python ${environment.version} ${printable(environment.interpreter)} (${environment.reason})`,
    );
  const rungs = plan.rungs?.map(({ resource, trials }) => `${trials} to ${resource}`).join(', ');
  say(
    `${line.style('bold', 'plan', line.stderr)}   ${plan.trials ?? 'unlimited'} trials, ${plan.parallel} at once, sampler ${plan.sampler}, scheduler ${plan.scheduler}` +
      (rungs === undefined ? '' : ` (${rungs}; in all ${plan.totalResource ?? '∞'} of ${plan.fullResource ?? '∞'})`),
  );
  say(`${line.style('bold', 'code', line.stderr)}   ${snapshot.files} files, ${formatBytes(snapshot.bytes)}`);
}

async function showResult(line: CommandLine, view: StudyView): Promise<void> {
  const counts = Object.entries(countTrials(view)).filter(([, count]) => count > 0);
  const took = view.endedAt === null ? '' : ` in ${formatDuration(view.endedAt - view.createdAt)}`;
  line.print(
    `\nended (${view.endReason ?? 'unknown'})${took}: ${counts.map(([state, count]) => `${count} ${state}`).join(', ')}${view.message === '' ? '' : `\n${printable(view.message)}`}`,
  );
  const best = bestTrial(view);
  if (best !== null) {
    line.print(`\n${line.style('bold', 'best configuration')} (trial ${best.number})`);
    line.print(
      formatTable(Object.entries(best.params).map(([name, value]) => [`  ${printable(name)}`, printable(formatValue(value))])),
    );
    line.print(`\n${line.style('bold', 'gain')}  ${printable(gainText(view))}`);
    const change = await bestChange(view.spec, best);
    if (change.patch === '') line.print('\nThe source holds the best values already.');
    else line.print(`\n${line.style('bold', 'hpo best --apply')} would make this change:\n\n${printable(change.patch)}`);
    line.print(`apply it:  hpo best ${view.studyId} --apply`);
  }
  const report = join(line.home, 'studies', view.studyId, 'report.html');
  await writeFile(report, await reportHtml(view));
  line.print(`report:    ${report}`);
}
