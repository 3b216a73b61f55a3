import { dirname, join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { fault, placeOf } from './faults.ts';
import { filesOfPath } from './localFiles.ts';
import type { ProjectReader } from './projectReader.ts';

/** Whether the files of a locked package are archives of sources and no wheel. */
export function isSourceOnly(files: readonly string[]): boolean {
  return files.length > 0 && files.every((file) => !/\.whl(?:[#?]|$)/.test(file));
}

/** What the paths in a lock lead to; the folder of the lock itself is the project, and no dependency. */
export async function pathsOf(
  project: ProjectReader,
  paths: readonly string[],
  lock: string,
  source: string,
  faults: Diagnostic[],
): Promise<readonly string[]> {
  const files: string[] = [];
  for (const path of new Set(paths)) {
    const at = join(dirname(lock), path);
    if (path === '' || at === dirname(lock)) continue;
    files.push(...(await filesOfPath(project, at, placeOf(lock, source, path), faults)));
  }
  return files;
}

export function noManifest(lock: string, source: string, manifest: string): Diagnostic {
  const place = placeOf(lock, source, /^.*$/m);
  return fault('HPO-2424', 'error', place, `${lock} has no ${manifest} beside it`, 'add it, or take the lock away');
}
