import { join } from 'node:path';
import type { Command } from 'commander';
import { createStudy, DecisionCheck, type Difference, fold, stateHash, type StudyState } from '../core/study/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import { formatDuration, plural } from '../protocol/format.ts';
import { countTrials } from '../protocol/view.ts';
import { type JournalReader, openReadOnly } from '../store/read.ts';
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
  const told = { line, studyId, json: options.json === true };
  if (options.verify === true) await verify(told, journal, upTo, sample);
  else replayed(told, entriesOf(journal, studyId, upTo));
}

interface Told {
  readonly line: CommandLine;
  readonly studyId: string;
  readonly json: boolean;
}

function replayed(told: Told, entries: Iterable<JournalEntry>): void {
  let state: StudyState | null = null;
  let nEvents = 0;
  for (const entry of entries) {
    nEvents++;
    if (state === null) state = createStudy(entry);
    else foldInto(state, entry);
  }
  if (state === null) throw nothingThere(told.studyId);
  printState(told, state, nEvents, null);
}

function foldInto(state: StudyState, entry: JournalEntry): void {
  try {
    fold(state, entry);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const next = 'look for what was changed with: hpo replay STUDY --verify';
    throw new HpoError('HPO-4045', `event ${entry.seq} cannot follow from those before it: ${why}`, next, { cause });
  }
}

async function verify(told: Told, journal: JournalReader, upTo: number, sample: number): Promise<void> {
  const { line, studyId, json } = told;
  const numbers: number[] = [];
  let lastSeq = 0;
  let first: JournalEntry | null = null;
  for (const entry of entriesOf(journal, studyId, upTo)) {
    first ??= entry;
    lastSeq = entry.seq;
    if (isSampled(entry.event)) numbers.push(entry.event.number);
  }
  if (first === null) throw nothingThere(studyId);
  const asked = evenly(numbers, sample);
  const check = new DecisionCheck(first, { isAsked: (number) => asked.has(number) });
  const progress = new Progress(line, asked.size);
  const differences: Difference[] = [];
  let nEvents = 1;
  // A study that runs goes on meanwhile.
  for (const entry of entriesOf(journal, studyId, lastSeq, first.seq)) {
    nEvents++;
    const difference = check.next(entry);
    if (difference !== null) differences.push(difference);
    if (check.fault !== null) break;
    if (progress.isDue()) await progress.tell(check.nAsked);
  }
  const chain = upTo === Infinity ? journal.verifyChain() : null;
  const isSame = differences.length === 0 && chain?.ok !== false;
  if (!isSame) line.exitCode = 1;
  const { nDecisions: decisions, nAsked: points, fault } = check;
  printState(told, check.state, nEvents, { isSame, decisions, points, of: numbers.length, differences, fault, chain });
  if (json) return;
  for (const difference of differences.slice(0, maxShown)) line.print(differenceText(difference));
  if (differences.length > maxShown) line.print(`and ${differences.length - maxShown} more: see all with --json`);
  if (fault !== null) line.print(`fault   ${fault}: nothing after this event can be compared`);
  if (chain?.ok === false) line.print(`chain   broken: ${chain.why}`);
  const among = points === numbers.length ? '' : `${points} of `;
  const result = differences.length === 0 ? 'all as recorded' : plural(differences.length, 'difference');
  line.print(
    `verify  ${plural(decisions, 'decision')} made again, among them ${among}${plural(numbers.length, 'point')} of the sampler: ${result}`,
  );
}

function printState({ line, studyId, json }: Told, state: StudyState, events: number, verified: object | null): void {
  const { seq } = state.view;
  const trials = countTrials(state.view);
  const hash = stateHash(state);
  if (json) return line.printJson({ studyId, seq, events, trials, stateHash: hash, verified });
  const states = Object.entries(trials).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []));
  const counts = states.length === 0 ? '' : ` (${states.join(', ')})`;
  line.print(
    `study   ${studyId}: ${plural(events, 'event')}, the last is ${seq}; ${plural(state.view.trials.length, 'trial')}${counts}`,
  );
  line.print(`state   ${hash}`);
}

function* entriesOf(journal: JournalReader, studyId: string, upTo: number, from = 0): Generator<JournalEntry> {
  for (const entry of journal.read(studyId, from)) {
    if (entry.seq > upTo) return;
    yield entry;
  }
}

function nothingThere(studyId: string): HpoError {
  return new HpoError('HPO-4044', `study ${studyId} has no event so early`, 'give a larger number with --upto', { exitCode: 2 });
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
