import { isDeepStrictEqual } from 'node:util';
import type { InvariantName, Violation } from '../../../agent/audit/invariants.ts';
import { createJournalAudit } from '../../../agent/audit/journalAudit.ts';
import { createStudy, decide, fold } from '../../../agent/core/study/index.ts';
import type { JournalEntry, StudyEvent } from '../../../agent/protocol/events.ts';
import type { StudyCommand } from '../../../agent/protocol/requests.ts';
import type { Params } from '../../../agent/protocol/space.ts';
import type { AttemptKey, StudySpec } from '../../../agent/protocol/study.ts';
import { createView, foldView, metricNumber, type StudyView, unreachable } from '../../../agent/protocol/view.ts';
import { patienceMs } from '../../../agent/driver/places.ts';
import type { JournalDisk } from './journalDisk.ts';
import type { Run } from './training.ts';

type AttemptEnded = Extract<StudyEvent, { type: 'attemptEnded' }>;

interface Told {
  readonly losses: number[];
  isStopAsked: boolean;
}

/** What excuses the loss of output that was printed. */
export interface Excuses {
  /** A power cut takes what was not written back. */
  hadPowerCut: boolean;
  /** A read that failed makes an attempt one that is lost to the infrastructure. */
  hadReadFault: boolean;
}

/** Holds what happens against what must hold. Sees the journal past the agents, and the programs past both. */
export class Checker {
  readonly violations: Violation[] = [];
  readonly checks = new Map<InvariantName, number>();
  readonly entries: JournalEntry[] = [];
  readonly excuses: Excuses = { hadPowerCut: false, hadReadFault: false };
  /** The programs of each attempt: one, but where a cluster started its Job twice. */
  readonly runs = new Map<string, readonly Run[]>();
  /** Hears of all that is recorded. */
  onEntry: (entry: JournalEntry) => void = () => {};
  /** Attempts whose containers were ended from outside, and their programs with them where those had not ended. */
  readonly struck = new Set<string>();
  /** Attempts whose Job a cluster started a second time. */
  readonly doubled = new Set<string>();
  /** Attempts of whose log a node let go of a part: what was in it may be missing, where nobody had read it. */
  readonly rotated = new Set<string>();
  /** Runs on a machine that nobody can ask, and that goes on by itself. */
  isOutOfReach: (run: Run) => boolean = () => false;
  /** Nothing stands in the way of a container any more. */
  isEngineWell = false;
  /** Attempts that were asked for since then. */
  readonly #carefree = new Set<string>();
  readonly #hashes: string[] = [];
  readonly #disk: JournalDisk;
  readonly #now: () => number;
  readonly #audit = createJournalAudit();
  readonly #live = new Set<string>();
  /** Attempts that wait for room, since when on the world's own time. */
  readonly #waitsForRoom = new Map<string, number>();
  readonly #told = new Map<string, Told>();
  readonly #views = new Map<string, StudyView>();
  readonly #expected = new Map<string, readonly (Params | null)[]>();

  /** `now`: the world's own time, in ms. */
  constructor(disk: JournalDisk, now: () => number) {
    this.#disk = disk;
    this.#now = now;
  }

  check(invariant: InvariantName, isSo: boolean, studyId: string | null, what: () => string): boolean {
    this.checks.set(invariant, (this.checks.get(invariant) ?? 0) + 1);
    if (!isSo) this.violations.push({ invariant, studyId, what: what() });
    return isSo;
  }

  get lastSeq(): number {
    return this.entries.length;
  }

  view(studyId: string): StudyView | undefined {
    return this.#views.get(studyId);
  }

  get views(): IterableIterator<StudyView> {
    return this.#views.values();
  }

