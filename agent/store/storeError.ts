import { HpoError } from '../protocol/errors.ts';

/** SQLite's primary result codes that have an answer of their own. */
const full = 13;
const ioError = 10;
const busy = 5;
const locked = 6;
const readOnly = 8;
const corrupt = 11;
const cantOpen = 14;
const notADatabase = 26;
const permission = 3;
const constraint = 19;
/** A statement of ours does not fit the tables. */
const misfit = 1;

/** The primary result code when the error comes from SQLite, else null. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

/** It is an SQLite file, but some of its pages are not what was written. */
export function isDamage(error: unknown): boolean {
  return sqliteCode(error) === corrupt;
}

/** As SQLite would say it, had it noticed. */
export function outOfOrder(): Error {
  return Object.assign(new Error('its events are out of order'), { errcode: corrupt });
}

/** The file, or what SQLite needs beside it, cannot be opened; the folder may not be written to. */
export function isUnopenable(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === cantOpen || code === readOnly || code === permission;
}

export function isNoDatabase(error: unknown): boolean {
  return sqliteCode(error) === notADatabase;
}

/** The tables are not those that this program made. */
export function isMisfit(error: unknown): boolean {
  return sqliteCode(error) === misfit;
}

/** A row does not fit those that are there. */
export function isContradiction(error: unknown): boolean {
  return sqliteCode(error) === constraint;
}

export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === busy || code === locked;
}

/** What the system's errors about a file mean, in SQLite's words. */
const systemCodes = new Map([
  ['ENOSPC', full],
  ['EDQUOT', full],
  ['EACCES', permission],
  ['EPERM', permission],
  ['ENOENT', cantOpen],
  ['ENOTDIR', cantOpen],
  ['ELOOP', cantOpen],
]);

/** Null for what is no error of a call to the system. */
function systemCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return null;
  return systemCodes.get(String(error.code)) ?? ioError;
}

/** An error for people from what SQLite or the system said about the file; anything else is returned as it is. */
export function storeError(error: unknown, path: string): unknown {
  const inSqlite = sqliteCode(error);
  const code = inSqlite ?? systemCode(error);
  if (code === null || !(error instanceof Error)) return error;
  const said = `${inSqlite === null ? 'The system' : 'SQLite'} said: ${error.message}`;
  switch (code) {
    case full:
      return new HpoError(
        'HPO-6003',
        `The disk that holds the journal ${path} is full; nothing new is recorded and no trial starts. ${said}.`,
        'Free some room on that disk: recording goes on by itself, and nothing that was recorded is lost.',
        { cause: error },
      );
    case ioError:
    case readOnly:
    case busy:
    case locked:
      return new HpoError(
        'HPO-6007',
        `The journal ${path} could not be written; nothing new is recorded and no trial starts. ${said}.`,
        code === busy || code === locked
          ? 'Another program is writing to this file: close it (Optuna may only read it while the agent runs). Recording goes on by itself.'
          : 'Check that the disk is there, writable and has room: recording goes on by itself, and nothing that was recorded is lost.',
        { cause: error },
      );
    case cantOpen:
    case permission:
      return new HpoError(
        'HPO-6008',
        `The journal ${path} could not be opened. ${said}.`,
        'Check that the folder exists and that you may write to it, or set HPO_HOME to another folder.',
        { cause: error },
      );
    case notADatabase:
      return new HpoError(
        'HPO-6004',
        `${path} is not a journal: it is not an SQLite file. It was left as it is.`,
        'Move it away and start again for a new journal, or put a backup in its place.',
        { cause: error },
      );
    case corrupt:
    case misfit:
      return damaged(path, said, error);
    default:
      return error;
  }
}

/** `what` says where the damage is and how much can still be read. */
export function damaged(path: string, what: string, cause?: unknown): HpoError {
  return new HpoError(
    'HPO-6005',
    `The journal ${path} is damaged: ${what}. Nothing was changed or deleted.`,
    'Run `hpo doctor --repair`: it keeps what can be read in a new journal, moves the damaged file aside and says what is lost. Or put back a backup of the file and the ones beside it (-wal, -shm).',
    { cause },
  );
}
