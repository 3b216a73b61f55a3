import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { AgentClient } from '../client/index.ts';
import { readProject } from '../preflight.ts';
import { HpoError } from '../protocol/errors.ts';
import type { StudySummary } from '../protocol/requests.ts';
import type { StudyView } from '../protocol/view.ts';
import { exportCsv, exportJson, trialLine } from '../store/index.ts';
import { applyChange, bestChange, gainText } from './bestChange.ts';
import type { CommandLine } from './commandLine.ts';
import { formatDistribution, formatDuration, formatMetric, formatParams, formatTable, formatValue, printable } from './format.ts';
import { reportHtml } from './report.ts';

const followMs = 300;

interface JsonOption {
  readonly json?: boolean;
}

export function inspectCommands(program: Command, line: CommandLine): void {
  program
    .command('space <script>')
    .description('what the annotations say; exit 1 on an error')
    .option('--json', 'print JSON')
    .action((script: string, options: JsonOption) => space(line, script, options));
  program
    .command('status [study]')
    .description('all studies, or one')
    .option('--json', 'print JSON')
    .action((study: string | undefined, options: JsonOption) => status(line, study, options));
  program
    .command('trials <study>')
    .description('the trials of a study')
    .option('--json', 'one line per trial')
    .action((study: string, options: JsonOption) => trials(line, study, options));
  program
    .command('logs <study> [trial]')
    .description('what the trials printed')
    .option('--follow', 'go on until the end')
    .action((study: string, trial: string | undefined, options: { readonly follow?: boolean }) =>
      logs(line, study, trial, options.follow === true),
    );
  program
    .command('best <study>')
    .description('the best values; --apply writes them into the source after showing the diff')
    .option('--json', 'print JSON')
    .option('--apply', 'write into the source')
    .action((study: string, options: JsonOption & { readonly apply?: boolean }) => best(line, study, options));
  program
    .command('export <study>')
    .description('all trials in one file')
    .addOption(new Option('--format <format>', 'file format').choices(['json', 'csv']).default('json'))
    .option('-o, --output <file>', 'write to a file instead of stdout')
    .action(async (study: string, options: { readonly format: 'json' | 'csv'; readonly output?: string }) => {
      const view = await viewOf(line, study);
      await deliver(line, options.format === 'csv' ? exportCsv(view) : exportJson(view), options.output);
    });
  program
    .command('report <study>')
    .description('a self-contained HTML page with plots')
    .requiredOption('-o, --output <file>', 'the file to write')
    .action(async (study: string, options: { readonly output: string }) =>
      deliver(line, await reportHtml(await viewOf(line, study)), options.output),
    );
}

async function space(line: CommandLine, script: string, { json }: JsonOption): Promise<void> {
  const { spec, diagnostics } = await readProject(resolve(script));
  if (diagnostics.some(({ severity }) => severity === 'error')) line.exitCode = 1;
  const { fidelity } = spec;
  if (json === true) {
    line.printJson({
      parameters: spec.space.parameters.map(({ name, distribution, default: own, when, sink, site }) => ({
        name,
        distribution,
        default: own,
        when,
        sink,
        site,
      })),
      objectives: spec.objectives.map(({ metric, direction }) => ({ metric, direction })),
      fidelity:
        fidelity === null
          ? null
          : { name: fidelity.name, min: fidelity.min, max: fidelity.max, reductionFactor: fidelity.reductionFactor },
      hash: spec.hash,
      diagnostics: diagnostics.map(({ code, severity, message, file, line: row, column, fix }) => ({
        code,
        severity,
        message,
        file,
        line: row,
        column,
        fix,
      })),
    });
    return;
  }
  const rows = spec.space.parameters.map(({ name, distribution, default: own, when, site }) => [
    printable(name),
    own === undefined ? '–' : printable(formatValue(own)),
    printable(formatDistribution(distribution)),
    when === null ? '' : `when ${printable(when)}`,
    `${printable(site.file)}:${site.line}`,
  ]);
  if (rows.length > 0) line.print(formatTable([['parameter', 'now', 'range', '', 'where'], ...rows]));
  for (const { metric, direction } of spec.objectives) line.print(`objective ${printable(metric)} ${direction}`);
  if (fidelity !== null)
    line.print(
      `fidelity  ${printable(fidelity.name)} ${fidelity.min} … ${fidelity.max}, reduction factor ${fidelity.reductionFactor}`,
    );
  for (const { file, line: row, column, severity, code, message } of diagnostics)
    line.note(`${printable(file)}:${row}:${column} ${severity} ${code}: ${printable(message)}`);
  if (spec.space.parameters.length === 0 && diagnostics.length === 0) {
    throw new HpoError(
      'HPO-4001',
      `${printable(script)} has no parameter to tune`,
      'put a comment beside a literal, such as: lr = 3e-4  # @hpo float(1e-5, 1e-1, log)',
    );
  }
}

