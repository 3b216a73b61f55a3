export { compareDerived, type DerivedDifference } from './compareDerived.ts';
export { endMarkFile, notedEnd } from './endMark.ts';
export { exportCsv, exportJson, type TrialLine, trialLine } from './export.ts';
export { type JournalOptions, openJournal, SqliteJournal } from './journal.ts';
export { lastHolder, lockJournal } from './lock.ts';
export { type ChainCheck, type JournalReader, openReadOnly } from './read.ts';
export { besideJournal, finishRepair, type JournalRepair, makeAside, repairedFile, repairJournal } from './repair.ts';
export type { Fault } from './salvage.ts';
export { SavedStates } from './savedStates.ts';