  /** Looks at what has been committed since the last look. */
  look(): void {
    for (const { entry, hash } of this.#disk.read(this.lastSeq)) {
      this.entries.push(entry);
      this.#hashes.push(hash);
      this.onEntry(entry);
      this.violations.push(...this.#audit.see(entry));
      this.#see(entry);
    }
  }

  /** A program begins. */
  began(run: Run): void {
    this.look();
    const id = keyOf(run.key);
    const { studyId, trial } = run.key;
    const before = this.runs.get(id) ?? [];
    this.check(
      'oneCounts',
      before.length === 0 || this.doubled.has(id),
      studyId,
      () => `the program of ${id} runs a second time`,
    );
    for (const other of this.#allRuns()) {
      if (other.key.studyId !== studyId || other.key.trial !== trial || !this.#lives(other) || keyOf(other.key) === id) continue;
      this.check('oneCounts', false, studyId, () => `${id} begins while ${keyOf(other.key)} lives`);
    }
    this.check(
      'order',
      this.#live.has(id) || this.doubled.has(id),
      studyId,
      () => `the program of ${id} runs, which no live attempt asked for`,
    );
    const parallel = Math.max(
      ...this.entries.map(({ event }) => (event.type === 'studyScaled' ? event.parallel : 1)),
      this.view(studyId)?.spec.search.parallel ?? 0,
    );
    const alive = this.#allRuns().filter((other) => other.key.studyId === studyId && this.#lives(other));
    const nAlive = new Set([...alive.map(({ key }) => keyOf(key)), id]).size;
    this.check('slots', nAlive <= parallel, studyId, () => `${nAlive} programs run where ${parallel} may`);
    this.runs.set(id, [...before, run]);
  }

  /** A command is answered: it must be in the journal by now. Returns the place up to which nothing may be lost any more. */
  acknowledged(
    studyId: string,
    command: StudyCommand | 'create',
    sentAtSeq: number,
    before: Pick<StudyView, 'state' | 'parallel'> | undefined,
  ): { readonly seq: number; readonly hash: string } {
    this.look();
    const since = this.entries.slice(sentAtSeq).filter((entry) => entry.studyId === studyId);
    this.check(
      'durable',
      (command !== 'create' && isSoAlready(command, before)) || this.#isRecorded(studyId, command, since),
      studyId,
      () => `${JSON.stringify(command)} was acknowledged and is not in the journal`,
    );
    return { seq: this.lastSeq, hash: this.#hashes.at(-1) ?? '' };
  }

  /** What was acknowledged is still there, unchanged. */
  kept({ seq, hash }: { readonly seq: number; readonly hash: string }): void {
    this.check(
      'durable',
      seq === 0 || this.#hashes[seq - 1] === hash,
      null,
      () => `event ${seq}, acknowledged once, is another one or gone`,
    );
  }

  /** A subscriber hears of entries. */
  heard(entries: readonly JournalEntry[], cursor: number): void {
    this.look();
    entries.forEach((entry, i) => {
      const { seq } = entry;
      this.check('view', seq === cursor + 1 + i, entry.studyId, () => `a subscriber at ${cursor + i} hears of event ${seq}`);
      this.check(
        'durable',
        isDeepStrictEqual(entry, this.entries[seq - 1]),
        entry.studyId,
        () => `a subscriber hears of event ${seq}, which the journal does not have so`,
      );
    });
  }

  /** The driver's live view is the fold of the journal. */
  compare(view: StudyView): void {
    this.look();
    const folded = this.view(view.studyId);
    this.check(
      'view',
      isDeepStrictEqual(folded, view),
      view.studyId,
      () => `the live view is not the fold of the journal: ${JSON.stringify(view)} ${JSON.stringify(folded)}`,
    );
  }

  /** A container or pod is ended from outside. A program that had ended by then, as by its time limit, is what it was. */
  strike(key: AttemptKey): void {
    const id = keyOf(key);
    if (!this.struck.has(id)) for (const run of this.runs.get(id) ?? []) run.hasEndedItself ||= !run.process.isAlive;
    this.struck.add(id);
  }

  /** When nothing goes on any more. */
  end(): void {
    this.look();
    this.violations.push(...this.#audit.end());
    for (const [name, count] of this.#audit.checks) this.checks.set(name, (this.checks.get(name) ?? 0) + count);
    for (const view of this.#views.values()) {
      const { studyId } = view;
      this.check(
        'progress',
        view.deleted || view.state === 'ended' || (view.state === 'paused' && view.message !== ''),
        studyId,
        () => `it is ${view.state} and does not say what it waits for`,
      );
      this.#checkBest(view);
    }
    for (const id of this.#live)
      this.check('slots', this.view(id.slice(0, id.indexOf('/')))?.deleted === true, null, () => `${id} never ended`);
  }

  #see({ studyId, event, ...rest }: JournalEntry): void {
    const entry = { ...rest, studyId, event };
    if (event.type === 'studyCreated') this.#views.set(studyId, createView(entry));
    else {
      const view = this.view(studyId);
      if (view !== undefined) foldView(view, entry);
    }
    switch (event.type) {
      case 'attemptRequested':
        this.#live.add(keyOf({ studyId, trial: event.number, attempt: event.attempt }));
        this.#checkTurn(studyId, event.number);
        if (this.isEngineWell) this.#carefree.add(keyOf({ studyId, trial: event.number, attempt: event.attempt }));
        return;
      case 'attemptStopRequested':
        this.#toldOf(studyId, event).isStopAsked = true;
        return;
      case 'attemptWaits': {
        const kind = event.reason?.kind;
        const id = keyOf({ studyId, trial: event.number, attempt: event.attempt });
        if (kind !== 'unschedulable' && kind !== 'queued') this.#waitsForRoom.delete(id);
        else if (!this.#waitsForRoom.has(id)) this.#waitsForRoom.set(id, this.#now());
        return;
      }
      case 'attemptStarted':
        this.#waitsForRoom.delete(keyOf({ studyId, trial: event.number, attempt: event.attempt }));
        return;
      case 'metricReported': {
        const loss = event.values['loss'];
        if (loss !== undefined) this.#toldOf(studyId, event).losses.push(metricNumber(loss));
        return;
      }
      case 'attemptEnded':
        this.#ended({ studyId, trial: event.number, attempt: event.attempt }, event);
        return;
      case 'trialCreated':
        this.#checkPoint(studyId, event);
        return;
      default:
        return;
    }
  }

  /** Somebody ends a program, as it may end itself: whatever befalls it later is not why. */
  killed(process: Run['process']): void {
    for (const run of this.#allRuns()) if (run.process === process) run.hasEndedItself = true;
  }

  #allRuns(): Run[] {
    return [...this.runs.values()].flat();
  }

  #lives(run: Run): boolean {
    return run.process.isAlive && !this.isOutOfReach(run);
  }

  #isPartial(id: string): boolean {
    return this.struck.has(id) || this.doubled.has(id) || this.rotated.has(id);
  }

  #toldOf(studyId: string, event: { readonly number: number; readonly attempt: number }): Told {
    const id = keyOf({ studyId, trial: event.number, attempt: event.attempt });
    const told = this.#told.get(id) ?? { losses: [], isStopAsked: false };
    this.#told.set(id, told);
    return told;
  }

  #ended(key: AttemptKey, event: AttemptEnded): void {
    const id = keyOf(key);
    this.#live.delete(id);
    this.#waitsForRoom.delete(id);
    const runs = this.runs.get(id) ?? [];
    const { losses, isStopAsked } = this.#toldOf(key.studyId, event);
    this.check(
      'oneCounts',
      !runs.some((run) => this.#lives(run)),
      key.studyId,
      () => `${id} has ended in the journal while its program lives`,
    );
    const kind = event.failure?.kind;
    // That it printed too much was seen before it was ended, by whomever.
    const isBlameless =
      kind === undefined ||
      kind === 'infrastructure' ||
      kind === 'preempted' ||
      kind === 'cancelled' ||
      event.failure?.code === 'HPO-3008';
    // What was struck may go on for long, until controllers that are late do it: then its own time limit ends it.
    const { timeoutMs } = this.view(key.studyId)?.spec.limits ?? { timeoutMs: null };
    const isOverdue = kind === 'timeout' && runs.some(({ beganAt }) => this.#now() - beganAt >= (timeoutMs ?? Infinity));
    this.check(
      'order',
      !this.struck.has(id) || isBlameless || isOverdue || runs.some(({ hasEndedItself }) => hasEndedItself),
      key.studyId,
      () => `${id} was ended from outside, and is blamed: ${event.failure?.message}`,
    );
    this.check(
      'progress',
      !this.#carefree.has(id) || (kind !== 'infrastructure' && kind !== 'preempted'),
      key.studyId,
      () => `${id} had nothing in its way and was lost: ${event.failure?.message}`,
    );
    // Of what one of them printed, and nothing of another.
    const told = runs.filter(({ printed }) => isBegun(losses, printed) || (this.rotated.has(id) && isPart(losses, printed)));
    const printed = (told[0] ?? runs[0])?.printed ?? [];
    this.check(
      'toldOnce',
      losses.length === 0 || told.length > 0,
      key.studyId,
      () => `${id} printed ${printed.map(({ loss }) => loss).join(' ')}, told are ${losses.join(' ')}`,
    );
    // What a pod printed that was ended with it was read as far as it could be; of two pods one counts.
    if ((this.struck.has(id) && kind !== undefined) || this.rotated.has(id) || this.doubled.has(id)) return;
    const isLostToUs = event.failure?.kind === 'infrastructure' && this.excuses.hadReadFault;
    if (runs.length === 0 || isStopAsked || isLostToUs || this.excuses.hadPowerCut) return;
    const limit = this.view(key.studyId)?.spec.limits.outputBytes ?? Infinity;
    const due = printed.filter(({ end }) => end <= limit).length;
    this.check(
      'toldOnce',
      losses.length >= due,
      key.studyId,
      () => `${id} printed ${printed.map(({ loss }) => loss).join(' ')}, told are only ${losses.join(' ')}`,
    );
  }

  /** On a cluster a study asks for more only when no other one with fewer attempts waits for room since short. */
  #checkTurn(studyId: string, number: number): void {
    if (this.view(studyId)?.spec.executor !== 'kubernetes') return;
    const withRoom = (of: string): number =>
      [...this.#live].filter((id) => id.startsWith(`${of}/`) && !this.#waitsForRoom.has(id)).length;
    // But for the one that is asked for.
    const nOwn = withRoom(studyId) - 1;
    for (const [id, since] of this.#waitsForRoom) {
      const other = id.slice(0, id.indexOf('/'));
      if (other === studyId || this.view(other)?.deleted === true) continue;
      this.check(
        'slots',
        withRoom(other) >= nOwn || this.#now() - since >= patienceMs,
        studyId,
        () =>
          `it asks for trial ${number} with ${nOwn} attempts, while ${id} waits for room and its study has ${withRoom(other)}`,
      );
    }
  }

  /** A crash between asking for a point and starting its trial changes nothing: random points follow from seed and number. */
  #checkPoint(studyId: string, { number, params, origin }: Extract<StudyEvent, { type: 'trialCreated' }>): void {
    const spec = this.view(studyId)?.spec;
    if (spec === undefined || spec.search.sampler !== 'random' || origin !== 'sampler' || spec.search.scheduler === 'pbt') return;
    const expected = this.#expected.get(studyId) ?? undisturbed(spec);
    this.#expected.set(studyId, expected);
    // Its first point is the script's own, where this study begins with another.
    if (expected[number] === null) return;
    this.check(
      'order',
      isDeepStrictEqual(params, expected[number]),
      studyId,
      () => `trial ${number} has ${JSON.stringify(params)}; undisturbed it had ${JSON.stringify(expected[number])}`,
    );
  }

  /** The best value again, from what the programs wrote. */
  #checkBest(view: StudyView): void {
    if (this.excuses.hadPowerCut || this.excuses.hadReadFault) return;
    const values = view.trials.flatMap(({ number, state }) => {
      if (state !== 'complete') return [];
      const runs = this.#allRuns().filter(({ key }) => key.studyId === view.studyId && key.trial === number);
      // What is printed after a stop was asked for does not count, nor what went with a pod before anybody read it.
      const counted = runs.map(({ key, printed }) => {
        const told = this.#told.get(keyOf(key));
        const isPartial = told?.isStopAsked === true || this.#isPartial(keyOf(key));
        return isPartial ? (told?.losses ?? []) : printed.map(({ loss }) => loss);
      });
      return counted.findLast((losses) => losses.length > 0)?.at(-1) ?? [];
    });
    const best = view.incumbent === null ? undefined : metricNumber(view.trials[view.incumbent]?.values['loss']);
    const expected = values.length === 0 ? undefined : Math.min(...values);
    this.check('best', best === expected, view.studyId, () => `the best is ${best}; by the raw output it is ${expected}`);
  }

  #isRecorded(studyId: string, command: StudyCommand | 'create', since: readonly JournalEntry[]): boolean {
    const view = this.view(studyId);
    if (view === undefined) return false;
    if (command === 'create') return true;
    const has = (test: (event: StudyEvent) => boolean): boolean => since.some(({ event }) => test(event));
    switch (command.type) {
      case 'pause':
        return view.state === 'paused' || has((event) => event.type === 'studyPaused');
      case 'resume':
        return view.state === 'running' || has((event) => event.type === 'studyResumed');
      case 'stop':
        return view.state === 'stopping' || has((event) => event.type === 'studyStopRequested');
      case 'delete':
        return view.deleted;
      case 'scale':
        return (
          view.parallel === command.parallel ||
          has((event) => event.type === 'studyScaled' && event.parallel === command.parallel)
        );
      case 'stopTrial':
        return (
          view.trials[command.trial]?.endedAt !== null ||
          this.entries.some(
            ({ studyId: of, event }) => of === studyId && event.type === 'attemptStopRequested' && event.number === command.trial,
          ) ||
          // It may have been retried since.
          has(
            ({ type, ...of }) =>
              (type === 'attemptEnded' || type === 'trialEnded') && 'number' in of && of.number === command.trial,
          )
        );
      case 'retry':
        return (
          has((event) => event.type === 'trialRetried' && event.number === command.number) ||
          view.trials[command.number]?.state !== 'failed'
        );
      case 'enqueue':
        return this.entries.some(
          ({ studyId: of, event }) =>
            of === studyId && event.type === 'pointEnqueued' && event.params['lr'] === command.params['lr'],
        );
      default:
        return unreachable(command);
    }
  }
}

/** Whether these losses are the first ones that were printed. */
function isBegun(losses: readonly number[], printed: Run['printed']): boolean {
  return losses.every((loss, i) => Object.is(loss, printed[i]?.loss));
}

/** Whether these losses were printed in this order, with others between them. */
function isPart(losses: readonly number[], printed: Run['printed']): boolean {
  let at = -1;
  return losses.every((loss) => {
    const next = printed.findIndex((one, i) => i > at && Object.is(one.loss, loss));
    at = next;
    return next !== -1;
  });
}

export function keyOf({ studyId, trial, attempt }: AttemptKey): string {
  return `${studyId}/${trial}/${attempt}`;
}

/** A command that asks for what is so already leaves no event. */
function isSoAlready(command: StudyCommand, before: Pick<StudyView, 'state' | 'parallel'> | undefined): boolean {
  const { type } = command;
  if (type === 'scale') return before?.parallel === command.parallel;
  const state = before?.state;
  return (
    (type === 'pause' && state === 'paused') ||
    (type === 'resume' && state === 'running') ||
    (type === 'stop' && state === 'stopping')
  );
}

/** Params of the trials, by number, of a study to which nothing happens; null for one that no sampler proposed. */
function undisturbed(spec: StudySpec): readonly (Params | null)[] {
  const { batch: _, ...search } = spec.search;
  const { cluster: __, ...anywhere } = spec;
  const calm: StudySpec = {
    ...anywhere,
    executor: 'local',
    fidelity: null,
    checkpoint: null,
    search: { ...search, scheduler: 'none', parallel: 12 },
    budget: { trials: 12, wallTimeMs: null, resource: null },
  };
  const state = createStudy({ seq: 1, studyId: 'calm', event: { type: 'studyCreated', at: 0, spec: calm } });
  for (let seq = 2; ; ) {
    const events = decide(state, { now: 0, hasCapacity: true });
    if (events.length === 0) return state.view.trials.map(({ params, origin }) => (origin === 'sampler' ? params : null));
    for (const event of events) fold(state, { seq: seq++, studyId: 'calm', event });
  }
}
