import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { createJournalAudit } from '../audit/journalAudit.ts';
import { discoveryFile } from '../client/index.ts';
import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import type { StudyView } from '../protocol/view.ts';
import { bestTrial, createView, foldView } from '../protocol/view.ts';
import { openReadOnly } from '../store/read.ts';
import { until } from './machine.ts';
import { parseRecord, type ProgramRecord } from './program.ts';
import type { Acknowledged, World } from './world.ts';

export interface Expected {
  /** Trials of each study that must be complete; null where trials may end otherwise. */
  readonly complete: number | null;
  /** Time for the studies to end, in milliseconds. */
  readonly endMs?: number;
  /** Attempts may be started again, as what they left was taken away. Default: false. */
  readonly mayStartAgain?: boolean;
}

const defaultEndMs = 90_000;
const tidyMs = 30_000;

/**
 * The end of every run: the studies end, everything that can be known about them from outside is compared with the journal,
 * they are deleted, the agent is stopped, and nothing may be left.
 */
export async function inspect(world: World, expected: Expected): Promise<void> {
  const { findings } = world;
  const created = world.acknowledged.filter(({ command }) => command.type === 'create').map(({ studyId }) => studyId);
  const { studies } = await world.request('study/list', {});
  for (const { studyId } of studies) {
    const isSettled = await world.settled(studyId, expected.endMs ?? defaultEndMs);
    const view = await world.request('study/view', { studyId });
    findings.check('progress', isSettled, `study ${studyId} does not end: it is ${view.state} (${view.message})`, studyId);
  }
  world.checkPorts();
  const entries = readJournal(world);
  for (const { studyId } of studies) {
    const own = entries.filter((entry) => entry.studyId === studyId);
    const view = await world.request('study/view', { studyId });
    checkView(world, view, own);
    checkReports(world, studyId, own, expected.mayStartAgain ?? false);
    checkBest(world, studyId, view);
    if (expected.complete === null) continue;
    const complete = view.trials.filter(({ state }) => state === 'complete').length;
    const what = `${complete} of ${view.trials.length} trials are complete, ${expected.complete} were to be`;
    findings.check('budget', complete === expected.complete && view.trials.length === expected.complete, what, studyId);
  }
  for (const studyId of created) {
    const isThere = entries.some((entry) => entry.studyId === studyId);
    findings.check('durable', isThere, `study ${studyId} was acknowledged and is not in the journal`, studyId);
  }
  await leaveNothing(world);
}

/** Deletes all studies, stops the agent, and looks for what is left. Also checks the whole journal. */
export async function leaveNothing(world: World): Promise<void> {
  const { findings } = world;
  const { studies } = await world.request('study/list', {});
  for (const { studyId } of studies) await world.command(studyId, { type: 'delete' });
  const folder = join(world.home, 'studies');
  const isEmpty = await until(() => names(folder).length === 0, tidyMs);
  findings.check('nothingLeft', isEmpty, `deleted studies left folders: ${names(folder).join(', ')}`);
  findings.check('nothingLeft', await world.stopAgent(), `the agent does not end: ${world.agents().join(', ')}`);
  checkJournal(world);
  await checkNothingLeft(world);
}

/** The chain of hashes, the order of events, and that each acknowledged command is there. */
export function checkJournal(world: World): void {
  const { findings } = world;
  const audit = createJournalAudit();
  const entries = readJournal(world);
  for (const entry of entries) findings.add(new Map(), audit.see(entry));
  findings.add(new Map(), audit.end());
  findings.add(audit.checks, []);
  for (const acknowledged of world.acknowledged) {
    const { studyId, command } = acknowledged;
    const wanted = world.acknowledged.filter((other) => isDeepStrictEqual(other, acknowledged)).length;
    const events = entries.filter((entry) => entry.studyId === studyId).map(({ event }) => event);
    const found = events.filter((event) => isRecordOf(event, acknowledged)).length;
    const what = `${JSON.stringify(command)} was acknowledged ${wanted} times and is in the journal ${found} times`;
    findings.check('durable', found >= (isRepeatable(acknowledged) ? wanted : 1), what, studyId);
  }
}

export async function checkNothingLeft(world: World): Promise<void> {
  const { findings } = world;
  await until(() => world.processes().length === 0, tidyMs);
  findings.check('nothingLeft', world.processes().length === 0, `processes are left: ${world.processes().join(', ')}`);
  findings.check('nothingLeft', !existsSync(discoveryFile(world.home)), `${discoveryFile(world.home)} is left`);
  const sockets = filesBelow(world.sockets);
  findings.check('nothingLeft', sockets.length === 0, `sockets are left: ${sockets.join(', ')}`);
  const unfinished = [...filesBelow(world.home)].filter((name) => /\.new$|\.taking-|\.removing-/.test(name));
  findings.check('nothingLeft', unfinished.length === 0, `unfinished files are left: ${unfinished.join(', ')}`);
}

export function readJournal(world: World): readonly JournalEntry[] {
  using journal = openReadOnly(join(world.home, 'journal.db'));
  const chain = journal.verifyChain();
  world.findings.check('chain', chain.ok, `the journal: ${chain.ok ? '' : chain.why}`);
  checkEpochs(world);
  return [...journal.read(null, 0)];
}

