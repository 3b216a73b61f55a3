import type { Stats } from 'node:fs';
import { lstat, open, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, posix, relative, resolve, sep } from 'node:path';
import ignore, { type Ignore } from 'ignore';
import { HpoError } from '../protocol/errors.ts';
import { expandHome } from './dataPaths.ts';
import {
  isBuildName,
  isDataFile,
  isDataName,
  isOutputName,
  isSource,
  junkReason,
  mayHoldSources,
  secretReason,
} from './denyList.ts';
import { forEachLimited } from './forEachLimited.ts';
import { listProjectFiles } from './projectFiles.ts';
import { readText } from './readText.ts';
import { askedSnapshotBytes, checkLimits, tooManyFiles } from './snapshotLimits.ts';

/** Tracked data above this is linked to its place in the project rather than copied; code and settings are copied. */
export const maxStoredFileBytes = 1024 * 1024;
/** Untracked ones, which may well be results and which git could not bring back, are copied up to this size. */
export const maxUntrackedFileBytes = 16 * 1024 * 1024;

export interface SelectOptions {
  /** Absolute path of the project root. */
  readonly root: string;
  /** Files that are stored whatever their size and whatever ignores them (the script, its modules), relative to the root. */
  readonly mustHave: readonly string[];
  /** Files and folders taken although something ignores them (`@hpo.include`), relative to the root. */
  readonly include?: readonly string[];
  /** Data that is linked as a whole (`@hpo.data from -> to`); a `to` outside of the project is for containers and means the place of `from` here. */
  readonly data?: readonly { readonly from: string; readonly to: string }[];
  /** The user agreed to copy more than `askedSnapshotBytes`. */
  readonly allowLarge?: boolean;
  /** For containers: a link that leads out of the project is left out even where git ignores it and its name is that of data, unless `data` names it. */
  readonly isContained?: boolean;
  /** Absolute path of the agent's state, of which nothing is ever stored though it may lie in the project. */
  readonly home?: string;
}

export type SnapshotEntry =
  | { readonly type: 'file'; readonly path: string; readonly bytes: number; readonly isExecutable: boolean }
  /** `target` is relative to the entry's folder and stays inside the root. */
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  /** Stands for the file or folder at the absolute path `target`. */
  | { readonly type: 'link'; readonly path: string; readonly target: string }
  /** An empty folder: each attempt writes into its own. */
  | { readonly type: 'folder'; readonly path: string };

export interface Excluded {
  readonly path: string;
  readonly reason: string;
}

export interface Selection {
  /** Real path of the root. */
  readonly root: string;
  /** Ordered by path. */
  readonly entries: readonly SnapshotEntry[];
  readonly excluded: readonly Excluded[];
}

/**
 * Decides what a snapshot of the project holds; reads names and sizes, and of large files how they begin, and writes nothing.
 * Throws an HpoError when a file that must be there is missing or denied, and when the rest is too large to copy.
 */
