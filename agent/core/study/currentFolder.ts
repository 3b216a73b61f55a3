import type { Failure, StudySpec } from '../../protocol/study.ts';
import { failureCodes } from './failurePolicy.ts';

/**
 * A file that is looked for beside a script in a folder of the project: the current folder of trials is the project's root. `error` is
 * the exception with its message; null for anything else.
 */
export function lookedForBeside(
  { script, root }: Pick<StudySpec, 'script' | 'root'>,
  error: string,
  where: string,
): Failure | null {
  const folder = /^(.+)\/[^/]+$/.exec(script ?? '')?.[1];
  const wanted = /^FileNotFoundError: .*No such file or directory: '(?:\.\/)?([^'/][^']*)'$/.exec(error)?.[1];
  if (folder === undefined || wanted === undefined || wanted.startsWith(`${folder}/`)) return null;
  return {
    kind: 'userError',
    code: failureCodes.program,
    message: `${error}${where}. The current folder of a trial is the project's (${root}), not the script's: for what lies beside the script write "${folder}/${wanted}", or Path(__file__).parent / "${wanted}".`,
  };
}