/** What an agent wrote after another one had taken over would show as an epoch that falls. */
function checkEpochs(world: World): void {
  const db = new DatabaseSync(join(world.home, 'journal.db'), { readOnly: true });
  try {
    const falls = db.prepare('SELECT b.seq FROM hpo_event a JOIN hpo_event b ON b.seq = a.seq + 1 WHERE b.epoch < a.epoch').all();
    world.findings.check(
      'order',
      falls.length === 0,
      `${falls.length} events were written by an agent that was in charge no more`,
    );
  } finally {
    db.close();
  }
}

function checkView(world: World, view: StudyView, entries: readonly JournalEntry[]): void {
  const [first, ...rest] = entries;
  if (first === undefined) return world.findings.check('view', false, 'the journal has nothing of it', view.studyId);
  const folded = createView(first);
  for (const entry of rest) foldView(folded, entry);
  const differs = differences(folded, view);
  const what = `the view of the agent is not the fold of the journal: ${differs.join('; ').slice(0, 2_000)}`;
  world.findings.check('view', differs.length === 0, what, view.studyId);
}

/** Where two views differ, and what stands there: as JSON, as they go over the wire. */
function differences(...views: readonly [folded: StudyView, shown: StudyView]): string[] {
  const [folded, shown] = views.map(({ trials, ...study }): Record<string, unknown> => {
    const byName = Object.fromEntries(trials.map((trial) => [`trial ${trial.number}`, trial]));
    return JSON.parse(JSON.stringify({ ...study, ...byName }));
  });
  return Object.keys({ ...folded, ...shown })
    .filter((key) => !isDeepStrictEqual(folded?.[key], shown?.[key]))
    .map((key) => `${key} ${JSON.stringify(folded?.[key])} and not ${JSON.stringify(shown?.[key])}`);
}

/** What was told against what the programs printed, by their own records. */
function checkReports(world: World, studyId: string, entries: readonly JournalEntry[], mayStartAgain: boolean): void {
  const { findings } = world;
  const told = new Map<string, { readonly step: number; readonly loss: unknown }[]>();
  const endings = new Map<string, Extract<StudyEvent, { type: 'attemptEnded' }>>();
  const stopped = new Set<string>();
  for (const { event } of entries) {
    if (!('attempt' in event)) continue;
    const key = `${event.number}.${event.attempt}`;
    if (event.type === 'metricReported')
      told.set(key, [...(told.get(key) ?? []), { step: event.step, loss: event.values['loss'] }]);
    if (event.type === 'attemptEnded') endings.set(key, event);
    if (event.type === 'attemptStopRequested') stopped.add(key);
  }
  for (const key of new Set([...told.keys(), ...endings.keys()])) {
    const record = programRecord(world, `${studyId}.${key}`);
    const reports = told.get(key) ?? [];
    const isPrefix = isDeepStrictEqual(reports, record.reports.slice(0, reports.length));
    findings.check('toldOnce', isPrefix, `attempt ${key} printed ${show(record.reports)}, told was ${show(reports)}`, studyId);
    const isOnce = record.starts <= 1 || mayStartAgain;
    findings.check('oneCounts', isOnce, `attempt ${key} was started ${record.starts} times`, studyId);
    const complaints = record.complaints.join(', ');
    findings.check('oneCounts', complaints === '', `attempt ${key} was not alone: ${complaints}`, studyId);
    const ending = endings.get(key);
    if (ending === undefined || ending.failure !== null || stopped.has(key)) continue;
    const isAll = record.hasEnded && reports.length === record.reports.length;
    findings.check(
      'toldOnce',
      isAll,
      `attempt ${key} ended well, ${reports.length} of ${record.reports.length} reports were told${record.hasEnded ? '' : ', and its program did not come to its end'}`,
      studyId,
    );
  }
}

/** The best value against the records of the programs of all complete trials. */
function checkBest(world: World, studyId: string, view: StudyView): void {
  const losses = view.trials
    .filter(({ state }) => state === 'complete')
    .map(({ number, attempts }) => programRecord(world, `${studyId}.${number}.${attempts.length}`).reports.at(-1)?.loss ?? NaN);
  const best = bestTrial(view)?.values['loss'];
  const expected = losses.length === 0 ? undefined : Math.min(...losses);
  const what = `the best loss is said to be ${String(best)}; the programs printed ${String(expected)}`;
  world.findings.check('best', best === expected, what, studyId);
}

function programRecord(world: World, name: string): ProgramRecord {
  const path = join(world.records, name);
  return parseRecord(existsSync(path) ? readFileSync(path, 'utf8') : '');
}

/** A point is enqueued as often as it was asked for; pausing what is paused changes nothing. */
function isRepeatable({ command }: Acknowledged): boolean {
  return command.type === 'create';
}

function isRecordOf(event: StudyEvent, { command }: Acknowledged): boolean {
  switch (command.type) {
    case 'create':
      return event.type === 'studyCreated';
    case 'pause':
      return event.type === 'studyPaused';
    case 'resume':
      return event.type === 'studyResumed';
    case 'stop':
      return event.type === 'studyStopRequested' || event.type === 'studyEnded';
    case 'delete':
      return event.type === 'studyDeleted';
    case 'scale':
      return event.type === 'studyScaled' && event.parallel === command.parallel;
    case 'stopTrial':
      return (event.type === 'attemptStopRequested' || event.type === 'trialEnded') && event.number === command.trial;
    case 'enqueue':
      return event.type === 'pointEnqueued' && isDeepStrictEqual(event.params, { ...event.params, ...command.params });
    default:
      return true;
  }
}

function show(reports: readonly unknown[]): string {
  return JSON.stringify(reports);
}

function names(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() || /^\.(taking|removing)-/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}
