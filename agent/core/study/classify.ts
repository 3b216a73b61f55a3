import type { MetricSource, Objective } from '../../protocol/space.ts';
import type { Failure, MetricValue, StudySpec } from '../../protocol/study.ts';
import { metricNumber, unreachable, type CurvePoint } from '../../protocol/view.ts';
import { isPastStop } from './budget.ts';
import { lookedForBeside } from './currentFolder.ts';
import { containerFailure, memoryLimitFailure } from './containerFailure.ts';
import { failureCodes } from './failurePolicy.ts';
import type { LiveAttempt, StudyState } from './state.ts';
import { readTraceback, tailLines } from './traceback.ts';

/** What the executor saw of an attempt's end. */
export interface AttemptEnding {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Ended because its time was over. */
  readonly isTimeout: boolean;
  readonly isOutOfMemory: boolean;
  /** It could not be started, or vanished without a record of its end; `outputTail` says what is known. */
  readonly isLost: boolean;
  /** What mends it, where it could not be started for a reason that is known; and whether what runs trials is away. */
  readonly advice?: string;
  readonly away?: 'engine' | 'cluster';
  /** The machine was taken away; only on executors that share machines. */
  readonly isPreempted?: boolean;
  /** What else the executor knows of a loss, a preemption, a start that failed, or a limit for which it was killed. */
  readonly detail?: string;
  /** The end of its output, a few kB. */
  readonly outputTail: string;
}

const maxReasonLength = 1_000;

/**
 * Why an attempt did not deliver, or null when it ended as it should: by itself with a value for every objective, or
 * because it was asked to.
 */
export function classify(state: StudyState, live: LiveAttempt, ending: AttemptEnding, at: number): Failure | null {
  const { spec } = state.view;
  const attempt = state.trial(live.number).attempts[live.attempt - 1];
  if (live.stopReason === 'outputLimit') return outputLimit(spec);
  if (live.stopReason !== null && !isPastStop(state, live, ending.exitCode)) return null;
  if (ending.isPreempted === true) {
    return { kind: 'preempted', code: failureCodes.preempted, message: `The machine was taken away${because(ending.detail)}.` };
  }
  if (ending.isLost) return lost(attempt?.startedAt !== null, ending);
  if (ending.isTimeout) return timeout(spec);
  if (ending.isOutOfMemory) return killedForMemory(spec, lastLine(ending.outputTail), live);
  if (ending.signal !== null && (ending.detail ?? '') !== '') return diskLimit(ending);
  if (ending.exitCode !== 0 || ending.signal !== null) return programFailure(state, live, ending);
  return badMetric(state, live, ending.outputTail, at - (attempt?.startedAt ?? at));
}

function outputLimit(spec: StudySpec): Failure {
  const limit = size(spec.limits.outputBytes);
  return {
    kind: 'userError',
    code: failureCodes.outputLimit,
    message: `The trial was ended because it printed more than ${limit}. Print less, or raise the limit of output.`,
  };
}

const usualAdvice = 'look at free space, the limits of processes and files, and the interpreter';

function lost(isStarted: boolean, ending: AttemptEnding): Failure {
  const { outputTail: tail, detail = '', away } = ending;
  const fail = (code: string, message: string): Failure => ({ kind: 'infrastructure', code, message });
  if (isStarted) {
    return fail(
      failureCodes.lost,
      detail === ''
        ? 'The process vanished without a record of its end, as after a restart of the machine.'
        : `The trial vanished without a record of its end${because(detail)}.`,
    );
  }
  const advice = ending.advice ?? (detail === '' ? usualAdvice : 'mend that, then resume the study');
  // The whole of the reason: a path in it may be long, and what went wrong with it comes last.
  const reason = (detail === '' ? tail : detail).trim().replaceAll(/\s+/g, ' ').replace(/\.$/, '').slice(0, maxReasonLength);
  if (reason === '')
    return fail(failureCodes.lost, 'The attempt was lost before it began, as when the agent is killed while it starts one.');
  if (away !== undefined)
    return fail(
      away === 'engine' ? failureCodes.engineAway : failureCodes.clusterAway,
      `${sentence(reason)} ${sentence(advice)}`,
    );
  return isDiskFull(reason)
    ? diskFull(reason, false)
    : fail(failureCodes.cannotStart, `The attempt could not be started: ${reason}. ${sentence(advice)}`);
}