export async function selectFiles(options: SelectOptions): Promise<Selection> {
  const root = await realpath(options.root);
  const mustHave = new Set(await Promise.all(options.mustHave.map((path) => checkMustHave(root, path))));
  const included = await Promise.all((options.include ?? []).map((path) => checkIncluded(root, path)));
  const state = await ownState(root, options.home);
  const deniedReason = (path: string): string | null => secretReason(path) ?? state.reason(path) ?? junkReason(path);
  const [project, leaveOut, noCopy] = await Promise.all([
    listProjectFiles(
      root,
      (path) => deniedReason(path) !== null && !mayHoldSources(path),
      (files) => {
        throw tooManyFiles(files, root);
      },
    ),
    readRules(join(root, '.hpoignore')),
    readRules(join(root, '.dockerignore'), dockerPattern),
  ]);
  const data = await dataLinks(root, options.data ?? [], options.isContained === true);

  const entries = new Map<string, SnapshotEntry>();
  const excluded = new Map<string, string>();
  const links = new Map<string, string>(data);
  const isIncluded = (path: string): boolean => included.some((wanted) => path === wanted || path.startsWith(`${wanted}/`));

  const candidates: string[] = [];
  for (const path of new Set([...project.files, ...mustHave])) {
    const reason = deniedReason(path);
    if (reason !== null && !mustHave.has(path))
      excluded.set(
        topmost(path, (at) => deniedReason(at) !== null),
        reason,
      );
    else if (mustHave.has(path)) candidates.push(path);
    else if (covering(data, path) !== null) continue;
    else if (isIncluded(path)) candidates.push(path);
    else if (leaveOut.ignores(path))
      excluded.set(
        topmost(path, (at) => ignoresFolder(leaveOut, at)),
        'left out by .hpoignore',
      );
    else if (noCopy.ignores(path) && isDataName(path))
      links.set(
        topmost(path, (at) => ignoresFolder(noCopy, at) && isDataName(at)),
        '',
      );
    else candidates.push(path);
  }
  for (const entry of project.ignored) {
    const path = entry.endsWith('/') ? entry.slice(0, -1) : entry;
    const reason = deniedReason(path) ?? (leaveOut.ignores(entry) && !isIncluded(path) ? 'left out by .hpoignore' : null);
    if (reason !== null) excluded.set(path, reason);
    else if (covering(data, path) !== null || isIncluded(path)) continue;
    else if (await isBuilt(root, path)) excluded.set(path, 'ignored by git and built from the sources');
    else if (isDataName(path) && !isOutputName(path)) links.set(path, '');
    else if (await isFolder(root, path)) {
      // Programs make results in ignored folders: a link would let trials write over the user's.
      excluded.set(path, `ignored by git: each trial gets an empty folder of its own; ${howToHave}`);
      entries.set(path, { type: 'folder', path });
    } else if (!mustHave.has(path)) excluded.set(path, `ignored by git; ${howToHave}`);
  }
  for (const path of included) {
    if (covering(links, path) !== null) continue;
    // What git ignores is not among the project's files.
    for (const file of await filesBelow(root, path)) {
      const reason = deniedReason(file);
      if (reason !== null) excluded.set(file, reason);
      else candidates.push(file);
    }
  }
  if (candidates.length > maxCandidates) throw tooManyFiles(candidates, root);

  await forEachLimited([...new Set(candidates)], async (path) => {
    const entry = await classify(root, path, {
      deniedReason,
      isNeeded: mustHave.has(path),
      isTracked: project.tracked.has(path),
    });
    if ('reason' in entry) excluded.set(path, entry.reason);
    else entries.set(path, entry);
  });

  await placeLinks({ root, state, deniedReason, isContained: options.isContained === true }, links, entries, excluded);
  checkLimits([...entries.values()], root);
  return {
    root,
    entries: [...entries.values()].sort((a, b) => compare(a.path, b.path)),
    excluded: [...excluded].map(([path, reason]) => ({ path, reason })).sort((a, b) => compare(a.path, b.path)),
  };
}

const howToHave = 'name it by @hpo.data to have it';

/** More names than this are not even looked at one by one. */
const maxCandidates = 20_000;

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function checkMustHave(root: string, path: string): Promise<string> {
  const inside = checkInside(root, path);
  const secret = secretReason(inside);
  if (secret !== null) {
    throw new HpoError(
      'HPO-2203',
      `${inside} is needed but has a name that ${secret}`,
      'rename the file, and keep what is secret out of it',
    );
  }
  const stats = await lstat(join(root, inside)).catch(() => null);
  if (stats === null)
    throw new HpoError('HPO-2202', `${inside} is needed but is not in ${root}`, 'check the path', { exitCode: 3 });
  const real = await realpath(join(root, inside)).catch(() => null);
  if (real === null || !isInside(root, real)) {
    throw new HpoError(
      'HPO-2204',
      `${inside} is a link to ${real ?? 'nothing'}, outside the project ${root}`,
      'tune the file itself, or put a copy into the project',
    );
  }
  return inside;
}

async function checkIncluded(root: string, path: string): Promise<string> {
  const inside = checkInside(root, path);
  const secret = mayHoldSources(inside) ? null : secretReason(inside);
  if (secret !== null) {
    throw new HpoError(
      'HPO-2203',
      `@hpo.include names ${path}, which ${secret}`,
      'remove it from the annotation; a program gets secrets as variables, in containers by # @hpo.secret NAME',
    );
  }
  if ((await lstat(join(root, inside)).catch(() => null)) === null) {
    throw new HpoError(
      'HPO-2202',
      `@hpo.include names ${path}, which is not in ${root}`,
      'correct the path, or remove it from the annotation',
      { exitCode: 3 },
    );
  }
  const folder = await realpath(dirname(join(root, inside)));
  if (!isInside(root, folder)) {
    throw new HpoError(
      'HPO-2204',
      `${inside} is in ${folder}, outside the project ${root}, through a link`,
      'put a copy into the project; data can be named with @hpo.data',
    );
  }
  return inside;
}

/** The path relative to the root, with `/`; accepts absolute ones. */
function checkInside(root: string, path: string): string {
  const inside = relative(root, resolve(root, path)).split(sep).join('/');
  if (inside === '' || inside === '..' || inside.startsWith('../') || isAbsolute(inside)) {
    throw new HpoError(
      'HPO-2204',
      `${path} is outside the project ${root}`,
      'move it into the project; data can be named with @hpo.data',
    );
  }
  return inside;
}

