import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { moveStudy, refuseUnreaching } from '../client/index.ts';
import { HpoError } from '../protocol/errors.ts';
import { adviceOf } from '../protocol/failureAdvice.ts';
import { formatDuration, formatValue } from '../protocol/format.ts';
import { bestGainSentence, paretoFront } from '../protocol/gain.ts';
import type { Preflight, TuneRequest } from '../protocol/requests.ts';
import { bestTrial, countTrials, type StudyView } from '../protocol/view.ts';
import { printable } from '../protocol/printable.ts';
import { frontText, leftLines } from './best.ts';
import { bestChange } from './bestChange.ts';
import { thisMachine } from './agentChoice.ts';
import type { CommandLine, RemoteAgent } from './commandLine.ts';
import { findStudyId } from './findStudy.ts';
import { followStudy, hasGivenUp } from './followStudy.ts';
import { howToGoOn } from './pausedText.ts';
import { diagnosticLines, exitCodeOf, preflightText, startFacts } from './preflightText.ts';
import { askOnTerminal, askQuestions } from './questions.ts';
import { formatTable } from './table.ts';
import { checkEngine } from './sameEngine.ts';
import { Progress } from './progress.ts';
import { reportHtml } from './report.ts';
import { addTuneOptions, toRequest, type TuneOptions } from './tuneOptions.ts';

export function tuneCommands(program: Command, line: CommandLine): void {
  addTuneOptions(program.command('tune <script>').description('tune an annotated script'))
    .option('--detach', 'start and return at once')
    .action((script: string, options: TuneOptions) => tune(line, script, options));
  addTuneOptions(program.command('run [script]').description('same as tune'))
    .option('-f, --file <file>', 'script or hpo.yml')
    .option('--detach', 'start and return at once')
    .action(async (script: string | undefined, options: TuneOptions) => {
      const target = options.file ?? script;
      if (target === undefined) throw new HpoError('HPO-4015', 'nothing to run was named', 'hpo run -f hpo.yml', { exitCode: 2 });
      await tune(line, target, options);
    });
}

