import type { DatabaseSync } from 'node:sqlite';
import { Derivation } from './derive.ts';
import { readEntries } from './read.ts';
import { derivedTableNames, derivedTables, derivedVersion } from './schema.ts';
import { transaction } from './transaction.ts';

/**
 * Drops the derived tables and makes them again from the events, in one transaction: readers see the old ones or the
 * new ones. The rows come out as they did when they were written one by one, keys included.
 */
export function rebuildDerived(db: DatabaseSync, path: string): void {
  transaction(db, () => {
    for (const table of derivedTableNames) db.exec(`DROP TABLE IF EXISTS ${table}`);
    db.exec(derivedTables);
    const derivation = new Derivation(db);
    for (const entry of readEntries(db, path, null, 0, Number.MAX_SAFE_INTEGER)) derivation.apply(entry);
    db.prepare(`UPDATE hpo_meta SET value = ? WHERE key = 'derivedVersion'`).run(String(derivedVersion));
  });
}
