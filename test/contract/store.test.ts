import { openJournal, type SqliteJournal } from '../../agent/store/journal.ts';
import { tempDir } from '../unit/store/tempDir.ts';
import { journalContract } from './store.ts';

journalContract('SqliteJournal in memory', () => openJournal(':memory:'));

journalContract('SqliteJournal on disk', () => {
  const dir = tempDir();
  const journal: SqliteJournal = openJournal(dir.file('journal.db'));
  return {
    append: (events) => journal.append(events),
    read: (studyId, from) => journal.read(studyId, from),
    studies: () => journal.studies(),
    lastSeq: () => journal.lastSeq(),
    [Symbol.dispose]: () => {
      journal[Symbol.dispose]();
      dir[Symbol.dispose]();
    },
  };
});
