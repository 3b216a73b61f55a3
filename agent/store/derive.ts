import type { DatabaseSync } from 'node:sqlite';
import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import type { Objective } from '../protocol/space.ts';
import type { MetricValue, MetricValues, StudySpec, StudyState, TrialState } from '../protocol/study.ts';
import { unreachable } from '../protocol/view.ts';
import { type OptunaParam, optunaDatetime, optunaParam, optunaStates, optunaValue, spaceAttribute } from './optunaForm.ts';
import { studyTables, trialTables } from './schema.ts';
import { prepareStatements, type Statements } from './statements.ts';

type EventOf<T extends StudyEvent['type']> = Extract<StudyEvent, { type: T }>;
type TrialEvent = Exclude<Extract<StudyEvent, { number: number }>, { type: 'trialCreated' }>;

/** What the derived rows of a study need to know of it, kept while it is written to. */
interface StudyKeys {
  /** Optuna's `study_id`. */
  readonly key: number;
  readonly objectives: readonly Objective[];
  readonly hasConstraints: boolean;
  readonly params: ReadonlyMap<string, OptunaParam>;
  /** Index = trial number, value = Optuna's `trial_id`. */
  readonly trials: number[];
}

/**
 * Folds events into the derived tables, inside the transaction that appends them. The rows are a function of the
 * events alone (and of the time zone, as Optuna writes local time), so rebuilding gives the same rows.
 */
