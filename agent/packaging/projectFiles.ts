import { existsSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import ignore, { type Ignore } from 'ignore';

/** What a project consists of, before any choice of ours. Paths are relative to the root, with `/`. */
export interface ProjectFiles {
  /** Files and symbolic links that git tracks or would track. */
  readonly files: readonly string[];
  /** Those of `files` that git holds a version of; none without git. */
  readonly tracked: ReadonlySet<string>;
  /** What git ignores; a folder ends with `/` and stands for everything in it. */
  readonly ignored: readonly string[];
}

/** A folder without git is not read further than this; `onTooMany` is called with what was found so far. */
export const maxWalked = 50_000;

/**
 * Asks git where there is git; reads the folders otherwise, obeying the .gitignore files on the way. `isDenied` tells what is never
 * stored, by its path.
 */
export async function listProjectFiles(
  root: string,
  isDenied: (path: string) => boolean,
  onTooMany: (files: readonly string[]) => never,
): Promise<ProjectFiles> {
  if (isInGit(root)) {
    const listed = await listByGit(root);
    if (listed !== null) return listed;
  }
  return walk(root, isDenied, onTooMany);
}

function isInGit(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return true;
    if (dirname(at) === at) return false;
  }
}

/** Null when git is not installed or refuses (a repository of another owner, a damaged one). */
async function listByGit(root: string): Promise<ProjectFiles | null> {
  const [cached, others, ignored] = await Promise.all([
    git(root, ['ls-files', '-z', '--cached']),
    git(root, ['ls-files', '-z', '--others', '--exclude-standard']),
    git(root, ['ls-files', '-z', '--others', '--ignored', '--exclude-standard', '--directory']),
  ]);
  if (cached === null || others === null || ignored === null) return null;
  const files = new Set<string>();
  const tracked = new Set(cached);
  const allIgnored = [...ignored];
  for (const path of new Set([...cached, ...others])) {
    // A repository within the repository: an untracked one ends with a slash, a submodule is listed by its folder's name.
    const folder = path.endsWith('/') ? path.slice(0, -1) : path;
    // A link to one is a link, whatever it leads to: here again, or out of the project.
    const isNested = existsSync(join(root, folder, '.git')) && (await lstat(join(root, folder))).isDirectory();
    if (!isNested) {
      if (!path.endsWith('/')) files.add(path);
      continue;
    }
    const nested = await listByGit(join(root, folder));
    for (const file of nested?.files ?? []) files.add(`${folder}/${file}`);
    for (const file of nested?.tracked ?? []) tracked.add(`${folder}/${file}`);
    for (const entry of nested?.ignored ?? []) allIgnored.push(`${folder}/${entry}`);
  }
  return { files: [...files], tracked, ignored: allIgnored };
}

async function git(cwd: string, args: readonly string[]): Promise<string[] | null> {
  // A repository's own configuration may name programs to run (core.fsmonitor): listing files must not run them.
  const safe = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', '-c', 'core.quotePath=false'];
  const result = await execa('git', [...safe, ...args], {
    cwd,
    reject: false,
    stdin: 'ignore',
    stripFinalNewline: false,
    maxBuffer: 256 * 1024 * 1024,
    // The agent may have been started by a hook of another repository.
    env: { GIT_DIR: undefined, GIT_WORK_TREE: undefined, GIT_INDEX_FILE: undefined, GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' },
  });
  if (result.failed) return null;
  return result.stdout.split('\0').filter((path) => path !== '');
}

/** A folder's own rules and those of the folders above it. */
interface Rules {
  readonly prefix: string;
  readonly matcher: Ignore;
}

async function walk(
  root: string,
  isDenied: (path: string) => boolean,
  onTooMany: (files: readonly string[]) => never,
): Promise<ProjectFiles> {
  const files: string[] = [];
  const ignored: string[] = [];

  async function visit(folder: string, inherited: readonly Rules[]): Promise<void> {
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
    const rules = entries.some((entry) => entry.name === '.gitignore' && entry.isFile())
      ? [...inherited, { prefix: folder, matcher: ignore().add(await readFile(join(root, folder, '.gitignore'), 'utf8')) }]
      : inherited;
    const folders: string[] = [];
    for (const entry of entries) {
      const path = `${folder}${entry.name}`;
      const isFolder = entry.isDirectory();
      if (isIgnoredBy(rules, path, isFolder)) ignored.push(isFolder ? `${path}/` : path);
      // Not entered, so that a virtual environment does not count against the limit; reported all the same.
      else if (isFolder && isDenied(path)) ignored.push(`${path}/`);
      else if (isFolder) folders.push(`${path}/`);
      else files.push(path);
    }
    if (files.length > maxWalked) onTooMany(files);
    for (const next of folders) await visit(next, rules);
  }

  await visit('', []);
  return { files, tracked: new Set(), ignored };
}

function isIgnoredBy(rules: readonly Rules[], path: string, isFolder: boolean): boolean {
  // The nearest .gitignore that has an opinion wins, as in git.
  for (const { prefix, matcher } of rules.toReversed()) {
    const result = matcher.test(`${path.slice(prefix.length)}${isFolder ? '/' : ''}`);
    if (result.ignored) return true;
    if (result.unignored) return false;
  }
  return false;
}
