import { dirname } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';
import type { ClusterSettings, ContainerSettings } from '../../protocol/study.ts';
import type { Files } from '../../system/files.ts';

/** What an agent needs to know of a study to adopt its Jobs. */
export interface ClusterStudy {
  readonly snapshot: string;
  readonly container: ContainerSettings;
  readonly cluster: ClusterSettings;
  /** See `PreparedStudy`. */
  readonly moves?: number;
}

export async function writeClusterStudy(disk: Files, path: string, study: ClusterStudy): Promise<void> {
  await disk.makeFolder(dirname(path));
  await disk.writeText(`${path}.new`, JSON.stringify(study));
  await disk.rename(`${path}.new`, path);
}

export async function readClusterStudy(disk: Files, path: string): Promise<ClusterStudy> {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written above; a power cut can damage it
    return JSON.parse(await disk.readText(path)) as ClusterStudy;
  } catch (cause) {
    throw new HpoError(
      'HPO-2482',
      `it is not known how the study runs on its cluster: ${path} cannot be read`,
      'start the study again',
      { cause },
    );
  }
}
