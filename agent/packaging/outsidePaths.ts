import { lstat, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, resolve, sep } from 'node:path';
import { expandHome } from './dataPaths.ts';
import { isOutputName, junkReason, secretReason } from './denyList.ts';
import { forEachLimited } from './forEachLimited.ts';
import type { SnapshotEntry } from './selectFiles.ts';

/** A path in the text of a program. */
export interface NamedPath {
  /** Relative to the root. */
  readonly file: string;
  readonly line: number;
  readonly path: string;
}

/** One that is on this machine and in no container, with the line that would mount it where the program looks for it. */
export interface OutsidePath extends NamedPath {
  readonly annotation: string;
}

export interface OutsideOptions {
  readonly root: string;
  readonly named: readonly NamedPath[];
  /** Of the snapshot. */
  readonly entries: readonly SnapshotEntry[];
  /** What is mounted already. */
  readonly data: readonly { readonly from: string; readonly to: string }[];
  /** Whether data may be mounted from this real path. */
  readonly isAllowed: (source: string) => Promise<boolean>;
}

/**
 * Which paths in the texts of a program lead to files of this machine that a container would not have: absolute ones, those in the home
 * folder, above the project, and those of the project that are not stored. An outer folder stands for what is in it.
 */
export async function findOutside({ root, named, entries, data, isAllowed }: OutsideOptions): Promise<readonly OutsidePath[]> {
  const stored = new Set<string>();
  for (const { path, type } of entries) {
    if (type === 'folder') continue;
    stored.add(path);
    for (let at = posix.dirname(path); at !== '.'; at = posix.dirname(at)) stored.add(at);
  }
  const places = new Map(entries.map((entry) => [entry.path, entry.type]));
  const mounted = await Promise.all(
    data.map(async ({ from, to }) => [await realPlace(resolve(root, expandHome(from))), to] as const),
  );
  const found = new Map<string, OutsidePath & { readonly source: string }>();
  await forEachLimited(named, async (name) => {
    const source = await sourceOf(root, name);
    const inside = relativeTo(root, source);
    if (inside === '' || found.has(source)) return;
    if (inside === null ? isOfSystem(name.path) || isTooShort(source) : isThere(inside, stored, places) || isNoData(inside))
      return;
    const real = await realPlace(source);
    if (real === null || !(await isFileOrFolder(real))) return;
    if (mounted.some(([from, to]) => covers(to, name.path) || (from !== null && from === real && to === name.path))) return;
    if (inside !== null && mounted.some(([from]) => from !== null && relativeTo(from, source) !== null)) return;
    if (await isAllowed(real)) found.set(source, { ...name, source, annotation: annotationOf(name.path, inside) });
  });
  return [...found.values()]
    .filter(({ source }) => ![...found.keys()].some((outer) => outer !== source && relativeTo(outer, source) !== null))
    .map(({ file, line, path, annotation }) => ({ file, line, path, annotation }))
    .sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

/** Trials run in the root; some programs look beside themselves. */
async function sourceOf(root: string, { file, path }: NamedPath): Promise<string> {
  const source = resolve(root, expandHome(path));
  const beside = resolve(root, posix.dirname(file), path);
  if (beside === source || isAbsolute(path) || path.startsWith('~') || (await realPlace(source)) !== null) return source;
  return relativeTo(root, beside) === null ? source : beside;
}

function annotationOf(path: string, inside: string | null): string {
  const [from, to] = inside === null ? [path, path] : [`./${inside}`, inside];
  const word = (text: string): string => (/\s/.test(text) ? `"${text}"` : text);
  return `# @hpo.data ${word(from.replace(/(?<=.)\/$/, ''))} -> ${word(to.replace(/(?<=.)\/$/, ''))} ro`;
}

/** Stored, linked, or in something that is linked. */
function isThere(inside: string, stored: ReadonlySet<string>, places: ReadonlyMap<string, string>): boolean {
  if (stored.has(inside)) return true;
  for (let at = posix.dirname(inside); at !== '.'; at = posix.dirname(at)) {
    const type = places.get(at);
    if (type === 'link' || type === 'symlink') return true;
  }
  return false;
}

/** Of the project: results, secrets, and what tools make. */
function isNoData(inside: string): boolean {
  return isOutputName(inside) || secretReason(inside) !== null || junkReason(inside) !== null;
}

/** What each container has of its own under the same name. */
function isOfSystem(path: string): boolean {
  return /^\/(?:bin|boot|dev|etc|hpo|lib|lib32|lib64|proc|run|sbin|sys|usr|var\/run|var\/log)(?:\/|$)|^\/(?:var\/)?tmp$/.test(
    path,
  );
}

/** `/`, `/mnt`, `/home`: parts that a program puts paths together from. */
function isTooShort(source: string): boolean {
  return source.split(sep).filter((part) => part !== '').length < 2;
}

/** Whether a mount at `to` shows `path`. */
function covers(to: string, path: string): boolean {
  const [outer, inner] = [posix.normalize(to), posix.normalize(path)];
  return inner === outer || inner.startsWith(`${outer.replace(/\/$/, '')}/`);
}

async function realPlace(path: string): Promise<string | null> {
  return (await lstat(path).catch(() => null)) === null ? null : await realpath(path).catch(() => null);
}

async function isFileOrFolder(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => null);
  return info !== null && (info.isFile() || info.isDirectory());
}

/** Null where it is elsewhere. */
function relativeTo(folder: string, path: string): string | null {
  const way = relative(folder, path);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return null;
  return join(way, '.') === '.' ? '' : way.split(sep).join('/');
}
