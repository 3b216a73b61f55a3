import { join } from 'node:path';
import type { Command } from 'commander';
import { createStudy, DecisionCheck, type Difference, fold, stateHash, type StudyState } from '../core/study/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import { formatDuration, plural } from '../protocol/format.ts';
import { countTrials } from '../protocol/view.ts';
import { type ChainCheck, openReadOnly } from '../store/read.ts';
import type { CommandLine } from './commandLine.ts';
import { findStudy } from './findStudy.ts';
import { wholeNumber } from './tuneOptions.ts';

interface ReplayOptions {
  readonly verify?: boolean;
  readonly upto?: string;
  readonly sample?: string;
  readonly journal?: string;
  readonly json?: boolean;
}

/** More differences are counted, and printed with --json. */
const maxShown = 20;
/** How often progress is told. */
const progressMs = 5_000;

export function replayCommand(program: Command, line: CommandLine): void {
  program
    .command('replay <study>')
    .description('fold a study from its journal, and say whether all that was decided follows from it')
    .option('--verify', 'make every decision again and compare; exit code 1 for a difference')
    .option('--sample <n>', 'with --verify: ask the sampler again for n of the points only, evenly over the study')
    .option('--upto <seq>', 'only up to this event')
    .option('--journal <file>', 'a copy of a journal.db; otherwise your own, which is only read')
    .option('--json', 'print JSON')
    .action((study: string, options: ReplayOptions) => replay(line, study, options));
}

async function replay(line: CommandLine, study: string, options: ReplayOptions): Promise<void> {
  const upTo = options.upto === undefined ? Infinity : wholeNumber('--upto', options.upto, 1);
  const sample = options.sample === undefined ? Infinity : wholeNumber('--sample', options.sample, 0);
  using journal = openReadOnly(options.journal ?? join(line.home, 'journal.db'));
  const { studyId } = findStudy(
    journal.studies().map((id) => ({ studyId: id })),
    study,
  );
  const [first, ...entries] = [...journal.read(studyId, 0)].filter(({ seq }) => seq <= upTo);
  if (first === undefined)
    throw new HpoError('HPO-4044', `study ${studyId} has no event up to ${upTo}`, 'give a larger number with --upto', {
      exitCode: 2,
    });
  const folded = { line, studyId, first, entries, json: options.json === true };
  if (options.verify !== true) printState(folded, replayed(first, entries));
  else await verify(folded, sample, upTo === Infinity ? journal.verifyChain() : null);
}

interface Folded {
  readonly line: CommandLine;
  readonly studyId: string;
  readonly first: JournalEntry;
  readonly entries: readonly JournalEntry[];
  readonly json: boolean;
}

function replayed(first: JournalEntry, entries: readonly JournalEntry[]): StudyState {
  const state = createStudy(first);
  for (const entry of entries) {
    try {
      fold(state, entry);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const next = 'look for what was changed with: hpo replay STUDY --verify';
      throw new HpoError('HPO-4045', `event ${entry.seq} cannot follow from those before it: ${why}`, next, { cause });
    }
  }
  return state;
}

async function verify(folded: Folded, sample: number, chain: ChainCheck | null): Promise<void> {
  const { line, first, entries } = folded;
  const numbers = entries.flatMap(({ event }) => (isSampled(event) ? [event.number] : []));
  const asked = evenly(numbers, sample);
  const check = new DecisionCheck(first, { isAsked: (number) => asked.has(number) });
  const progress = new Progress(line, asked.size);
  const differences: Difference[] = [];
  for (const entry of entries) {
    const difference = check.next(entry);
    if (difference !== null) differences.push(difference);
    if (check.fault !== null) break;
    if (progress.isDue()) await progress.tell(check.nAsked);
  }
  const isSame = differences.length === 0 && chain?.ok !== false;
  if (!isSame) line.exitCode = 1;
  const { nDecisions: decisions, nAsked: points } = check;
  printState(folded, check.state, { isSame, decisions, points, of: numbers.length, differences, fault: check.fault, chain });
  if (folded.json) return;
  for (const difference of differences.slice(0, maxShown)) line.print(differenceText(difference));
  if (differences.length > maxShown) line.print(`and ${differences.length - maxShown} more: see all with --json`);
  if (check.fault !== null) line.print(`fault   ${check.fault}: nothing after this event can be compared`);
  if (chain?.ok === false) line.print(`chain   broken: ${chain.why}`);
  const among = points === numbers.length ? '' : `${points} of `;
  const result = differences.length === 0 ? 'all as recorded' : plural(differences.length, 'difference');
  line.print(
    `verify  ${plural(decisions, 'decision')} made again, among them ${among}${plural(numbers.length, 'point')} of the sampler: ${result}`,
  );
}

function printState({ line, studyId, entries, json }: Folded, state: StudyState, verified: unknown = null): void {
  const events = entries.length + 1;
  const { seq } = state.view;
  const trials = countTrials(state.view);
  const hash = stateHash(state);
  if (json) return line.printJson({ studyId, seq, events, trials, stateHash: hash, verified });
  const states = Object.entries(trials).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []));
  const counts = states.length === 0 ? '' : ` (${states.join(', ')})`;
  line.print(
    `study   ${studyId}: ${plural(events, 'event')} up to ${seq}, ${plural(state.view.trials.length, 'trial')}${counts}`,
  );
  line.print(`state   ${hash}`);
}

/** At most `most` of some numbers, evenly. */
function evenly(numbers: readonly number[], most: number): ReadonlySet<number> {
  if (numbers.length <= most) return new Set(numbers);
  const picks = Array.from({ length: most }, (_, k) => numbers[Math.floor(((k + 0.5) * numbers.length) / most)] ?? 0);
  return new Set(picks);
}

function isSampled(event: StudyEvent): event is Extract<StudyEvent, { type: 'trialCreated' }> {
  return event.type === 'trialCreated' && event.origin === 'sampler' && event.parent === undefined;
}

/** Points of a model may take long: says how far it is, and about how long the rest takes. */
class Progress {
  readonly #line: CommandLine;
  readonly #nPoints: number;
  readonly #startedAt = performance.now();
  #toldAt = performance.now();

  constructor(line: CommandLine, nPoints: number) {
    this.#line = line;
    this.#nPoints = nPoints;
  }

  isDue(): boolean {
    return performance.now() - this.#toldAt >= progressMs;
  }

  async tell(nAsked: number): Promise<void> {
    this.#toldAt = performance.now();
    const leftMs = ((this.#toldAt - this.#startedAt) / Math.max(1, nAsked)) * (this.#nPoints - nAsked);
    this.#line.note(`· ${nAsked} of ${this.#nPoints} points, about ${formatDuration(leftMs)} left`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function differenceText({ seq, recorded, recomputed }: Difference): string {
  return `event ${seq} differs\n        recorded   ${eventText(recorded)}\n        recomputed ${eventText(recomputed)}`;
}

function eventText(event: StudyEvent | null): string {
  return event === null ? 'nothing is to be decided here' : JSON.stringify(event);
}