async function tune(line: CommandLine, script: string, options: TuneOptions): Promise<void> {
  const isJson = options.json === true;
  const client = await line.localAgent();
  if (options.on === 'docker') await checkEngine(line, client);
  const { preflight, ...asked } = await settle(line, toRequest(script, options, process.env), options);
  for (const text of diagnosticLines(preflight.diagnostics)) line.note(text);
  const faults = exitCodeOf(preflight.diagnostics);
  if (faults !== 0) {
    if (isJson) line.printJson({ type: 'preflightFailed', diagnostics: preflight.diagnostics });
    line.exitCode = faults;
    return;
  }
  // Of containers there is more to know than the study's first events say.
  if (isJson && options.detach !== true && preflight.container !== null)
    line.printJson({ type: 'preflight', ...startFacts(preflight) });
  const from = await Promise.all((asked.request.from ?? []).map((text) => findStudyId(client, text)));
  const request = { ...asked.request, ...(from.length === 0 ? {} : { from }) };
  const { remoteAgent } = line;
  if (remoteAgent !== null) await refuseUnreaching(await line.agent());
  const { studyId } = await client.request('study/create', { ...request, ...(remoteAgent === null ? {} : { isPaused: true }) });
  if (remoteAgent !== null) await handOver(line, studyId, remoteAgent);
  if (options.detach === true) {
    if (isJson) line.printJson({ studyId });
    else line.print(studyId);
    return;
  }
  if (!isJson) line.note(`\nstudy ${studyId}\n`);
  const view = await followToEnd(line, studyId, isJson);
  if (view === null) return;
  if (view.state === 'paused') {
    showPause(line, view, isJson);
    return;
  }
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

/** All was made ready here, where script and engine are; the study begins there. */
async function handOver(line: CommandLine, studyId: string, remote: RemoteAgent): Promise<void> {
  const here = { client: await line.localAgent(), place: thisMachine() };
  const there = { client: await line.agent(), place: remote.place };
  await moveStudy(studyId, here, there, (text) => line.note(line.style('dim', `· ${text}`, line.stderr)));
  await there.client.request('study/command', { studyId, command: { type: 'resume' } });
}

/** The preflight, made again for each answer of the user; without a terminal to ask on, the agent's refusal says what to write. */
async function settle(
  line: CommandLine,
  first: TuneRequest,
  { env, json }: TuneOptions,
): Promise<{ readonly request: TuneRequest; readonly preflight: Preflight }> {
  const client = await line.localAgent();
  for (let request = first; ; ) {
    const preflight = await client.request('study/preflight', request);
    if (json !== true) line.note(preflightText(preflight, env, (text) => line.style('bold', text, line.stderr)));
    const hasFaults = preflight.diagnostics.some(({ severity }) => severity === 'error');
    const answers = hasFaults || !process.stdin.isTTY ? {} : await askQuestions(preflight, askOnTerminal);
    request = { ...request, ...answers };
    // An objective is the last thing to be asked, and changes nothing of what was shown.
    if (Object.keys(answers).length === 0 || 'objective' in answers) return { request, preflight };
  }
}

/** The study waits for its user: the cause, the fix and how to go on. */
function showPause(line: CommandLine, view: StudyView, isJson: boolean): void {
  const { studyId, message, failure } = view;
  if (failure === null) return;
  line.exitCode = 1;
  const trials = countTrials(view);
  if (isJson) {
    const next = adviceOf(failure);
    line.printJson({ type: 'studyPaused', studyId, message, failure, next, trials, best: bestTrial(view) });
    return;
  }
  line.print(`\n${line.style('red', 'paused')} by itself: ${printable(message)}\n`);
  const { script } = view.spec;
  for (const text of howToGoOn({ studyId, script, failure, nFailed: trials.failed })) line.print(printable(text));
}

/** Null when the user interrupted; throws HPO-4028 when the study was deleted. */
async function followToEnd(line: CommandLine, studyId: string, isJson: boolean): Promise<StudyView | null> {
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  process.once('SIGINT', onSignal);
  using progress = new Progress(line, Date.now());
  const view = await followStudy(
    line,
    studyId,
    (current, entry) => {
      if (!isJson) {
        progress.update(current, entry.event);
        if (entry.event.type === 'studyPaused' && current.failure !== null) progress.say(runningNote(current));
      } else if (entry.event.type !== 'studyEnded') line.printJson({ seq: entry.seq, studyId, ...entry.event });
    },
    interrupt.signal,
  );
  process.removeListener('SIGINT', onSignal);
  if ((view.state === 'ended' || hasGivenUp(view)) && !view.deleted && view.movedTo === null) return view;
  progress[Symbol.dispose]();
  if (view.movedTo !== null) {
    line.note(`\nThe study has moved to ${view.movedTo}, and goes on there: hpo status ${studyId} --agent cluster`);
    return null;
  }
  if (view.deleted) {
    throw new HpoError(
      'HPO-4028',
      `study ${studyId} was deleted while it ran`,
      `start it again: hpo tune ${view.spec.script ?? 'SCRIPT'}`,
    );
  }
  line.note(`\nThe study goes on. See it: hpo status ${studyId} · stop it: hpo stop ${studyId}`);
  line.exitCode = 130;
  return null;
}

/** Said when a study pauses itself while some of its trials run; empty where none does. */
function runningNote(view: StudyView): string {
  // Those that wait for a place are among them: they begin as soon as they have it.
  const running = view.trials.filter(({ state }) => state === 'running').length;
  if (running === 0) return '';
  const what = running === 1 ? 'the running trial goes on to its end' : `the ${running} running trials go on to their end`;
  const hope =
    view.failure?.kind === 'infrastructure' ? '' : `; if ${running === 1 ? 'it' : 'one of them'} succeeds, the study goes on`;
  return `paused by itself: ${printable(view.message)}\n${what}${hope}`;
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
    line.print(`\n${line.style('bold', 'gain')}  ${printable(bestGainSentence(view))}`);
    const change = await bestChange(view.spec, best);
    if (change.patch === '' && change.left.length === 0) line.print('\nThe source holds the best values already.');
    if (change.patch !== '')
      line.print(`\n${line.style('bold', 'hpo best --apply')} would make this change:\n\n${printable(change.patch)}`);
    for (const text of leftLines(change)) line.print(text);
    if (change.patch !== '') line.print(`apply it:  hpo best ${view.studyId} --apply`);
  } else if (view.spec.objectives.length > 1 && paretoFront(view).length > 0) {
    line.print(`\n${frontText(view)}`);
  }
  const report = join(line.home, 'studies', view.studyId, 'report.html');
  await writeFile(report, await reportHtml(view));
  line.print(`report:    ${report}`);
}
