import { DatabaseSync } from 'node:sqlite';
import { derivedTableNames } from '../../../agent/store/schema.ts';

/** Every row of every derived table, as another program sees them. */
export function dumpDerived(path: string): Record<string, unknown[]> {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return Object.fromEntries(derivedTableNames.map((table) => [table, rows(db, `SELECT * FROM ${table} ORDER BY 1`)]));
  } finally {
    db.close();
  }
}

/** The rows of one query, as plain objects. */
export function query(path: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return rows(db, sql);
  } finally {
    db.close();
  }
}

function rows(db: DatabaseSync, sql: string): Record<string, unknown>[] {
  // SQLite's rows have no prototype, which toEqual would hold against them.
  return db
    .prepare(sql)
    .all()
    .map((row) => Object.fromEntries(Object.entries(row)));
}
