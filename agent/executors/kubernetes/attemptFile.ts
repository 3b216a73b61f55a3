import { join } from 'node:path';
import type { Files } from '../../system/files.ts';

/** In an attempt's folder: what of the cluster is its own. */
export interface AttemptFile {
  /** Uid of its Job; empty from when it is asked for until it is seen; null before that, and after a refusal. */
  readonly job: string | null;
  /** Uid of the pod whose output is in the folder; another one of the same Job is not its own. */
  readonly pod: string | null;
  /** Files in the work folder that are read too. */
  readonly metricFiles: readonly string[];
  /** Most bytes of its output. */
  readonly outputBytes: number;
}

const fileName = 'job.json';

/** Null where nothing was asked of a cluster for it. One that a power cut damaged says that it was: nothing is asked for twice. */
export async function readAttemptFile(disk: Files, dir: string): Promise<AttemptFile | 'damaged' | null> {
  if ((await disk.stat(join(dir, fileName))) === null) return null;
  const text = await disk.readText(join(dir, fileName));
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written below
    return JSON.parse(text) as AttemptFile;
  } catch (error) {
    if (error instanceof SyntaxError) return 'damaged';
    throw error;
  }
}

export async function writeAttemptFile(disk: Files, dir: string, file: AttemptFile): Promise<void> {
  const path = join(dir, fileName);
  await disk.writeText(`${path}.new`, JSON.stringify(file));
  await disk.rename(`${path}.new`, path);
}