async function status(line: CommandLine, study: string | undefined, { json }: JsonOption): Promise<void> {
  const { studies } = await (await line.agent()).request('study/list', {});
  const shown = study === undefined ? studies : [findStudy(studies, study)];
  for (const summary of shown) {
    const { studyId, name, state, trials: counts, best: bestTrial, budget, executor } = summary;
    if (json === true) {
      line.printJson({ studyId, name, state, trials: counts, best: bestTrial, budget, executor });
      continue;
    }
    const done = counts.complete + counts.pruned + counts.failed + counts.infeasible + counts.cancelled;
    line.print(
      `${line.style('bold', studyId)}  ${state}${summary.endReason === null ? '' : ` (${summary.endReason})`}  ${done}/${budget.trials ?? '∞'} trials  ${printable(summary.script ?? name)}`,
    );
    const states = Object.entries(counts).filter(([, count]) => count > 0);
    if (states.length > 0) line.print(`  ${states.map(([word, count]) => `${count} ${word}`).join(', ')}`);
    if (bestTrial !== null) {
      const values = Object.entries(bestTrial.values).map(([metric, value]) => `${printable(metric)} ${formatMetric(value)}`);
      line.print(`  best: trial ${bestTrial.number}  ${values.join('  ')}  ${printable(formatParams(bestTrial.params))}`);
    }
    if (summary.message !== '') line.print(`  ${printable(summary.message)}`);
  }
  if (shown.length === 0 && json !== true) line.note('no studies yet; start one with: hpo tune SCRIPT');
}

async function trials(line: CommandLine, study: string, { json }: JsonOption): Promise<void> {
  const view = await viewOf(line, study);
  if (json === true) {
    for (const trial of view.trials) line.printJson(trialLine(view, trial));
    return;
  }
  const metrics = view.spec.objectives.map(({ metric }) => metric);
  const rows = view.trials.map((trial) => [
    String(trial.number),
    trial.state,
    ...metrics.map((metric) => formatMetric(trial.values[metric])),
    String(trial.resource),
    trial.startedAt === null || trial.endedAt === null ? '' : formatDuration(trial.endedAt - trial.startedAt),
    printable(trial.failure === null ? formatParams(trial.params) : `${trial.failure.code} ${trial.failure.message}`),
  ]);
  line.print(formatTable([['#', 'state', ...metrics, view.spec.fidelity?.name ?? 'steps', 'time', 'params'], ...rows]));
}

async function best(line: CommandLine, study: string, options: JsonOption & { readonly apply?: boolean }): Promise<void> {
  const view = await viewOf(line, study);
  const number = view.incumbent;
  const trial = number === null ? undefined : view.trials[number];
  if (trial === undefined)
    throw new HpoError('HPO-4021', `no trial of ${view.studyId} is complete yet`, `watch it: hpo status ${view.studyId}`);
  const found = { number: trial.number, params: trial.params, values: trial.values };
  const change = await bestChange(view.spec, found);
  if (options.json === true) {
    line.printJson(found);
  } else {
    line.print(
      formatTable(Object.entries(found.params).map(([name, value]) => [printable(name), printable(formatValue(value))])),
    );
    line.note(printable(gainText(view)));
    line.print(change.patch === '' ? '\nThe source holds these values already.' : `\n${printable(change.patch)}`);
  }
  if (change.missing.length > 0) {
    line.note(
      `not in the source any more: ${change.missing.join(', ')} (the code moved on, or the value is passed in another way)`,
    );
  }
  if (options.apply === true && change.files.length > 0) {
    await applyChange(view.spec, change);
    line.note(`written: ${change.files.map(({ path }) => printable(path)).join(', ')}`);
  }
}

