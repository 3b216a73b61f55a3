/**
 * The tables of the journal's file.
 *
 * `hpo_event` is the truth: every other table is a fold of it (`derive.ts`) and can be dropped and rebuilt. The tables
 * without the prefix are those of an Optuna database (RDB schema version 12, alembic `v3.2.0.a`, the same from Optuna
 * 3.2 to 5.0), statement by statement as SQLAlchemy makes them, so that Optuna and its dashboard open this very file.
 */

/** Raised when `hpo_event` or `hpo_meta` change; older files are migrated, newer ones refused. */
export const schemaVersion = 1;

/** Raised when the derived tables change; a file with another version is rebuilt from its events when it is opened. */
export const derivedVersion = 1;

export const truthTables = `
CREATE TABLE hpo_meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE hpo_event (
  -- The journal's table "event", prefixed because this file is an Optuna database too. It alone is the truth.
  -- epoch: which life of the agent wrote it; body: the event as JSON; hash: SHA-256 over prevHash and the row.
  seq INTEGER NOT NULL PRIMARY KEY,
  epoch INTEGER NOT NULL,
  studyId TEXT NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  prevHash BLOB NOT NULL,
  hash BLOB NOT NULL
);
CREATE INDEX hpo_event_study ON hpo_event (studyId);
`;

const ownTables = `
CREATE TABLE hpo_study (
  -- Optuna's number of each of our studies; deleted studies have no row.
  study_id INTEGER NOT NULL PRIMARY KEY,
  studyId TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  createdSeq INTEGER NOT NULL
);
CREATE TABLE hpo_trial (
  -- Optuna's number of each of our trials, and what its five states cannot say.
  trial_id INTEGER NOT NULL PRIMARY KEY,
  study_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  target REAL,
  resource REAL NOT NULL,
  startedAt INTEGER,
  endedAt INTEGER,
  UNIQUE (study_id, number)
);
`;

const optunaTables = `
CREATE TABLE studies (
  study_id INTEGER NOT NULL,
  study_name VARCHAR(512) NOT NULL,
  PRIMARY KEY (study_id)
);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE TABLE version_info (
  version_info_id INTEGER NOT NULL,
  schema_version INTEGER,
  library_version VARCHAR(256),
  PRIMARY KEY (version_info_id),
  CHECK (version_info_id=1)
);
CREATE TABLE study_directions (
  study_direction_id INTEGER NOT NULL,
  direction VARCHAR(8) NOT NULL,
  study_id INTEGER NOT NULL,
  objective INTEGER NOT NULL,
  PRIMARY KEY (study_direction_id),
  UNIQUE (study_id, objective),
  FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
  study_user_attribute_id INTEGER NOT NULL,
  study_id INTEGER,
  "key" VARCHAR(512),
  value_json TEXT,
  PRIMARY KEY (study_user_attribute_id),
  UNIQUE (study_id, "key"),
  FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_system_attributes (
  study_system_attribute_id INTEGER NOT NULL,
  study_id INTEGER,
  "key" VARCHAR(512),
  value_json TEXT,
  PRIMARY KEY (study_system_attribute_id),
  UNIQUE (study_id, "key"),
  FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trials (
  trial_id INTEGER NOT NULL,
  number INTEGER,
  study_id INTEGER,
  state VARCHAR(8) NOT NULL,
  datetime_start DATETIME,
  datetime_complete DATETIME,
  PRIMARY KEY (trial_id),
  FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE TABLE trial_user_attributes (
  trial_user_attribute_id INTEGER NOT NULL,
  trial_id INTEGER,
  "key" VARCHAR(512),
  value_json TEXT,
  PRIMARY KEY (trial_user_attribute_id),
  UNIQUE (trial_id, "key"),
  FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_system_attributes (
  trial_system_attribute_id INTEGER NOT NULL,
  trial_id INTEGER,
  "key" VARCHAR(512),
  value_json TEXT,
  PRIMARY KEY (trial_system_attribute_id),
  UNIQUE (trial_id, "key"),
  FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
  param_id INTEGER NOT NULL,
  trial_id INTEGER,
  param_name VARCHAR(512),
  param_value FLOAT,
  distribution_json TEXT,
  PRIMARY KEY (param_id),
  UNIQUE (trial_id, param_name),
  FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_values (
  trial_value_id INTEGER NOT NULL,
  trial_id INTEGER NOT NULL,
  objective INTEGER NOT NULL,
  value FLOAT,
  value_type VARCHAR(7) NOT NULL,
  PRIMARY KEY (trial_value_id),
  UNIQUE (trial_id, objective),
  FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
  trial_intermediate_value_id INTEGER NOT NULL,
  trial_id INTEGER NOT NULL,
  step INTEGER NOT NULL,
  intermediate_value FLOAT,
  intermediate_value_type VARCHAR(7) NOT NULL,
  PRIMARY KEY (trial_intermediate_value_id),
  UNIQUE (trial_id, step),
  FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_heartbeats (
  trial_heartbeat_id INTEGER NOT NULL,
  trial_id INTEGER NOT NULL,
  heartbeat DATETIME NOT NULL,
  PRIMARY KEY (trial_heartbeat_id),
  UNIQUE (trial_id),
  FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO version_info VALUES (1, 12, '5.0.0');
INSERT INTO alembic_version VALUES ('v3.2.0.a');
`;

export const derivedTables = ownTables + optunaTables;

/** Optuna's tables that hold rows of a trial, and those that hold rows of a study; children before parents. */
export const trialTables = [
  'trial_user_attributes',
  'trial_system_attributes',
  'trial_params',
  'trial_values',
  'trial_intermediate_values',
  'trial_heartbeats',
] as const;
export const studyTables = ['trials', 'study_directions', 'study_user_attributes', 'study_system_attributes', 'studies'] as const;

/** Every derived table, in an order in which they can be dropped. */
export const derivedTableNames = [
  ...trialTables,
  ...studyTables,
  'version_info',
  'alembic_version',
  'hpo_trial',
  'hpo_study',
] as const;
