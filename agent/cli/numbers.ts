import { HpoError } from '../protocol/errors.ts';

const usage = { exitCode: 2 } as const;

/** The number of a trial, from 0, as it was typed. Throws HPO-4019 for anything else. */
export function trialNumber(text: string, studyId: string): number {
  const number = wholeNumber(text);
  if (number === null)
    throw new HpoError('HPO-4019', `"${text}" is not a trial number`, `list them with: hpo trials ${studyId}`, usage);
  return number;
}

/** The number of an attempt of a trial, from 1, as it was typed. Throws HPO-4019 for anything else, and where no trial is named. */
export function attemptNumber(text: string, studyId: string, trial: number | null): number {
  if (trial === null) {
    const next = `name it: hpo logs ${studyId} TRIAL --attempt ${text}`;
    throw new HpoError('HPO-4019', 'an attempt is one of a trial, and none is named', next, usage);
  }
  const number = wholeNumber(text);
  if (number === null || number === 0) {
    const next = `list them with: hpo trials ${studyId} --trial ${trial}`;
    throw new HpoError('HPO-4019', `"${text}" is not the number of an attempt, the first of which is 1`, next, usage);
  }
  return number;
}

function wholeNumber(text: string): number | null {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(number) ? number : null;
}
