import { createRng } from '../../../agent/core/math/index.ts';
import type { AttemptKey } from '../../../agent/protocol/study.ts';
import type { Process } from '../machine/kernel.ts';
import type { Program, ProgramProcess } from '../machine/program.ts';
import type { Manner, Scenario } from './scenario.ts';

/** What a program of an attempt did, as the world knows it. */
export interface Run {
  readonly key: AttemptKey;
  readonly process: Process;
  /** On the world's own time, in ms. */
  readonly beganAt: number;
  /** Losses of the reports that were written whole, in order, each unique in the world, with where their lines end. */
  readonly printed: { readonly loss: number; readonly end: number }[];
  /** Whether it reports in the metrics file instead of its output. */
  readonly usesFile: boolean;
  /** It came to an end by its own doing, whatever befell it besides. */
  hasEndedItself: boolean;
}

/** The programs of a scenario's trials; `began` hears of each one before it does anything. */
export function training(scenario: Scenario, now: () => number, began: (run: Run) => void): Program {
  return function* train(self) {
    const { environment } = self;
    const key = {
      studyId: environment['HPO_STUDY'] ?? '',
      trial: Number(environment['HPO_TRIAL']),
      attempt: Number(environment['HPO_ATTEMPT']),
    };
    const spec = scenario.studies.find(({ studyId }) => studyId === key.studyId)?.spec;
    if (spec === undefined) throw new RangeError(`a program of no study: ${key.studyId}`);
    const rng = createRng(scenario.seed, 0x70, Number(key.studyId.slice(1)), key.trial, key.attempt);
    const manner: Manner | undefined =
      rng.next() < scenario.ill ? scenario.manners[rng.int(Math.max(1, scenario.manners.length))] : undefined;
    const run: Run = {
      key,
      process: self.process,
      printed: [],
      beganAt: now(),
      usesFile: rng.next() < 0.25,
      hasEndedItself: false,
    };
    began(run);
    const last = Number(environment['HPO_RESOURCE'] ?? 1 + rng.int(4));
    const checkpoint = spec.checkpoint === null ? null : `${environment['HPO_CHECKPOINT_DIR']}/step`;
    const begin = checkpoint === null ? 0 : Number(readOr(self, checkpoint, '0'));
    const trouble = begin + rng.int(Math.ceil(last - begin) + 1);
    if (manner === 'ignores TERM') self.ignoreTerm();
    if (manner === 'escapes') self.escape(60_000, false);
    if (manner === 'escapes, ignores TERM') self.escape(60_000, true);
    for (let step = begin; ; ) {
      if (step >= trouble) {
        if (manner === 'fails') {
          self.print('Traceback (most recent call last):\nValueError: no luck\n');
          run.hasEndedItself = true;
          return 1;
        }
        if (manner === 'ends early') return endWell(run);
        if (manner === 'kills itself') {
          run.hasEndedItself = true;
          self.raise(rng.next() < 0.5 ? 'SIGKILL' : 'SIGTERM');
        }
        // Without a deadline a hanging program would wait for its user.
        if (manner === 'hangs' && spec.limits.timeoutMs !== null) yield 10 * 60_000;
        if (manner === 'floods') {
          for (let line = 0; line < 300; line++) {
            self.print(`${'flood '.repeat(16)}\n`);
            if (line % 30 === 0) yield 100;
          }
        }
      }
      if (step >= last) return endWell(run);
      step = Math.min(last, step + 1);
      yield 1 + rng.int(scenario.stepMs);
      if (manner !== 'silent') yield* report(self, run, step, manner === 'nan' && step >= trouble);
      if (checkpoint !== null) {
        self.disk.writeText(`${checkpoint}.new`, String(step));
        self.disk.rename(`${checkpoint}.new`, checkpoint);
      }
    }
  };
}

function endWell(run: Run): number {
  run.hasEndedItself = true;
  return 0;
}

function* report(self: ProgramProcess, run: Run, step: number, isNan: boolean): Generator<number, void, undefined> {
  const loss = isNan ? NaN : lossOf(Number(self.environment['LR']), run.key, step);
  const path = `${self.environment['HPO_METRICS_FILE']}`;
  if (run.usesFile) {
    const file = self.disk.create(path, true);
    self.disk.append(file, `${JSON.stringify({ step, loss: isNan ? 'nan' : loss })}\n`, path);
    run.printed.push({ loss, end: file.size });
    return;
  }
  // In two pieces, so that an agent may read a line that is not there yet.
  self.print(`epoch ${step} lo`);
  yield 0.5;
  self.print(`ss=${isNan ? 'nan' : loss}\n`);
  run.printed.push({ loss, end: self.written() });
}

/** Different for every report of a study: the last digits are its name. */
export function lossOf(lr: number, { trial, attempt }: AttemptKey, step: number): number {
  const value = Math.abs(Math.log10(lr) + 2) + 1 / (step + 1);
  return Number((Math.round(value * 1e3) / 1e3 + trial * 1e-5 + attempt * 1e-7 + step * 1e-9).toFixed(9));
}

function readOr(self: ProgramProcess, path: string, otherwise: string): string {
  return self.disk.stat(path) === null ? otherwise : self.disk.readText(path) || otherwise;
}