/** `: the node gpu-7 was drained`, or nothing. */
function because(detail: string | undefined): string {
  const text = (detail ?? '').trim().replaceAll(/\s+/g, ' ').replace(/\.$/, '').slice(0, maxReasonLength);
  return text === '' ? '' : `: ${text}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function isDiskFull(text: string): boolean {
  return /\bENOSPC\b|No space left on device|\bEDQUOT\b|[Dd]isk quota exceeded/.test(text);
}

/** A program that has a container says of its memory folders the same as of the disk. */
function diskFull(seen: string, isContained: boolean): Failure {
  const next = isContained
    ? 'Free some room on it; or, if that was in /tmp or HOME: # @hpo.resources tmp=4GB'
    : 'Free some room on it';
  return {
    kind: 'infrastructure',
    code: failureCodes.diskFull,
    message: `The disk is full (${seen.slice(0, maxReasonLength)}). ${next}.`,
  };
}

/** What runs it elsewhere says which limit, and how to raise it. */
function diskLimit({ detail }: AttemptEnding): Failure {
  return {
    kind: 'userError',
    code: failureCodes.diskLimit,
    message: `The trial was ended for a limit of its own${because(detail)}.`,
  };
}

function timeout(spec: StudySpec): Failure {
  const limit = spec.limits.timeoutMs === null ? '' : ` of ${duration(spec.limits.timeoutMs)}`;
  return {
    kind: 'timeout',
    code: failureCodes.timeout,
    message: `The trial was ended because its time limit${limit} was over. Raise the limit, or narrow the parameters that make a trial slow.`,
  };
}

function killedForMemory(spec: StudySpec, seen: string, live: LiveAttempt): Failure {
  const limit = spec.container?.memoryBytes ?? null;
  return limit === null ? outOfMemory(spec, seen, live) : memoryLimitFailure(limit, seen, narrowing(spec));
}

function narrowing(spec: StudySpec): string {
  const big = spec.space.parameters.find((parameter) => /batch|hidden|width|layers/i.test(parameter.name));
  return big === undefined ? 'narrow the parameters that need memory' : `lower the upper end of "${big.name}"`;
}

function outOfMemory(spec: StudySpec, seen: string, { hadCompany }: LiveAttempt): Failure {
  const detail = seen === '' ? '' : ` (${seen})`;
  const narrow = narrowing(spec);
  const next = hadCompany ? `Let fewer trials run at once, or ${narrow}.` : sentence(narrow);
  const code = hadCompany ? failureCodes.memory : failureCodes.memoryAlone;
  return { kind: 'outOfMemory', code, message: `The trial ran out of memory${detail}. ${next}` };
}

/** By the class of the exception, or the words with which libraries tell it; a message may speak of memory and mean another. */
function isOutOfMemory(error: string): boolean {
  return (
    /^(?:\w+\.)*\w*(?:MemoryError|OutOfMemory\w*|ResourceExhaustedError)(?::|$)/.test(error) ||
    error.startsWith('OSError: [Errno 12]') ||
    /^\w+: (?:(?:CUDA|HIP|MPS|XPU)\b.*\bout of memory\b|RESOURCE_EXHAUSTED: Out of memory\b|CUDA_ERROR_OUT_OF_MEMORY|std::bad_alloc\b)/.test(
      error,
    ) ||
    /DefaultCPUAllocator: (?:can't allocate memory|not enough memory)/.test(error)
  );
}

/** A command of the user's may run Python by way of a shell: which one is not known then. */
function pythonOf({ environment: { interpreter }, command }: StudySpec): string {
  const isPython = /^(?:python|pypy)[\d.]*(?:\.exe)?$/i.test(interpreter.split(/[\\/]/).at(-1) ?? '');
  return isPython ? interpreter : `the Python that "${command.join(' ').slice(0, 100)}" runs`;
}

function programFailure(state: StudyState, live: LiveAttempt, { exitCode, signal, outputTail }: AttemptEnding): Failure {
  const { spec } = state.view;
  const traceback = readTraceback(outputTail, spec.script);
  if (traceback !== null) {
    const { error, place } = traceback;
    const where = place === null ? '' : ` (${place.file}, line ${place.line})`;
    if (isOutOfMemory(error)) return outOfMemory(spec, error, live);
    const contained = spec.container === undefined ? null : containerFailure(error, where, spec.container);
    if (contained !== null) return contained;
    if (isDiskFull(error)) return diskFull(error, spec.container !== undefined);
    const beside = lookedForBeside(spec, error, where);
    if (beside !== null) return beside;
    const module = /^ModuleNotFoundError: No module named '([^']+)'/.exec(error)?.[1];
    if (module !== undefined) {
      const next = `Install it for ${pythonOf(spec)}, or choose another interpreter.`;
      return { kind: 'userError', code: failureCodes.module, message: `${error}${where}. ${next}` };
    }
    if (/^(?:ImportError|SyntaxError|IndentationError|TabError)\b/.test(error)) {
      return {
        kind: 'userError',
        code: failureCodes.start,
        message: `${error}${where}. Mend it, try the script by itself, and tune again.`,
      };
    }
    return {
      kind: 'userError',
      code: failureCodes.program,
      message: `${error}${where}. See the trial's log; run the script with these values to find out more.`,
    };
  }
  const seen = lastLine(outputTail);
  const contained = spec.container === undefined ? null : containerFailure(seen, '', spec.container);
  if (contained !== null) return contained;
  const said = seen === '' ? 'It printed nothing.' : `Last line: "${seen}".`;
  if ((exitCode === 126 || exitCode === 127) && live.nReports === 0 && isNotRunnable(spec.command[0] ?? '', outputTail)) {
    const program = spec.command[0] ?? '';
    // What ran before and now does not has been taken away: the script has no part in that.
    if (state.hasReported) {
      return {
        kind: 'infrastructure',
        code: failureCodes.cannotStart,
        message: `The program "${program}" can no longer be run. ${said} Bring it back: a study keeps the interpreter that it began with.`,
      };
    }
    return {
      kind: 'userError',
      code: failureCodes.start,
      message: `The program "${program}" cannot be run. ${said} Check the command and the interpreter.`,
    };
  }
  if (signal !== null) {
    const guess = signal === 'SIGKILL' ? ', often a sign of too little memory' : '';
    return {
      kind: 'userError',
      code: failureCodes.program,
      message: `The trial was ended from outside by ${signal}${guess}. ${said} See its log.`,
    };
  }
  return {
    kind: 'userError',
    code: failureCodes.program,
    message: `The script ended with exit code ${exitCode ?? 'unknown'}${meaningOf(exitCode)}. ${said} See the trial's log.`,
  };
}