function isInside(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

async function readRules(file: string, translate: (line: string) => string = (line) => line): Promise<Ignore> {
  return ignore().add((await readText(file)).split(/\r?\n/).map(translate));
}

/** Docker's patterns are anchored at the root where git's match at any depth. */
function dockerPattern(line: string): string {
  const pattern = line.trim();
  if (pattern === '' || pattern.startsWith('#')) return '';
  const isNegative = pattern.startsWith('!');
  const body = posix.normalize(isNegative ? pattern.slice(1).trim() : pattern).replace(/^\/+/, '');
  return `${isNegative ? '!' : ''}${body.startsWith('**') ? body : `/${body}`}`;
}

function ignoresFolder(rules: Ignore, path: string): boolean {
  return rules.ignores(path) || rules.ignores(`${path}/`);
}

/** The highest ancestor for which the test holds, else the path itself: one line for a folder instead of one a file. */
function topmost(path: string, test: (at: string) => boolean): string {
  for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
    const at = path.slice(0, end);
    if (test(at)) return at;
  }
  return path;
}

/** The key that is the path or one of its ancestors. */
function covering(places: ReadonlyMap<string, unknown>, path: string): string | null {
  for (let at = path; at !== '.' && at !== ''; at = posix.dirname(at)) if (places.has(at)) return at;
  return null;
}

async function isFolder(root: string, path: string): Promise<boolean> {
  return (await stat(join(root, path)).catch(() => null))?.isDirectory() ?? false;
}

/** The path itself where it is no folder. */
async function filesBelow(root: string, path: string): Promise<string[]> {
  if (!(await lstat(join(root, path))).isDirectory()) return [path];
  const names = await readdir(join(root, path), { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

async function classify(
  root: string,
  path: string,
  {
    deniedReason,
    isNeeded,
    isTracked,
  }: { readonly deniedReason: Denial; readonly isNeeded: boolean; readonly isTracked: boolean },
): Promise<SnapshotEntry | { readonly reason: string }> {
  const full = join(root, path);
  // A needed file may be reached through a link inside the project; it is stored as what it holds.
  const stats = await (isNeeded ? stat(full) : lstat(full)).catch(() => null);
  if (stats === null) return { reason: 'tracked by git, but deleted' };
  if (stats.isSymbolicLink()) return classifySymlink(root, path, deniedReason);
  if (!stats.isFile()) return { reason: `not a file: ${kindOf(stats)}` };
  if (stats.size > maxStoredFileBytes && !isNeeded) {
    if (isTracked ? await isData(full, path, stats.size) : isDataName(path) && !isOutputName(path) && !isSource(path))
      return { type: 'link', path, target: full };
    if (!isTracked && stats.size > maxUntrackedFileBytes) return { reason: `large and not tracked by git; ${howToHave}` };
  }
  return { type: 'file', path, bytes: stats.size, isExecutable: (stats.mode & 0o111) !== 0 };
}

/** By its name, else by what it begins with. Text of any other kind may be code or settings, up to what a whole snapshot may be. */
async function isData(full: string, path: string, size: number): Promise<boolean> {
  if (isSource(path)) return false;
  if (isDataFile(path) || (isDataName(path) && !isOutputName(path)) || size > askedSnapshotBytes) return true;
  const file = await open(full);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8192), 0, 8192, 0);
    return buffer.subarray(0, bytesRead).includes(0);
  } finally {
    await file.close();
  }
}

/**
 * A link out of the project is left out, with where it leads, and stops nothing: most of them are of no use to the script. Nothing
 * from outside gets in by one; a file that the script needs is refused by `checkMustHave` instead, and data has `@hpo.data`.
 */
async function classifySymlink(
  root: string,
  path: string,
  deniedReason: Denial,
): Promise<SnapshotEntry | { readonly reason: string }> {
  const real = await realpath(join(root, path)).catch(() => null);
  if (real === null) return { reason: 'a link to nothing' };
  if (!isInside(root, real)) return { reason: leadsOut(real) };
  const target = relative(root, real).split(sep).join('/');
  const reason = target === '' ? null : deniedReason(target);
  if (reason !== null) return { reason: `a link to ${target}, which ${reason}` };
  return { type: 'symlink', path, target: posix.relative(posix.dirname(path), target) || '.' };
}

function leadsOut(real: string): string {
  return `a link out of the project, to ${real}: name data outside with @hpo.data`;
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a named pipe';
  if (stats.isSocket()) return 'a socket';
  if (stats.isDirectory()) return 'a folder';
  return 'a device';
}

