import type { StudyEvent } from '../protocol/events.ts';
import { withoutDurations } from '../protocol/failureAdvice.ts';
import { formatDuration, formatMetric, formatParams } from '../protocol/format.ts';
import { bestTrial, countTrials, metricNumber, type StudyView, type TrialView } from '../protocol/view.ts';
import type { Failure, TrialState } from '../protocol/study.ts';
import { printable } from '../protocol/printable.ts';
import { waitsOf, waitText } from '../protocol/waits.ts';
import type { CommandLine } from './commandLine.ts';

const barWidth = 24;
const redrawMs = 100;

const marks = {
  complete: ['green', '✓'],
  pruned: ['yellow', '◦'],
  failed: ['red', '✗'],
  infeasible: ['yellow', '⊘'],
  cancelled: ['gray', '–'],
  waiting: ['gray', ' '],
  running: ['gray', ' '],
  paused: ['gray', ' '],
} as const satisfies Record<TrialState, readonly [string, string]>;

/** Live progress on stderr: one line per finished trial, below it a bar with best so far, rate and ETA (on a terminal). */
export class Progress implements Disposable {
  readonly #line: CommandLine;
  readonly #startedAt: number;
  readonly #timer: NodeJS.Timeout | null;
  /** The trial whose line has told a failure. */
  readonly #told = new Map<string, number>();
  #view: StudyView | null = null;
  #hasBar = false;

  constructor(line: CommandLine, now: number) {
    this.#line = line;
    this.#startedAt = now;
    this.#timer = line.stderr.isTTY ? setInterval(() => this.#redraw(), redrawMs) : null;
  }

  /** Shows the view after an event. */
  update(view: StudyView, event: StudyEvent): void {
    this.#view = view;
    const trial = event.type === 'trialEnded' ? view.trials[event.number] : undefined;
    if (trial === undefined) return;
    this.#clear();
    this.#line.note(this.#trialLine(view, trial));
  }

  /** A note between the lines of trials. */
  say(text: string): void {
    if (text === '') return;
    this.#clear();
    this.#line.note(text);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#clear();
  }

  #trialLine(view: StudyView, trial: TrialView): string {
    const style = (color: Parameters<CommandLine['style']>[0], text: string): string =>
      this.#line.style(color, text, this.#line.stderr);
    const [color, mark] = marks[trial.state];
    const metrics = view.spec.objectives.map(({ metric }) => `${metric} ${formatMetric(trial.values[metric])}`).join('  ');
    const isBest = view.incumbent === trial.number;
    const parts = [
      style(color, `${mark} ${String(trial.number).padStart(3)} ${trial.state.padEnd(8)}`),
      trial.failure === null ? metrics : this.#failureText(trial.number, trial.failure),
      view.spec.fidelity === null ? '' : `at ${trial.resource} ${view.spec.fidelity.name}`,
      trial.startedAt === null || trial.endedAt === null ? '' : formatDuration(trial.endedAt - trial.startedAt),
      style(
        'dim',
        printable(
          trial.origin === 'default' ? `${formatParams(trial.params)} (the script's own values)` : formatParams(trial.params),
        ),
      ),
    ];
    return parts.filter((part) => part !== '').join('  ') + (isBest ? style('green', '  ← best') : '');
  }

  /** A cause is told once. */
  #failureText(number: number, { message }: Failure): string {
    const cause = withoutDurations(message);
    const first = this.#told.get(cause);
    if (first !== undefined) return `the same error as trial ${first}`;
    this.#told.set(cause, number);
    return printable(message.split('\n')[0] ?? '');
  }

  #redraw(): void {
    const view = this.#view;
    if (view === null) return;
    const width = Math.max(20, (this.#line.stderr.columns || 80) - 1);
    this.#line.redraw(this.#bar(view, Date.now()).slice(0, width));
    this.#hasBar = true;
  }

  #clear(): void {
    if (!this.#hasBar) return;
    this.#line.redraw('');
    this.#hasBar = false;
  }

  #bar(view: StudyView, now: number): string {
    const counts = countTrials(view);
    const total = view.spec.budget.trials;
    const nEnded = view.trials.length - counts.running - counts.waiting - counts.paused;
    const elapsedMs = now - this.#startedAt;
    const share = total === null ? elapsedMs / (view.spec.budget.wallTimeMs ?? Infinity) : nEnded / total;
    const filled = Math.round(Math.min(1, share) * barWidth);
    const best = bestTrial(view);
    const [objective] = view.spec.objectives;
    const perMinute = (nEnded / Math.max(elapsedMs, 1)) * 60_000;
    const etaMs = share > 0 ? (elapsedMs * (1 - share)) / share : null;
    return [
      `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`,
      `${nEnded}/${total ?? '∞'}`,
      `${counts.running} running`,
      waitingText(view, counts.waiting),
      best === null || objective === undefined || Number.isNaN(metricNumber(best.values[objective.metric]))
        ? ''
        : `best ${formatMetric(best.values[objective.metric])}`,
      `${perMinute.toFixed(1)}/min`,
      etaMs === null || view.state !== 'running' ? view.state : `ETA ${formatDuration(etaMs)}`,
    ]
      .filter((part) => part !== '')
      .join('  ');
  }
}

/** `2 waiting (waits for a place: 0/3 nodes are available)`: with why most of them have not begun. */
function waitingText(view: StudyView, count: number): string {
  if (count === 0) return '';
  const [most] = waitsOf(view);
  return most === undefined ? `${count} waiting` : `${count} waiting (${printable(waitText(most.reason).slice(0, 60))})`;
}
