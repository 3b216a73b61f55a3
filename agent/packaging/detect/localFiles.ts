import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { relative, sep } from 'node:path';
import type { Diagnostic } from '../../protocol/space.ts';
import { record, recordAt, text } from '../unknown.ts';
import { fault, type Place, placeOf } from './faults.ts';
import { isOutside, type ProjectReader } from './projectReader.ts';
import type { Pyproject } from './pyproject.ts';

/** What says how a Python project in a folder is built. */
const buildFiles = ['pyproject.toml', 'setup.py', 'setup.cfg'] as const;

/**
 * What an environment depends on of a path in the project: a wheel or an archive itself; of a folder with a package its build
 * files, never its code. `place` is blamed when there is nothing.
 */
export async function filesOfPath(
  project: ProjectReader,
  path: string,
  place: Place,
  faults: Diagnostic[],
): Promise<readonly string[]> {
  const missing = (why: string, next: string) => {
    faults.push(fault('HPO-2429', 'error', place, `${place.file} names ${path}, ${why}`, next));
    return [];
  };
  if (isOutside(path))
    return missing('which lies outside of the project', 'move it into the project, or publish it as a package');
  if ((await project.bytes(path)) !== null) return [path];
  const found: string[] = [];
  for (const name of buildFiles) {
    const file = join(path, name);
    if ((await project.bytes(file)) !== null) found.push(file);
  }
  return found.length > 0 ? found : missing('where no package is', 'correct the path, or take the line out');
}

/** Paths that lines of requirements name: `./libs/x`, `-e .`, `name @ file:///…`, `vendor/x-1.0-py3-none-any.whl`. */
export function pathInRequirement(line: string, folder: string, root: string): string | null {
  const bare = line.replace(/(?:^|\s)#.*$/, '').trim();
  const url = /(?:^|@\s*|\s)file:(\/\/[^\s;]*|[^\s;/][^\s;]*)/.exec(bare)?.[1];
  if (url?.startsWith('///') === true) {
    try {
      return relative(root, fileURLToPath(`file:${url}`))
        .split(sep)
        .join('/');
    } catch {
      return null;
    }
  }
  if (url !== undefined) return url.startsWith('//') ? null : join(folder, url);
  const editable = /^(?:-e|--editable)[\s=]+([^\s;[]+)/.exec(bare)?.[1];
  const path =
    editable ?? /^((?:\.{1,2}(?:\/[^\s;[]*)?)|[^\s;[@]*\/[^\s;[@]*|[^\s;[@/]+\.(?:whl|tar\.gz|zip))(?:\[|\s|;|$)/.exec(bare)?.[1];
  return path === undefined || /^(?:[a-z]+\+)?[a-z]+:\/\//i.test(path) ? null : join(folder, path);
}

/** Files that a pyproject.toml's own dependencies lead to: paths in its lines, and in the tables of uv, Poetry and PDM. */
export async function ownManifests(
  project: ProjectReader,
  lines: readonly string[],
  { path, source, table }: Pyproject,
  faults: Diagnostic[],
): Promise<readonly string[]> {
  const folder = dirname(path);
  const named = new Map<string, string>();
  for (const line of lines) {
    const at = pathInRequirement(line, folder, project.root);
    if (at !== null) named.set(at, line);
  }
  for (const tables of [recordAt(table, 'tool', 'uv', 'sources'), recordAt(table, 'tool', 'poetry', 'dependencies')]) {
    for (const value of Object.values(tables ?? {})) {
      const at = text(record(value)?.['path']);
      if (at !== '') named.set(join(folder, at), at);
    }
  }
  const files: string[] = [];
  for (const [at, wanted] of named) {
    if (at === folder) continue;
    files.push(...(await filesOfPath(project, at, placeOf(path, source, wanted), faults)));
  }
  return files;
}
