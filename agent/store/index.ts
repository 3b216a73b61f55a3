export { exportCsv, exportJson, type TrialLine, trialLine } from './export.ts';
export { type JournalOptions, openJournal, SqliteJournal } from './journal.ts';
export type { ChainCheck, JournalReader } from './read.ts';