export class Derivation {
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  /** Null: the study was deleted; its later events have no rows. */
  readonly #studies = new Map<string, StudyKeys | null>();

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#sql = prepareStatements(db);
  }

  /** Must be called when the transaction is rolled back: the numbers given in it are void. */
  forget(): void {
    this.#studies.clear();
  }

  /** Throws a RangeError for an event of a study or trial that was never created. */
  apply({ seq, studyId, event }: JournalEntry): void {
    if (event.type === 'studyCreated') {
      this.#createStudy(seq, studyId, event.spec);
      return;
    }
    const study = this.#study(studyId);
    if (study === null) return;
    switch (event.type) {
      case 'studyPaused':
        return this.#setStudyState(study, 'paused');
      case 'studyResumed':
        return this.#setStudyState(study, 'running');
      case 'studyStopRequested':
        return this.#setStudyState(study, 'stopping');
      case 'studyEnded':
        return this.#setStudyState(study, 'ended');
      case 'studyScaled':
      case 'studyMovedAway':
      case 'studyMovedHere':
      case 'pointEnqueued':
      case 'batchEnded':
        return;
      case 'studyDeleted':
        return this.#deleteStudy(study, studyId);
      case 'trialCreated':
        return this.#createTrial(study, event);
      default:
        return this.#applyToTrial(study, trialKey(study, studyId, event.number), event);
    }
  }

  #applyToTrial(study: StudyKeys, trial: number, event: TrialEvent): void {
    const sql = this.#sql;
    switch (event.type) {
      case 'trialRetried':
        sql.retryOwnTrial.run(event.target, trial);
        sql.retryOptunaTrial.run(optunaStates.waiting, trial);
        sql.forgetValues.run(trial);
        sql.forgetEnd.run(trial);
        return;
      case 'trialPromoted':
        sql.setTarget.run(event.target, trial);
        return this.#setState(trial, 'waiting');
      case 'attemptRequested':
        sql.requestAttempt.run(event.attempt, event.target, trial);
        sql.startOptunaTrial.run(optunaDatetime(event.at), trial);
        return this.#setState(trial, 'running');
      case 'attemptStarted':
        // The first start is the trial's start; the request before it was only an intent.
        if (sql.startTrial.run(event.at, trial).changes > 0) sql.setDatetimeStart.run(optunaDatetime(event.at), trial);
        return;
      case 'metricReported':
        sql.reachResource.run(event.step, trial);
        return this.#report(study, trial, event);
      case 'attemptWaits':
      case 'attemptStopRequested':
      case 'metricsDropped':
        return;
      case 'attemptEnded':
        return this.#setState(trial, 'waiting');
      case 'trialPaused':
        sql.reachResource.run(event.resource, trial);
        return this.#setState(trial, 'paused');
      case 'trialEnded':
        return this.#endTrial(study, trial, event);
      default:
        return unreachable(event);
    }
  }

  #createStudy(seq: number, studyId: string, spec: StudySpec): void {
    const sql = this.#sql;
    const key = Number(sql.insertStudy.run(studyId).lastInsertRowid);
    sql.insertOwnStudy.run(key, studyId, spec.name, 'running', seq);
    for (const [index, { direction }] of spec.objectives.entries()) {
      sql.insertDirection.run(direction === 'min' ? 'MINIMIZE' : 'MAXIMIZE', key, index);
    }
    sql.studySystemAttribute.run(key, 'study:metric_names', JSON.stringify(spec.objectives.map(({ metric }) => metric)));
    sql.studyUserAttribute.run(key, 'hpo_name', JSON.stringify(spec.name));
    sql.studyUserAttribute.run(key, 'hpo_script', JSON.stringify(spec.script));
    sql.studyUserAttribute.run(key, 'hpo_space', spaceAttribute(spec.space.parameters));
    this.#studies.set(studyId, studyKeys(key, spec, []));
  }

  #deleteStudy(study: StudyKeys, studyId: string): void {
    for (const table of trialTables) {
      this.#db.prepare(`DELETE FROM ${table} WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = ?)`).run(study.key);
    }
    for (const table of [...studyTables, 'hpo_trial', 'hpo_study']) {
      this.#db.prepare(`DELETE FROM ${table} WHERE study_id = ?`).run(study.key);
    }
    this.#studies.set(studyId, null);
  }

  #createTrial(study: StudyKeys, event: EventOf<'trialCreated'>): void {
    const sql = this.#sql;
    const trial = Number(sql.insertTrial.run(event.number, study.key, optunaStates.waiting).lastInsertRowid);
    sql.insertOwnTrial.run(trial, study.key, event.number, 'waiting', event.target);
    const others: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(event.params)) {
      const param = study.params.get(name);
      const encoded = param?.encode(value) ?? null;
      if (param === undefined || encoded === null) others[name] = value;
      else sql.insertParam.run(trial, name, encoded, param.json);
    }
    // Values that Optuna cannot hold (a user's own trial outside the choices) are kept where people see them.
    if (Object.keys(others).length > 0) this.#attribute(trial, 'hpo_params', others);
    this.#attribute(trial, 'hpo_origin', event.origin);
    this.#attribute(trial, 'hpo_reason', event.reason);
    study.trials[event.number] = trial;
  }

  /** Optuna has intermediate values of one objective and whole steps only; a repeated attempt overwrites its steps. */
  #report(study: StudyKeys, trial: number, event: EventOf<'metricReported'>): void {
    const [objective, ...others] = study.objectives;
    const value = objective === undefined || others.length > 0 ? undefined : event.values[objective.metric];
    if (value === undefined) return;
    const form = optunaValue(value);
    this.#sql.upsertIntermediate.run(trial, Math.floor(event.step), form.value, form.type);
  }

  #endTrial(study: StudyKeys, trial: number, event: EventOf<'trialEnded'>): void {
    const sql = this.#sql;
    const at = optunaDatetime(event.at);
    const values = this.#optunaValues(study, trial, event);
    // A complete trial of Optuna has a number for each objective, or it is a failed one.
    const isUseless = optunaStates[event.state] === 'COMPLETE' && values === null;
    sql.endOwnTrial.run(event.state, event.at, trial);
    sql.endOptunaTrial.run(isUseless ? 'FAIL' : optunaStates[event.state], at, at, trial);
    for (const [index, value] of (values ?? []).entries()) {
      const form = optunaValue(value);
      sql.upsertValue.run(trial, index, form.value, form.type);
    }
    if (event.state === 'infeasible' || (study.hasConstraints && event.state === 'complete')) {
      // Which constraint, and by how much, is not recorded: one entry that says violated or not.
      sql.trialSystemAttribute.run(trial, 'constraints', event.state === 'infeasible' ? '[1.0]' : '[0.0]');
    }
    if (event.state !== 'complete') this.#attribute(trial, 'hpo_state', event.state);
    if (event.failure !== null) {
      this.#attribute(trial, 'hpo_failure', `${event.failure.code} ${event.failure.kind}: ${event.failure.message}`);
    }
    const others = otherValues(study.objectives, event.values, isUseless);
    if (Object.keys(others).length > 0) this.#attribute(trial, 'hpo_values', others);
    const resource = sql.resource.get(trial)?.['resource'];
    if (typeof resource === 'number' && resource > 0) this.#attribute(trial, 'hpo_resource', resource);
  }

  /** One value per objective for Optuna, or null when the trial has none to show. */
  #optunaValues(study: StudyKeys, trial: number, event: EventOf<'trialEnded'>): readonly MetricValue[] | null {
    if (optunaStates[event.state] === 'FAIL') return null;
    const values: MetricValue[] = [];
    for (const { metric } of study.objectives) {
      const value = event.values[metric];
      if (value !== undefined && value !== 'nan') values.push(value);
    }
    if (values.length === study.objectives.length) return values;
    return event.state === 'pruned' ? this.#lastReport(trial) : null;
  }

  /** As Optuna itself does when a trial is pruned: the intermediate value of the highest step, unless it is NaN. */
  #lastReport(trial: number): readonly MetricValue[] | null {
    const row = this.#sql.lastIntermediate.get(trial);
    const type = row?.['intermediate_value_type'];
    if (type === 'INF_POS') return ['inf'];
    if (type === 'INF_NEG') return ['-inf'];
    const value = row?.['intermediate_value'];
    return typeof value === 'number' ? [value] : null;
  }

  #setState(trial: number, state: TrialState): void {
    this.#sql.setOwnState.run(state, trial);
    this.#sql.setOptunaState.run(optunaStates[state], trial);
  }

  #setStudyState(study: StudyKeys, state: StudyState): void {
    this.#sql.setStudyState.run(state, study.key);
  }

  #attribute(trial: number, key: string, value: unknown): void {
    this.#sql.trialUserAttribute.run(trial, key, JSON.stringify(value));
  }

  #study(studyId: string): StudyKeys | null {
    const known = this.#studies.get(studyId);
    if (known !== undefined) return known;
    const first = this.#sql.firstEvent.get(studyId);
    if (first?.['type'] !== 'studyCreated') throw new RangeError(`there is no study ${studyId} to append to`);
    const key = this.#sql.studyKey.get(studyId)?.['study_id'];
    const loaded = typeof key === 'number' ? this.#loadStudy(key, String(first['body'])) : null;
    this.#studies.set(studyId, loaded);
    return loaded;
  }

  #loadStudy(key: number, created: string): StudyKeys {
    const trials: number[] = [];
    for (const row of this.#sql.trialKeys.all(key)) trials[Number(row['number'])] = Number(row['trial_id']);
    // The journal's own words: a study's first event is studyCreated.
    const first: EventOf<'studyCreated'> = JSON.parse(created);
    return studyKeys(key, first.spec, trials);
  }
}

function studyKeys(key: number, spec: StudySpec, trials: number[]): StudyKeys {
  const params = new Map(spec.space.parameters.map(({ name, distribution }) => [name, optunaParam(distribution)]));
  return { key, objectives: spec.objectives, hasConstraints: spec.constraints.length > 0, params, trials };
}

function trialKey(study: StudyKeys, studyId: string, number: number): number {
  const key = study.trials[number];
  if (key === undefined) throw new RangeError(`study ${studyId} has no trial ${number} to append to`);
  return key;
}

/** The values that `trial_values` does not show. */
function otherValues(objectives: readonly Objective[], values: MetricValues, isUseless: boolean): MetricValues {
  const shown = new Set(isUseless ? [] : objectives.map(({ metric }) => metric));
  return Object.fromEntries(Object.entries(values).filter(([metric]) => !shown.has(metric)));
}
