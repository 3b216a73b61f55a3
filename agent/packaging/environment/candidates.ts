import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { execa } from 'execa';
import { parse as parseYaml } from 'yaml';
import { foldersUp } from './manifest.ts';

export interface Candidate {
  readonly interpreter: string;
  /** As shown: `project .venv`, `conda environment "x"`, `PATH` … */
  readonly reason: string;
}

/** The interpreters that could run the script, best first: those of the project before those of the machine. */
export async function* candidates(script: string, root: string, environment: NodeJS.ProcessEnv): AsyncGenerator<Candidate> {
  const folders = foldersUp(dirname(script), root);
  for (const folder of folders) {
    for (const name of ['.venv', 'venv']) {
      if (isFolder(join(folder, name))) yield { interpreter: pythonIn(join(folder, name)), reason: `project ${name}` };
    }
  }
  for (const folder of folders) {
    const pdm = textOf(join(folder, '.pdm-python')).trim();
    if (pdm !== '') yield { interpreter: pdm, reason: 'pdm' };
    const poetry = await poetryPython(folder, environment);
    if (poetry !== null) yield { interpreter: poetry, reason: 'poetry' };
  }
  for (const folder of folders) {
    const name = condaName(folder);
    const conda = name === null ? null : condaEnvironment(name, environment);
    if (conda !== null) yield { interpreter: conda, reason: `conda environment "${name}"` };
  }
  const active = environment['CONDA_PREFIX'];
  if (active !== undefined && active !== '')
    yield { interpreter: condaPython(active), reason: `active conda environment "${basename(active)}"` };
  for (const name of ['python3', 'python']) {
    const found = findOnPath(name, environment);
    if (found !== null) yield { interpreter: found, reason: 'PATH' };
  }
}

/** The interpreter of a virtual environment. */
export function pythonIn(environmentFolder: string): string {
  return process.platform === 'win32'
    ? join(environmentFolder, 'Scripts', 'python.exe')
    : join(environmentFolder, 'bin', 'python');
}

/** Absolute path of a program, or null. */
export function findOnPath(name: string, environment: NodeJS.ProcessEnv): string | null {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  for (const folder of (environment['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    for (const ending of endings) {
      const path = join(folder, name + ending);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        // Not here.
      }
    }
  }
  return null;
}

/** Poetry keeps environments elsewhere; only it knows where. Asked only in its own projects, since it is slow to start. */
async function poetryPython(folder: string, environment: NodeJS.ProcessEnv): Promise<string | null> {
  const isPoetry =
    textOf(join(folder, 'poetry.lock')) !== '' || /^\[tool\.poetry\b/m.test(textOf(join(folder, 'pyproject.toml')));
  const poetry = isPoetry ? findOnPath('poetry', environment) : null;
  if (poetry === null) return null;
  const result = await execa(poetry, ['env', 'info', '--executable'], {
    cwd: folder,
    stdin: 'ignore',
    timeout: 10_000,
    reject: false,
  });
  return result.exitCode === 0 && result.stdout.trim() !== '' ? (result.stdout.trim().split('\n').at(-1) ?? null) : null;
}

function condaName(folder: string): string | null {
  for (const file of ['environment.yml', 'environment.yaml']) {
    try {
      const content: unknown = parseYaml(textOf(join(folder, file)));
      if (typeof content === 'object' && content !== null && 'name' in content && typeof content.name === 'string')
        return content.name;
    } catch {
      // Not a conda file.
    }
  }
  return null;
}

/** By conda's own list of environments, then in the usual folders. */
function condaEnvironment(name: string, environment: NodeJS.ProcessEnv): string | null {
  const home = environment['HOME'] ?? homedir();
  const listed = textOf(join(home, '.conda', 'environments.txt'))
    .split(/\r?\n/)
    .filter((path) => basename(path) === name);
  const conda = environment['CONDA_EXE'];
  const bases = [
    ...(conda === undefined ? [] : [dirname(dirname(conda))]),
    ...['miniforge3', 'mambaforge', 'miniconda3', 'anaconda3', 'micromamba'].map((folder) => join(home, folder)),
  ];
  const prefix = [...listed, ...bases.map((base) => join(base, 'envs', name))].find((path) => isFolder(path));
  return prefix === undefined ? null : condaPython(prefix);
}

/** Unlike virtual environments, conda's hold python.exe at the top on Windows. */
function condaPython(prefix: string): string {
  return process.platform === 'win32' ? join(prefix, 'python.exe') : join(prefix, 'bin', 'python');
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function textOf(path: string): string {
  try {
    // A pipe in its place would be waited for without end, and the whole agent with it.
    if (!statSync(path).isFile()) return '';
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
