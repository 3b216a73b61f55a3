import type { AgentClient } from '../client/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { StudyView } from '../protocol/view.ts';
import type { CommandLine } from './commandLine.ts';

/** By id, or by its unmistakable beginning. */
export function findStudy<T extends { readonly studyId: string }>(studies: readonly T[], text: string): T {
  const exact = byFullId(studies, text);
  if (exact !== undefined) return exact;
  const matches = studies.filter(({ studyId }) => studyId.startsWith(text));
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  if (matches.length > 1)
    throw new HpoError(
      'HPO-4022',
      `"${text}" fits several studies: ${matches.map(({ studyId }) => studyId).join(', ')}`,
      'write more of the name',
      { exitCode: 2 },
    );
  throw noStudy(text, 'list them with: hpo status');
}

/** By its full id alone: for what cannot be undone. */
export function findByFullId<T extends { readonly studyId: string }>(studies: readonly T[], text: string): T {
  const exact = byFullId(studies, text);
  if (exact !== undefined) return exact;
  const [near] = studies.filter(({ studyId }) => studyId.startsWith(text));
  throw noStudy(text, `write the full name${near === undefined ? '' : `, such as ${near.studyId}`}; list them with: hpo status`);
}

function byFullId<T extends { readonly studyId: string }>(studies: readonly T[], text: string): T | undefined {
  // Every id begins with nothing, which is what a variable of a shell is that was never set.
  if (text === '')
    throw new HpoError('HPO-4035', 'the name of the study is empty', 'list them with: hpo status', { exitCode: 2 });
  return studies.find(({ studyId }) => studyId === text);
}

function noStudy(text: string, next: string): HpoError {
  return new HpoError('HPO-4004', `there is no study ${JSON.stringify(text)}`, next, { exitCode: 3 });
}

export async function findStudyId(client: Pick<AgentClient, 'request'>, text: string): Promise<string> {
  return findStudy((await client.request('study/list', {})).studies, text).studyId;
}

export async function viewOf(
  line: CommandLine,
  study: string,
  options: { readonly withoutCurves?: boolean } = {},
): Promise<StudyView> {
  const client = await line.agent();
  return await client.view(await findStudyId(client, study), options);
}
