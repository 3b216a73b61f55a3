import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, sep } from 'node:path';
import { type Include, isHpoYml, localImports, parseHpoYml, parseProject } from '../core/annotations/index.ts';
import { findProjectRoot } from '../packaging/projectRoot.ts';
import { decodeSource } from '../packaging/source.ts';
import { HpoError } from '../protocol/errors.ts';
import type { Diagnostic, Fidelity, Parameter, ScriptSpec } from '../protocol/space.ts';

/** Files that are read to learn the space: a project's own modules, not its dependencies. */
const maxProjectFiles = 500;
const maxFileBytes = 2_000_000;

export interface ProjectReading {
  readonly root: string;
  /** Relative to the root, with forward slashes. */
  readonly scriptPath: string;
  readonly text: string;
  /** All that was read: the script, its modules, settings and included files, by path relative to the root. */
  readonly texts: ReadonlyMap<string, string>;
  readonly spec: ScriptSpec;
  readonly diagnostics: readonly Diagnostic[];
  /** From an hpo.yml; null for a script. */
  readonly command: readonly string[] | null;
}

/** Reads the script, its own modules and the files it includes; parses and never runs them. */
export async function readProject(script: string): Promise<ProjectReading> {
  const info = await stat(script).catch(() => null);
  if (info === null)
    throw new HpoError('HPO-2101', `there is no file ${JSON.stringify(script)}`, 'check the path', { exitCode: 3 });
  if (!info.isFile())
    throw new HpoError('HPO-2102', `${JSON.stringify(script)} is not a file`, 'name the script itself', { exitCode: 2 });
  const root = findProjectRoot(script);
  const main = relative(root, script).split(sep).join('/');
  if (!isHpoYml(main)) return await readAnnotated(root, main);
  const { script: named, command = null } = parseHpoYml((await readSmall(join(root, main))) ?? '', main);
  const program = named === undefined ? main : posix.join(posix.dirname(main), named);
  return { ...(await readAnnotated(root, program, main)), command };
}

/** What the comments say, in the script and in all that it imports or includes, with the settings beside it. */
async function readAnnotated(root: string, main: string, yml: string | null = null): Promise<ProjectReading> {
  const files = new Map<string, string>();
  const seen = new Set<string>();
  const read = async (queue: string[]): Promise<void> => {
    for (let path = queue.shift(); path !== undefined && files.size < maxProjectFiles; path = queue.shift()) {
      if (seen.has(path) || path.startsWith('../') || isAbsolute(path)) continue;
      seen.add(path);
      const text = await readSmall(join(root, path));
      if (text === null) continue;
      files.set(path, text);
      queue.push(...localImports(text, path));
    }
  };
  await read([main, 'pyproject.toml', ...(yml === null ? [] : [yml])]);
  const text = files.get(main);
  if (text === undefined) {
    throw new HpoError(
      'HPO-2103',
      `${JSON.stringify(main)} cannot be read, or is larger than ${maxFileBytes / 1e6} MB`,
      'check the file',
      { exitCode: 3 },
    );
  }
  for (;;) {
    const parts = [...files].map(([path, content]) => ({ path, text: content }));
    const { spec, diagnostics, includes } = parseProject(parts, main);
    const included = await findIncluded(root, includes);
    const unread = included.found.filter((path) => !seen.has(path));
    if (unread.length === 0) {
      const placed = { ...(await placeKeys(root, main, spec)), include: included.found };
      return {
        root,
        scriptPath: main,
        text,
        texts: files,
        spec: placed,
        diagnostics: [...diagnostics, ...included.missing],
        command: null,
      };
    }
    // They may include and import more.
    await read([...unread]);
    for (const path of unread) seen.add(path);
  }
}

/** Included files relative to the root: beside the file that names them, else from the root, where trials run. */
async function findIncluded(
  root: string,
  includes: readonly Include[],
): Promise<{ readonly found: readonly string[]; readonly missing: readonly Diagnostic[] }> {
  const found = new Set<string>();
  const missing: Diagnostic[] = [];
  for (const include of includes) {
    const path = await placeBeside(root, include.file, include.path);
    if (path === null) missing.push(include.missing);
    else found.add(path);
  }
  return { found: [...found], missing };
}

/** Config files of `via key(…)`, relative to the root: beside the script, else from the root. */
async function placeKeys(root: string, main: string, spec: ScriptSpec): Promise<ScriptSpec> {
  const withFile = async <T extends Parameter | Fidelity>(item: T): Promise<T> =>
    item.sink.type === 'key'
      ? { ...item, sink: { ...item.sink, file: (await placeBeside(root, main, item.sink.file)) ?? item.sink.file } }
      : item;
  return {
    ...spec,
    space: { ...spec.space, parameters: await Promise.all(spec.space.parameters.map(withFile)) },
    fidelity: spec.fidelity === null ? null : await withFile(spec.fidelity),
  };
}

/** A path that `file` names, relative to the root; null when there is nothing. Outside of the root it stays as it is written. */
async function placeBeside(root: string, file: string, path: string): Promise<string | null> {
  if (isAbsolute(path)) return path;
  for (const place of [posix.join(posix.dirname(file), path), posix.normalize(path)]) {
    if ((await stat(join(root, place)).catch(() => null)) !== null) return place;
  }
  return null;
}

async function readSmall(path: string): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  if (info === null || !info.isFile() || info.size > maxFileBytes) return null;
  const bytes = await readFile(path).catch(() => null);
  // What annotates nothing is only looked through: an included file may hold anything.
  const isRead = bytes?.includes('@hpo') === true || /\.(?:ya?ml|toml)$/.test(path);
  return bytes === null ? null : isRead ? decodeSource(bytes, path) : bytes.toString('utf8');
}