async function isBuilt(root: string, path: string): Promise<boolean> {
  if (isBuildName(path)) return true;
  // A virtual environment has this file, whatever its name.
  return (await lstat(join(root, path, 'pyvenv.cfg')).catch(() => null)) !== null;
}

async function dataLinks(
  root: string,
  data: readonly { readonly from: string; readonly to: string }[],
  isContained: boolean,
): Promise<Map<string, string>> {
  const links = new Map<string, string>();
  for (const { from, to } of data) {
    const source = resolve(root, expandHome(from));
    if ((await lstat(source).catch(() => null)) === null) {
      throw new HpoError(
        'HPO-2202',
        `@hpo.data names ${from}, which is not at ${source}`,
        'correct the path, or remove the annotation',
        { exitCode: 3 },
      );
    }
    if (isInside(root, source) && source !== root) links.set(checkInside(root, source), source);
    if (!isAbsolute(to) && !to.startsWith('~/') && !(isContained && posix.normalize(to).startsWith('../')))
      links.set(checkInside(root, to), source);
  }
  return links;
}

/** Adds the links, opening up those that would hide a stored file beneath them, or show the agent's state. */
async function placeLinks(
  {
    root,
    state,
    deniedReason,
    isContained,
  }: {
    readonly root: string;
    readonly state: OwnState;
    readonly deniedReason: Denial;
    readonly isContained: boolean;
  },
  links: Map<string, string>,
  entries: Map<string, SnapshotEntry>,
  excluded: Map<string, string>,
): Promise<void> {
  const occupied = new Set<string>();
  /** Other data that is to be in a folder which is linked by itself. */
  const isPutInto = (path: string): boolean => !['', undefined, join(root, path)].includes(links.get(path));
  const opened = [
    ...entries.keys(),
    ...[...links.keys()].filter(isPutInto),
    ...(state.path === null || state.path === '' ? [] : [state.path]),
  ];
  for (const path of opened) for (let at = posix.dirname(path); at !== '.'; at = posix.dirname(at)) occupied.add(at);

  /** `base`: what a link in a container may not leave, by a link in it. */
  async function place(path: string, target: string, base: string): Promise<void> {
    if (entries.has(path) && entries.get(path)?.type !== 'folder') return;
    const reason = deniedReason(path);
    if (reason !== null) return void excluded.set(path, reason);
    if (!occupied.has(path)) {
      const real = await realpath(target).catch(() => null);
      if (real === null) return void excluded.set(path, 'a link to nothing');
      const inside = isInside(root, real) ? relative(root, real).split(sep).join('/') || path : null;
      const denial = inside === null ? secretReason(withoutRoot(real)) : deniedReason(inside);
      if (denial !== null) return void excluded.set(path, `a link to ${real}, which ${denial}`);
      if (isContained && inside === null && !isInside(base, real)) return void excluded.set(path, leadsOut(real));
      entries.set(path, { type: 'link', path, target: isContained ? real : target });
      return;
    }
    for (const name of await readdir(target))
      if (!isPutInto(`${path}/${name}`)) await place(`${path}/${name}`, join(target, name), base);
  }

  // Outer folders first; what is inside a linked folder needs no link of its own.
  for (const [path, target] of [...links].sort(([a], [b]) => compare(a, b))) {
    const outer = covering(links, posix.dirname(path));
    if (outer !== null && entries.get(outer)?.type === 'link') continue;
    if (target === '') await place(path, join(root, path), root);
    else await place(path, target, await realpath(target).catch(() => target));
  }
}

type Denial = (path: string) => string | null;

interface OwnState {
  /** Relative to the root; null where it is elsewhere, empty where it is the project itself. */
  readonly path: string | null;
  readonly reason: Denial;
}

/** What of the project belongs to the agent: the journal and the stored code of all studies would be in a snapshot of them. */
async function ownState(root: string, home: string | undefined): Promise<OwnState> {
  const place = home === undefined ? null : await realpath(home).catch(() => home);
  if (place === null || !isInside(root, place)) return { path: null, reason: () => null };
  const path = relative(root, place).split(sep).join('/');
  const isState = (at: string): boolean => (path === '' ? stateNames.test(at) : at === path || at.startsWith(`${path}/`));
  return { path, reason: (at) => (isState(at) ? 'is the state of hpo: never copied' : null) };
}

/** Of a project that is the folder of the state itself. */
const stateNames = /^(?:run|studies|snapshots|images|aside)(?:\/|$)|^(?:journal\.db|folded\.db|agent\.log)/;

/** An absolute path in the form that the rules take. */
function withoutRoot(path: string): string {
  return (
    path
      .replace(/^([A-Za-z]:)?[\\/]+/, '')
      .split(sep)
      .join('/') || '.root'
  );
}