/**
 * Whether the output is all that is printed in place of a program that cannot be executed: one line, by setsid or by the
 * sh of the shim, that names it. Anything else with such an exit code is the program's own, such as a script of the shell
 * in which a command is missing.
 */
function isNotRunnable(program: string, outputTail: string): boolean {
  const line = outputTail.trim();
  if (program === '' || /[\r\n]/.test(line)) return false;
  const said = /^(?:setsid|\S.*\/shim-[0-9a-f]{12}\.sh|\/hpo\/shim\.sh): (.*)$/.exec(line)?.[1] ?? '';
  // Between other words, which differ with the language: "failed to execute python3: …", "69: exec: python3: not found".
  const words = ` ${said.replaceAll(/['"‘’“”„]/g, '')} `;
  return words.includes(` ${program} `) || words.includes(` ${program}: `);
}

/** What shells mean by an exit code. */
function meaningOf(exitCode: number | null): string {
  if (exitCode === 127) return ', with which a shell says that a command was not found';
  return exitCode === 126 ? ', with which a shell says that a command could not be executed' : '';
}

function badMetric(state: StudyState, live: LiveAttempt, outputTail: string, ranMs: number): Failure | null {
  const latest = state.latest.get(live.number) ?? {};
  const { spec } = state.view;
  for (const name of state.requiredMetrics) {
    const value = latest[name];
    if (value === undefined) {
      const { curve, curveStart } = state.trial(live.number);
      // With a checkpoint what earlier attempts reported counts too.
      const seen = seenNames(spec.checkpoint === null ? curve.slice(curveStart) : curve);
      const source = spec.metrics.find(({ metric }) => metric === name);
      const message = `No metric "${name}" was reported. ${spec.script ?? 'The program'} ended normally after ${duration(ranMs)} ${source === undefined ? whatElse(name, seen, outputTail) : whereItWas(source, outputTail)}`;
      return { kind: 'badMetric', code: failureCodes.noObjective, message };
    }
    const objective = spec.objectives.find(({ metric }) => metric === name);
    // A constraint may well be infinite: that holds or does not.
    if (objective !== undefined && !Number.isFinite(metricNumber(value))) {
      const message = notFinite(objective, value, live.lastStep);
      return { kind: 'badMetric', code: failureCodes.objectiveNotFinite, message };
    }
  }
  return null;
}

