import type { Labels } from '../../engine/engine.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import { isStudyId } from '../attempt/studyFolders.ts';

/** Carried by all containers of attempts of one home. */
export function homeLabels(homeMark: string): Labels {
  return { 'hpo.home': homeMark };
}

export function studyLabels(homeMark: string, studyId: string): Labels {
  return { ...homeLabels(homeMark), 'hpo.study': studyId };
}

export function attemptLabels(homeMark: string, { studyId, trial, attempt }: AttemptKey): Labels {
  return { ...studyLabels(homeMark, studyId), 'hpo.trial': String(trial), 'hpo.attempt': String(attempt) };
}

/** The one container of the attempt; an engine has no second one of that name. */
export function containerName(homeMark: string, { studyId, trial, attempt }: AttemptKey): string {
  return `hpo-${homeMark}-${studyId}-t${trial}-a${attempt}`;
}

/** The attempt whose container it is; null for any other, also for one that somebody else made of an image with such labels. */
export function attemptOfContainer(homeMark: string, name: string, labels: Labels): AttemptKey | null {
  const studyId = labels['hpo.study'] ?? '';
  const [trial, attempt] = [Number(labels['hpo.trial']), Number(labels['hpo.attempt'])];
  if (!isStudyId(studyId) || !Number.isInteger(trial) || !Number.isInteger(attempt)) return null;
  const key = { studyId, trial, attempt };
  return containerName(homeMark, key) === name ? key : null;
}
