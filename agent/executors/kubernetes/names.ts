import { createHash } from 'node:crypto';
import type { Labels } from '../../cluster/cluster.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import { isStudyId } from '../attempt/studyFolders.ts';

/** Carried by all that studies of one home have on a cluster. */
export function homeLabels(homeMark: string): Labels {
  return { 'hpo.home': homeMark };
}

export function studyLabels(homeMark: string, studyId: string): Labels {
  return { ...homeLabels(homeMark), 'hpo.study': labelValue(studyId) };
}

/** Carried by the owners of studies besides, which have little in them. */
export function ownerLabels(homeMark: string): Labels {
  return { ...homeLabels(homeMark), 'hpo.owner': 'study' };
}

export function attemptLabels(homeMark: string, { studyId, trial, attempt }: AttemptKey): Labels {
  return { ...studyLabels(homeMark, studyId), 'hpo.trial': String(trial), 'hpo.attempt': String(attempt) };
}

/** The ConfigMap that owns all that a study has there, and the Secret beside it. */
export function studyName(homeMark: string, studyId: string): string {
  return objectName(`hpo-${homeMark}-${studyId}`);
}

/** The one Job of the attempt, and its ConfigMap: a cluster has no second one of that name. */
export function jobName(homeMark: string, { studyId, trial, attempt }: AttemptKey): string {
  return objectName(`hpo-${homeMark}-${studyId}-t${trial}-a${attempt}`);
}

/** The ConfigMap with the attempt's files. */
export function filesName(homeMark: string, { studyId, trial, attempt }: AttemptKey): string {
  return objectName(`hpo-${homeMark}-${studyId}-t${trial}-a${attempt}-files`);
}

/** The Job that removes what a study kept on its volume. */
export function sweepName(homeMark: string, studyId: string): string {
  return objectName(`hpo-${homeMark}-${studyId}-sweep`);
}

/** Carried by that Job, which belongs to no study that is there. */
export const sweepLabel = 'hpo.sweep';
/** What it removes, for people. */
export const sweptAnnotation = 'hpo/kept';

/** In which the id of the study stands as it is: a label cannot hold every one. */
export const studyAnnotation = 'hpo/study';
/** Of a Job that waits for its pod: when this home last had it tried again. */
export const triedAnnotation = 'hpo/tried';

interface Named {
  readonly metadata?: {
    readonly name?: string;
    readonly labels?: Labels;
    readonly annotations?: Labels;
  };
}

/** The attempt whose Job it is; null for any other, also for one that somebody else made with such labels. */
export function attemptOfJob(homeMark: string, { metadata }: Named): AttemptKey | null {
  const key = keyOfLabels(metadata);
  return key !== null && jobName(homeMark, key) === metadata?.name ? key : null;
}

/** The attempt that a pod says it is of. */
export function attemptOfPod({ metadata }: Named): AttemptKey | null {
  return keyOfLabels(metadata);
}

function keyOfLabels(metadata: Named['metadata']): AttemptKey | null {
  const { labels = {}, annotations = {} } = metadata ?? {};
  const studyId = annotations[studyAnnotation] ?? '';
  const [trial, attempt] = [Number(labels['hpo.trial'] ?? NaN), Number(labels['hpo.attempt'] ?? NaN)];
  if (!isStudyId(studyId) || !Number.isInteger(trial) || !Number.isInteger(attempt)) return null;
  return { studyId, trial, attempt };
}

/** A Job's name becomes a label of its pods, so that it has no more characters than one. */
const maxLength = 63;

/** As a DNS label; with a hash where that would not be all of it. */
function objectName(text: string): string {
  const plain = text.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-');
  return plain === text && text.length <= maxLength && !text.endsWith('-') ? text : shortened(plain, text);
}

/** Begins and ends with a letter or a digit, and has nothing else in it than those and `-`, `_` and `.`. */
function labelValue(text: string): string {
  return text.length <= maxLength && /[A-Za-z0-9]$/.test(text) ? text : shortened(text, text);
}

function shortened(plain: string, text: string): string {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 10);
  return `${plain.slice(0, maxLength - hash.length - 1).replace(/[-_.]+$/, '')}-${hash}`;
}
