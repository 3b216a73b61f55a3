import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Violation } from '../audit/invariants.ts';
import { HpoError } from '../protocol/errors.ts';
import { type StudyView, unreachable } from '../protocol/view.ts';
import {
  besideJournal,
  compareDerived,
  type DerivedDifference,
  endMarkFile,
  finishRepair,
  type JournalRepair,
  makeAside,
  notedEnd,
  openJournal,
  openReadOnly,
  repairedFile,
  repairJournal,
} from '../store/index.ts';
import type { Course } from '../store/course.ts';
import { sqliteCode, storeError } from '../store/storeError.ts';
import { type Finding, repairCommand } from './finding.ts';
import type { HomeFiles } from './home.ts';
import { isIncomplete, readRecords, type Records } from './records.ts';

export interface JournalLook {
  readonly findings: readonly Finding[];
  /** Null where the journal cannot be trusted: nothing can be compared with it. */
  readonly records: Records | null;
}

export interface JournalOptions {
  readonly home: HomeFiles;
  readonly studyId: string | undefined;
  /** What a running agent showed before; empty without one. */
  readonly shown: ReadonlyMap<string, StudyView>;
  /** Where damaged files go; made when it is needed. */
  readonly aside: string;
}

/** Reads the journal, again where a writer came in between. */
export function lookAtJournal(options: JournalOptions): JournalLook {
  const { home, studyId, shown, aside } = options;
  if (existsSync(repairedFile(home.journal))) {
    const what = 'a repair of the journal was interrupted before the new journal was in its place; no agent starts until it is';
    const mend = (): string => {
      if (!finishRepair(home.journal, aside))
        return `what the repair had left is no journal, and is in ${aside} now; the journal itself is as it was`;
      return `the new journal is in its place; the damaged files are in ${aside}`;
    };
    return only({ check: 'journal', state: 'wrong', what, next: repairCommand, mend });
  }
  if (sizeOf(home.journal) === 0) {
    const isLost = home.studies.size > 0 || sizeOf(`${home.journal}-wal`) > 0;
    if (isLost) return only(missingJournal(options));
    const what = `there is none yet: the first study makes ${home.journal}`;
    return {
      findings: [{ check: 'journal', state: 'ok', what }],
      records: readRecords([], shown, { studyId, mayGoOn: () => true }),
    };
  }
  for (;;) {
    const look = lookOnce(options);
    if (look !== null) return look;
  }
}

/** Damage that a repair mends. */
function damaged({ home, aside }: JournalOptions, what: string): JournalLook {
  const mend = (): string => repaired(repairJournal(home.journal, aside));
  return only({ check: 'journal', state: 'wrong', what, next: repairAdvice, mend });
}

/** Nothing else can be said of such a journal. */
function only(finding: Finding): JournalLook {
  return { findings: [finding], records: null };
}