async function logs(line: CommandLine, study: string, trial: string | undefined, isFollowing: boolean): Promise<void> {
  const client = await line.agent();
  const studyId = (await findStudyId(client, study)).studyId;
  const number = trial === undefined ? null : Number(trial);
  if (number !== null && !(Number.isInteger(number) && number >= 0)) {
    throw new HpoError('HPO-4019', `"${trial ?? ''}" is not a trial number`, `list them with: hpo trials ${studyId}`, {
      exitCode: 2,
    });
  }
  const readers = new Map<number, LogReader>();
  for (;;) {
    const view = await client.request('study/view', { studyId });
    const numbers = number === null ? view.trials.map((known) => known.number) : [number];
    let isOver = number !== null || view.state === 'ended';
    for (const known of numbers) {
      const reader = readers.get(known) ?? new LogReader(client, studyId, known, number === null ? `[${known}] ` : '');
      readers.set(known, reader);
      await reader.drain((text) => line.stdout.write(text));
      isOver &&= reader.isOver;
    }
    if (isOver || !isFollowing) return;
    await delay(followMs);
  }
}

/** The output of one trial's latest attempt, from where the last call ended. */
class LogReader {
  isOver = false;
  readonly #client: AgentClient;
  readonly #studyId: string;
  readonly #trial: number;
  readonly #prefix: string;
  #offset = 0;
  #rest = '';

  constructor(client: AgentClient, studyId: string, trial: number, prefix: string) {
    this.#client = client;
    this.#studyId = studyId;
    this.#trial = trial;
    this.#prefix = prefix;
  }

  async drain(write: (text: string) => void): Promise<void> {
    while (!this.isOver) {
      const page = await this.#client.request('trial/log', { studyId: this.#studyId, trial: this.#trial, offset: this.#offset });
      this.#offset = page.nextOffset;
      this.#write(page.text, page.ended, write);
      this.isOver = page.ended;
      if (page.text === '') return;
    }
  }

  /** With a prefix, whole lines only: lines of several trials must not mix. */
  #write(text: string, isLast: boolean, write: (text: string) => void): void {
    if (this.#prefix === '') {
      write(text);
      return;
    }
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (isLast && this.#rest !== '') lines.push(this.#rest);
    if (lines.length > 0) write(`${lines.map((content) => this.#prefix + content).join('\n')}\n`);
  }
}

/** By id, or by its unmistakable beginning. */
function findStudy(studies: readonly StudySummary[], text: string): StudySummary {
  const exact = studies.find(({ studyId }) => studyId === text);
  if (exact !== undefined) return exact;
  const matches = studies.filter(({ studyId }) => studyId.startsWith(text));
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  if (matches.length > 1)
    throw new HpoError(
      'HPO-4022',
      `"${text}" fits several studies: ${matches.map(({ studyId }) => studyId).join(', ')}`,
      'write more of the name',
      { exitCode: 2 },
    );
  throw new HpoError('HPO-4004', `there is no study ${JSON.stringify(text)}`, 'list them with: hpo status', { exitCode: 3 });
}

export async function findStudyId(client: AgentClient, text: string): Promise<StudySummary> {
  return findStudy((await client.request('study/list', {})).studies, text);
}

async function viewOf(line: CommandLine, study: string): Promise<StudyView> {
  const client = await line.agent();
  const { studyId } = await findStudyId(client, study);
  return await client.request('study/view', { studyId });
}

async function deliver(line: CommandLine, content: string, output: string | undefined): Promise<void> {
  if (output === undefined) {
    line.stdout.write(content);
    return;
  }
  await writeFile(resolve(output), content);
  line.note(`written: ${resolve(output)}`);
}