/** Better than any value can be is no result either: were it one, nothing could ever be better. */
function notFinite({ metric, direction }: Objective, value: MetricValue, step: number): string {
  const seen = `"${metric}" was ${value === 'nan' ? 'NaN' : value} at the end (step ${step})`;
  return value === (direction === 'min' ? '-inf' : 'inf')
    ? `${seen}, better than any result can be: look for a logarithm of 0 or a division by 0 where the script computes it. The search keeps away from such points.`
    : `${seen}: the training diverged. The search keeps away from such points; narrow the range that leads there if it happens often.`;
}

/** For a metric of which the annotations say where it is read: from nowhere else. */
function whereItWas(source: MetricSource, outputTail: string): string {
  const { metric } = source;
  switch (source.type) {
    case 'stdout':
      return `and printed no line that matches "${source.pattern}", by which "${metric}" is read. ${lastLines(outputTail)} Print such a line, or mend the pattern.`;
    case 'json':
    case 'csv':
      return `and no "${metric}" came from the file "${source.path}", from which alone it is read. Write it there, in the folder in which the trial runs, or mend "# @hpo.metric".`;
    case 'tensorboard':
      return `and no "${metric}" came from the TensorBoard files in "${source.dir}", from which alone it is read. Write it there, in the folder in which the trial runs, or mend "# @hpo.metric".`;
    default:
      return unreachable(source);
  }
}

function lastLines(outputTail: string): string {
  const lines = tailLines(outputTail, 3);
  return lines.length === 0 ? 'It printed nothing.' : `Last ${lines.length === 1 ? 'line' : 'lines'}: "${lines.join('", "')}".`;
}

function whatElse(name: string, seen: readonly string[], outputTail: string): string {
  const said = lastLines(outputTail);
  if (seen.length === 0) return `and printed no metric at all. ${said} Print it as "${name}=0.81".`;
  const names = seen.map((other) => `"${other}"`).join(', ');
  return `and printed only ${names}. ${said} Name one of them in "# @hpo.objective", or print "${name}=0.81".`;
}

function seenNames(curve: readonly CurvePoint[]): readonly string[] {
  const names = new Set<string>();
  for (const { values } of curve) {
    for (const name of Object.keys(values)) names.add(name);
    if (names.size >= 10) break;
  }
  return [...names].slice(0, 10);
}

function lastLine(tail: string): string {
  return tailLines(tail, 1)[0] ?? '';
}

const sizeUnits = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const;

/** As a limit is written, in powers of 1024: 100 MB for `output=100MB`. */
function size(bytes: number): string {
  let power = 0;
  while (power < sizeUnits.length - 1 && bytes >= 1024 ** (power + 1)) power++;
  return `${Math.round((bytes / 1024 ** power) * 100) / 100} ${sizeUnits[power] ?? 'B'}`;
}

/** For people: 850 ms, 3 s, 4 min, 2.5 h. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 360_000) / 10} h`;
}