function missingJournal({ home, aside }: JournalOptions): Finding {
  const check = 'journal';
  const wal = `${home.journal}-wal`;
  const n = home.studies.size;
  const folders = n === 1 ? 'the folder of 1 study is' : `the folders of ${n} studies are`;
  const what = `${home.journal} is ${existsSync(home.journal) ? 'empty' : 'missing'}, but ${n === 0 ? `its ${basename(wal)} is` : folders} there: what was found out about them was in that file`;
  return {
    check,
    state: 'wrong',
    what,
    next: `put the file back from a backup (with the ${basename(wal)} that belongs to it); or ${repairCommand}: it moves what is left aside, and a new journal begins`,
    mend: () =>
      `moved aside, for a new journal to begin: ${moveAside([...besideJournal.map((suffix) => `${home.journal}${suffix}`), join(home.path, 'studies')], aside)}`,
  };
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Null where a writer came in between, and all is to be read again. */
function lookOnce(options: JournalOptions): JournalLook | null {
  const { home, studyId, shown, aside } = options;
  try {
    // Before the journal: what was noted by now is in there.
    const noted = notedEnd(home.journal) ?? 0;
    using reader = openReadOnly(home.journal);
    const chain = reader.verifyChain();
    if (!chain.ok) {
      if (reader.isOutdated()) return null;
      const what = `${home.journal} is damaged: ${chain.why}; the ${chain.intact} events before it are whole`;
      return damaged(options, what);
    }
    const [page] = reader.verifyPages();
    if (page !== undefined) {
      if (reader.isOutdated()) return null;
      const what = `pages of ${home.journal} around its ${chain.events} events, which are whole, are damaged (${page})`;
      return damaged(options, what);
    }
    const records = readRecords(reader.read(null, 0), shown, { studyId, mayGoOn: () => true });
    const tables = lookAtTables(home.journal);
    if (reader.isOutdated()) return null;
    const size = `${chain.events} events in ${records.views.size} studies, ${bytesText(statSync(home.journal).size)}`;
    const findings: Finding[] = [
      noted > chain.events
        ? shorter(home.journal, chain.events, noted, aside)
        : { check: 'journal', state: 'ok', what: `${home.journal}: ${size}; every one is as it was written` },
      tables,
      ...lookAtHistory(records),
      ...(shown.size === 0 ? [] : lookAtViews(records, shown.size)),
    ];
    return { findings, records };
  } catch (error) {
    if (!(error instanceof HpoError) && sqliteCode(error) === null) throw error;
    const said = storeError(error, home.journal);
    const isElse = said instanceof HpoError && said.code !== 'HPO-6005' && said.code !== 'HPO-6004';
    const what = said instanceof Error ? said.message : String(said);
    if (isElse) return only({ check: 'journal', state: 'wrong', what, next: said.next });
    return damaged(options, said instanceof HpoError ? what : `${home.journal} is damaged: SQLite said: ${what}`);
  }
}

function shorter(journal: string, last: number, noted: number, aside: string): Finding {
  const [events, are] = noted - last === 1 ? [`event ${noted}`, 'is'] : [`the events ${last + 1} to ${noted}`, 'are'];
  return {
    check: 'journal',
    state: 'wrong',
    what: `${journal} ends at event ${last}, but ${events} ${are} missing: its -wal was removed, cut or damaged, or an older copy was put in its place`,
    next: `put back what is missing; or ${repairCommand}: studies go on from what is there, and what ran since is run again`,
    mend: () =>
      `studies go on from event ${last}; ${events} ${are} lost. The note of them is in ${moveAside([endMarkFile(journal)], aside)}`,
  };
}

const repairAdvice = `${repairCommand}: it keeps what can be trusted in a new journal, moves the damaged files aside and says what is lost; or put back a backup`;

function lookAtTables(journal: string): Finding {
  let differences: readonly DerivedDifference[];
  try {
    differences = compareDerived(journal);
  } catch (error) {
    if (!isIncomplete(error)) throw error;
    return { check: 'tables', state: 'unknown', what: `not compared, as an event is not as hpo writes it (${error.message})` };
  }
  if (differences.length === 0)
    return { check: 'tables', state: 'ok', what: 'the tables for Optuna and its dashboard are those that the events give' };
  const shown = differences.map(({ table, missing, extra }) => `${table} (${missing + extra} rows)`).join(', ');
  return {
    check: 'tables',
    state: 'wrong',
    what: `tables for Optuna and its dashboard are not those that the events give: ${shown}. Studies are not concerned: they follow from the events`,
    next: `${repairCommand}: it makes them anew`,
    mend: () => {
      // The lock is held by the repair.
      using opened = openJournal(journal, { lock: () => ({ [Symbol.dispose]: () => undefined }) });
      opened.rebuild();
      return 'the tables were made anew from the events';
    },
  };
}

/** Violations that are told; of more, one fault is likely the cause. */
const maxTold = 10;

function lookAtHistory({ violations, checks }: Records): readonly Finding[] {
  const own = violations.filter((violation) => !isOfAgent(violation));
  if (own.length === 0)
    return [{ check: 'history', state: 'ok', what: `${checks} checks of order, slots, budgets, repeats and best values hold` }];
  const findings = own.slice(0, maxTold).map(({ what, seq, studyId }): Finding => {
    const where = seq === undefined ? '' : ` at event ${seq}`;
    const next = 'report this fault of hpo with the journal; what follows from it in this study may be wrong';
    return { check: 'history', state: 'wrong', what: `${what}${where}`, next, ...(studyId === null ? {} : { studyId }) };
  });
  const rest = own.length - findings.length;
  return rest === 0 ? findings : [...findings, { check: 'history', state: 'wrong', what: `and ${rest} more of the kind` }];
}

/** The audit names the event at which a view went wrong; what an agent showed differs as a whole. */
function isOfAgent({ invariant, seq }: Violation): boolean {
  return invariant === 'view' && seq === undefined;
}

function lookAtViews({ violations }: Records, nShown: number): readonly Finding[] {
  const differing = violations.filter(isOfAgent);
  if (differing.length === 0)
    return [{ check: 'views', state: 'ok', what: `${nShown} studies are shown by the agent as the journal has them` }];
  const next = 'stop the agent (hpo agent stop), which reads the journal anew when it starts, and report this fault';
  return differing.map(({ what, studyId }) => ({
    check: 'views',
    state: 'wrong',
    what,
    next,
    ...(studyId === null ? {} : { studyId }),
  }));
}

/** What was kept and what was lost, for people. */
function repaired({ kept, putBack, faults, cut, courses, lastSeq, aside }: JournalRepair): string {
  if (kept === 0 && faults.length > 0)
    return `nothing could be read: a new, empty journal begins; the damaged files are in ${aside}`;
  const nMended = putBack === 1 ? 'one event' : `${putBack} events`;
  const mended = putBack === 0 ? '' : `. In ${nMended} a changed byte was put right, as the hash tells`;
  const head = `a new journal has ${kept} of ${lastSeq} events; the damaged files are in ${aside}${mended}`;
  if (faults.length === 0)
    return `${head}. Nothing is lost${putBack === 0 ? ': only what lies around the events was damaged' : ''}`;
  const lost = faults.map(({ from, to, why, studyId }) => {
    const whose = studyId === null ? 'of an unknown study' : `of ${studyId}`;
    return from === to ? `event ${from} ${whose} (${why})` : `events ${from} to ${to} ${whose} (${why})`;
  });
  const left = [...courses].flatMap(([studyId, course]) => whatBecomes(studyId, course, cut.get(studyId)) ?? []);
  return `${head}. Lost: ${lost.slice(0, 10).join('; ')}${lost.length > 10 ? `; and ${lost.length - 10} more` : ''}${left.length === 0 ? '' : `. ${left.join('; ')}`}`;
}

/** Of a study that lost events; null for one to which that makes no difference. */
function whatBecomes(
  studyId: string,
  course: Course,
  { from, events }: { readonly from: number | null; readonly events: number } = { from: null, events: 0 },
): string | null {
  const place = from === null ? 'from its last event' : `from before event ${from}`;
  const later = events === 0 ? '' : ` (${events} later events were left out, as they follow from what is lost)`;
  switch (course.fate) {
    case 'goesOn':
      return `${studyId} goes on ${place}${later}`;
    case 'waits':
      return `${studyId} does not go on by itself, as ${course.why}: hpo resume ${studyId} goes on ${place}${later}`;
    case 'ended':
      return events === 0 ? null : `${studyId} stays ended, as before event ${from}${later}`;
    case 'deleted':
      return `${studyId} stays deleted`;
    default:
      return unreachable(course.fate);
  }
}

/** Moves what is there into the folder, which is made; returns its path. */
export function moveAside(paths: readonly string[], aside: string): string {
  const parts = paths.filter((path) => existsSync(path));
  for (const path of parts) moveInto(path, aside);
  return aside;
}

function moveInto(path: string, folder: string): void {
  makeAside(folder);
  const taken = new Set(readdirSync(folder));
  let name = basename(path);
  for (let n = 2; taken.has(name); n++) name = `${basename(path)}.${n}`;
  renameSync(path, join(folder, name));
}

export function bytesText(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
