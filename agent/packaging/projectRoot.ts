import { existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, parse, resolve } from 'node:path';

/** Files that say "a project starts here" where there is no git. */
const markers = [
  'pyproject.toml',
  'setup.py',
  'requirements.txt',
  'Pipfile',
  'pixi.toml',
  'environment.yml',
  'package.json',
  'renv.lock',
  'Project.toml',
  'Cargo.toml',
  'hpo.yml',
  '.hpoignore',
] as const;

/** Beside one of these are the locks of all projects below it. */
const workspaceMarkers = ['uv.lock', 'pnpm-workspace.yaml'] as const;

/**
 * The folder that counts as the script's project: the top of its git work tree, else that of the workspace it belongs to, else
 * the nearest folder upward that holds a project marker, else the script's own folder. The home folder, the temporary folder and the top of the
 * file system are never a project: a stray file there would make a snapshot of everything.
 *
 * `scriptPath` is absolute or relative to the current directory; the answer is absolute.
 */
export function findProjectRoot(scriptPath: string, home: string = homedir()): string {
  return projectOf(scriptPath, home) ?? dirname(resolve(scriptPath));
}

/** The same of any file; null where nothing says that its folder, or one above, is a project. */
export function projectOf(path: string, home: string = homedir()): string | null {
  const candidates = foldersUpward(dirname(resolve(path)), [home, tmpdir()]);
  return (
    candidates.find((folder) => existsSync(join(folder, '.git'))) ??
    candidates.find((folder) => holds(folder, workspaceMarkers)) ??
    candidates.find((folder) => holds(folder, markers)) ??
    null
  );
}

function holds(folder: string, names: readonly string[]): boolean {
  return names.some((name) => existsSync(join(folder, name)));
}

/** The folder and its ancestors, nearest first, up to but without the barriers and the top two levels (`/`, `/srv`). */
function foldersUpward(from: string, barriers: readonly string[]): string[] {
  const folders: string[] = [];
  const { root } = parse(from);
  for (let folder = from; folder !== root && dirname(folder) !== root && !barriers.includes(folder); folder = dirname(folder))
    folders.push(folder);
  return folders;
}
