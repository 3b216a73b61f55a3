import { DatabaseSync } from 'node:sqlite';
import { Derivation } from './derive.ts';
import { openDatabase, readEntries } from './read.ts';
import { derivedTables, truthTables } from './schema.ts';
import { isDamage } from './storeError.ts';
import { transaction } from './transaction.ts';

/** What a table shows that the events do not say, or the other way round. */
export interface DerivedDifference {
  readonly table: string;
  /** Rows that follow from the events and are not there, or are others. */
  readonly missing: number;
  /** Rows of our own tables that do not follow from the events. */
  readonly extra: number;
}

/**
 * Compares the derived tables with those that the events give. Rows that Optuna or its dashboard added (notes, other studies)
 * are theirs; times are only compared as being there, as Optuna's are those of the time zone in which they were written.
 *
 * The chain must be whole: throws RangeError or TypeError for events that no agent writes, HPO-6005 for those that cannot be read.
 */
export function compareDerived(path: string): readonly DerivedDifference[] {
  const { db: actual, close } = openDatabase(path);
  try {
    using expected = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false });
    expected.exec(truthTables + derivedTables);
    const derivation = new Derivation(expected);
    transaction(expected, () => {
      for (const entry of readEntries(actual, path, null, 0, Number.MAX_SAFE_INTEGER)) derivation.apply(entry);
    });
    return Object.entries(tables).flatMap(([table, sql]) =>
      difference(table, rowsOf(expected, sql) ?? new Set(), rowsOf(actual, sql)),
    );
  } finally {
    close();
  }
}

const study = 'FROM hpo_study s';
const trial = 'FROM hpo_trial h JOIN hpo_study s USING (study_id)';

/** Rows by what they are about: the ids depend on what other programs added. */
const tables = {
  hpo_study: `SELECT s.studyId, name, state, createdSeq ${study}`,
  hpo_trial: `SELECT s.studyId, number, h.state, attempts, target, resource, startedAt, endedAt ${trial}`,
  studies: `SELECT s.studyId, study_name ${study} JOIN studies USING (study_id)`,
  study_directions: `SELECT s.studyId, objective, direction ${study} JOIN study_directions USING (study_id)`,
  study_user_attributes: `SELECT s.studyId, "key", value_json ${study} JOIN study_user_attributes USING (study_id)`,
  study_system_attributes: `SELECT s.studyId, "key", value_json ${study} JOIN study_system_attributes USING (study_id)`,
  trials: `SELECT s.studyId, h.number, t.number, t.state, datetime_start IS NULL, datetime_complete IS NULL
    ${trial} JOIN trials t USING (trial_id)`,
  trial_params: `SELECT s.studyId, h.number, param_name, param_value, distribution_json ${trial} JOIN trial_params USING (trial_id)`,
  trial_values: `SELECT s.studyId, h.number, objective, value, value_type ${trial} JOIN trial_values USING (trial_id)`,
  trial_intermediate_values: `SELECT s.studyId, h.number, step, intermediate_value, intermediate_value_type
    ${trial} JOIN trial_intermediate_values USING (trial_id)`,
  trial_user_attributes: `SELECT s.studyId, h.number, "key", value_json ${trial} JOIN trial_user_attributes USING (trial_id)`,
  trial_system_attributes: `SELECT s.studyId, h.number, "key", value_json ${trial} JOIN trial_system_attributes USING (trial_id)`,
} as const;

function difference(
  table: string,
  expected: ReadonlySet<string>,
  actual: ReadonlySet<string> | null,
): readonly DerivedDifference[] {
  const missing = actual === null ? expected.size : expected.difference(actual).size;
  const extra = actual !== null && table.startsWith('hpo_') ? actual.difference(expected).size : 0;
  // A table that cannot be read is wrong although it should be empty.
  return missing + extra > 0 || actual === null ? [{ table, missing, extra }] : [];
}

/** Null where they cannot be read. */
function rowsOf(db: DatabaseSync, sql: string): Set<string> | null {
  try {
    const rows = new Set<string>();
    for (const row of db.prepare(sql).all()) rows.add(JSON.stringify(Object.values(row)));
    return rows;
  } catch (error) {
    if (isDamage(error) || (error instanceof Error && /no such (?:table|column)/.test(error.message))) return null;
    throw error;
  }
}
