import { join, normalize } from 'node:path/posix';
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Diagnostic } from '../../protocol/space.ts';
import { fault, type Place } from './faults.ts';
import { isOutside, type ProjectReader } from './projectReader.ts';

/** A folder of packages with more files than this is not one that a project carries. */
const maxFiles = 5_000;

/** A channel or repository that is a folder: `./channel`, `file:cran`, `file:///…`; null for an address. */
export function localFolder(address: string, folder: string, root: string): string | null {
  if (address.startsWith('file:///')) {
    try {
      return relative(root, fileURLToPath(address)).split(sep).join('/');
    } catch {
      return null;
    }
  }
  const path = /^file:(?!\/)(.+)$/.exec(address)?.[1] ?? (/^\.{1,2}(?:\/|$)/.test(address) ? address : null);
  return path === null ? null : normalize(join(folder, path));
}

/** All files of such a folder: the environment is made from them. `place` is blamed where there are none. */
export async function filesUnder(
  project: ProjectReader,
  path: string,
  place: Place,
  faults: Diagnostic[],
): Promise<readonly string[]> {
  const found: string[] = [];
  const visit = async (at: string): Promise<void> => {
    for (const name of await project.list(at)) {
      if (found.length > maxFiles) return;
      const file = join(at, name);
      if ((await project.bytes(file)) === null) await visit(file);
      else found.push(file);
    }
  };
  if (!isOutside(path)) await visit(path);
  if (found.length > 0 && found.length <= maxFiles) return found;
  const why = isOutside(path)
    ? 'which lies outside of the project'
    : found.length === 0
      ? 'where nothing is'
      : `which has more than ${maxFiles} files`;
  faults.push(
    fault('HPO-2429', 'error', place, `${place.file} takes packages from ${path}, ${why}`, 'correct the path, or use an address'),
  );
  return [];
}
