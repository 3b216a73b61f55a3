import { dirname } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';
import type { ContainerSettings } from '../../protocol/study.ts';
import type { Files } from '../../system/files.ts';

/** What an agent needs to know of a study to adopt its containers. */
export interface StudyFile {
  /** Absolute path of the project. */
  readonly root: string;
  readonly settings: ContainerSettings;
}

export async function writeStudyFile(disk: Files, path: string, study: StudyFile): Promise<void> {
  await disk.makeFolder(dirname(path));
  await disk.writeText(`${path}.new`, JSON.stringify(study));
  await disk.rename(`${path}.new`, path);
}

export async function readStudyFile(disk: Files, path: string): Promise<StudyFile> {
  const text = await disk.readText(path).catch((cause: unknown) => {
    throw new HpoError(
      'HPO-2454',
      `it is not known how the study runs in containers: ${path} cannot be read`,
      'start the study again',
      {
        cause,
      },
    );
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written above, whole or not at all
  return JSON.parse(text) as StudyFile;
}
