import { adviceOf, isForFewer, remedyOf } from '../protocol/failureAdvice.ts';
import type { Failure } from '../protocol/study.ts';
import { formatTable } from './table.ts';

/** How to go on with a study that paused itself: the advice, then the commands. */
export function howToGoOn(study: {
  readonly studyId: string;
  readonly script: string | null;
  readonly failure: Failure;
  readonly nFailed: number;
}): readonly string[] {
  const { studyId, script, failure, nFailed } = study;
  const remedy = remedyOf(failure);
  const rows: string[][] = [];
  if (isForFewer(failure)) rows.push(['fewer at once:', `hpo scale ${studyId} 1`]);
  if (remedy !== 'again') {
    if (nFailed > 0) rows.push(['go on, the failed trials again:', `hpo retry ${studyId} --failed`]);
    rows.push([nFailed > 0 ? 'go on without them:' : 'go on:', `hpo resume ${studyId}`]);
  }
  if (remedy !== 'resume' && remedy !== 'wait') rows.push(['tune again:', `hpo tune ${script ?? 'hpo.yml'}`]);
  rows.push(['see what it printed:', `hpo logs ${studyId}`]);
  return [adviceOf(failure), ...formatTable(rows).split('\n')];
}
