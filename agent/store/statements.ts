import type { DatabaseSync, StatementSync } from 'node:sqlite';

export type Statements = Readonly<Record<keyof typeof statements, StatementSync>>;

/** All statements of the fold, prepared once. */
export function prepareStatements(db: DatabaseSync): Statements {
  const prepared = Object.entries(statements).map(([name, sql]) => [name, db.prepare(sql)] as const);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.fromEntries forgets the names that it was given.
  return Object.fromEntries(prepared) as Statements;
}

/** Attributes and values are upserts: a row that another tool wrote first must not stop the journal. */
const statements = {
  insertStudy: `INSERT INTO studies (study_id, study_name) VALUES (${nextId('study_id', 'studies', 'hpo_study')}, ?)`,
  insertOwnStudy: 'INSERT INTO hpo_study VALUES (?, ?, ?, ?, ?)',
  insertDirection: 'INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, ?)',
  studyUserAttribute: upsertAttribute('study_user_attributes', 'study_id'),
  studySystemAttribute: upsertAttribute('study_system_attributes', 'study_id'),
  setStudyState: 'UPDATE hpo_study SET state = ? WHERE study_id = ?',
  firstEvent: 'SELECT type, body FROM hpo_event WHERE studyId = ? ORDER BY seq LIMIT 1',
  studyKey: 'SELECT study_id FROM hpo_study WHERE studyId = ?',
  trialKeys: 'SELECT number, trial_id FROM hpo_trial WHERE study_id = ?',

  insertTrial: `INSERT INTO trials (trial_id, number, study_id, state)
    VALUES (${nextId('trial_id', 'trials', 'hpo_trial')}, ?, ?, ?)`,
  insertOwnTrial: 'INSERT INTO hpo_trial VALUES (?, ?, ?, ?, 0, ?, 0, NULL, NULL)',
  insertParam: 'INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)',
  setOwnState: 'UPDATE hpo_trial SET state = ? WHERE trial_id = ?',
  setOptunaState: 'UPDATE trials SET state = ? WHERE trial_id = ?',
  setTarget: 'UPDATE hpo_trial SET target = ? WHERE trial_id = ?',
  requestAttempt: 'UPDATE hpo_trial SET attempts = ?, target = ? WHERE trial_id = ?',
  startOptunaTrial: 'UPDATE trials SET datetime_start = COALESCE(datetime_start, ?) WHERE trial_id = ?',
  startTrial: 'UPDATE hpo_trial SET startedAt = ? WHERE trial_id = ? AND startedAt IS NULL',
  setDatetimeStart: 'UPDATE trials SET datetime_start = ? WHERE trial_id = ?',
  reachResource: 'UPDATE hpo_trial SET resource = MAX(resource, ?) WHERE trial_id = ?',
  resource: 'SELECT resource FROM hpo_trial WHERE trial_id = ?',
  upsertIntermediate: `INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    VALUES (?, ?, ?, ?) ON CONFLICT (trial_id, step) DO UPDATE
    SET intermediate_value = excluded.intermediate_value, intermediate_value_type = excluded.intermediate_value_type`,
  lastIntermediate: `SELECT intermediate_value, intermediate_value_type FROM trial_intermediate_values
    WHERE trial_id = ? ORDER BY step DESC LIMIT 1`,
  endOwnTrial: 'UPDATE hpo_trial SET state = ?, endedAt = ? WHERE trial_id = ?',
  endOptunaTrial: `UPDATE trials SET state = ?, datetime_start = COALESCE(datetime_start, ?), datetime_complete = ?
    WHERE trial_id = ?`,
  retryOwnTrial: "UPDATE hpo_trial SET state = 'waiting', target = ?, endedAt = NULL WHERE trial_id = ?",
  retryOptunaTrial: 'UPDATE trials SET state = ?, datetime_complete = NULL WHERE trial_id = ?',
  forgetValues: 'DELETE FROM trial_values WHERE trial_id = ?',
  forgetEnd: `DELETE FROM trial_user_attributes WHERE trial_id = ?
    AND "key" IN ('hpo_state', 'hpo_failure', 'hpo_values', 'hpo_resource')`,
  upsertValue: `INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, ?)
    ON CONFLICT (trial_id, objective) DO UPDATE SET value = excluded.value, value_type = excluded.value_type`,
  trialUserAttribute: upsertAttribute('trial_user_attributes', 'trial_id'),
  trialSystemAttribute: upsertAttribute('trial_system_attributes', 'trial_id'),
} as const;

/** Free in both tables: a study that was deleted in Optuna's dashboard still has its rows in ours. */
function nextId(id: string, table: string, ownTable: string): string {
  return `1 + MAX(COALESCE((SELECT MAX(${id}) FROM ${table}), 0), COALESCE((SELECT MAX(${id}) FROM ${ownTable}), 0))`;
}

function upsertAttribute(table: string, owner: string): string {
  return `INSERT INTO ${table} (${owner}, "key", value_json) VALUES (?, ?, ?)
    ON CONFLICT (${owner}, "key") DO UPDATE SET value_json = excluded.value_json`;
}
