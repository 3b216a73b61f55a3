import { join } from 'node:path/posix';
import { relative, sep } from 'node:path';
import { foldersUp } from '../environment/manifest.ts';
import { conda } from './conda.ts';
import type { Language } from './detected.ts';
import { devcontainer } from './devcontainer.ts';
import { dockerfile } from './dockerfile.ts';
import type { Finding, Row } from './finding.ts';
import { julia } from './julia.ts';
import { node } from './node.ts';
import { pdm } from './pdm.ts';
import { pep723 } from './pep723.ts';
import { pipenv } from './pipenv.ts';
import { pixi } from './pixi.ts';
import { poetry } from './poetry.ts';
import type { ProjectReader } from './projectReader.ts';
import { pyproject } from './pyproject.ts';
import { renv } from './renv.ts';
import { requirements } from './requirements.ts';
import { uv } from './uv.ts';

/** Rows of the table of environments in the order in which the first hit wins, by language. */
const everyLanguage: readonly Row[] = [dockerfile, devcontainer];
const rows: Readonly<Record<Language, readonly Row[]>> = {
  python: [...everyLanguage, uv, pixi, poetry, pdm, pipenv, conda, requirements, pyproject],
  node: [...everyLanguage, node],
  r: [...everyLanguage, renv, pixi, conda],
  julia: [...everyLanguage, julia, pixi, conda],
  other: [...everyLanguage, pixi, conda],
};

export interface Hit {
  readonly folder: string;
  readonly finding: Finding;
}

/** All hits, the one that wins first: by folder from the nearest, by row within one. */
export async function search(
  project: ProjectReader,
  folders: readonly string[],
  scriptPath: string | null,
  language: Language,
): Promise<readonly Hit[]> {
  const hits: Hit[] = [];
  for (const folder of folders) {
    for (const row of rows[language]) {
      const finding = await row({ project, folder });
      if (finding !== null) hits.push({ folder, finding });
    }
  }
  const block = scriptPath === null || language !== 'python' ? null : await pep723(project, scriptPath);
  const sorted = workspaceFirst(hits);
  if (block === null) return sorted;
  // The block stands in the script itself: of what lies around it, only a whole image comes before it.
  const before = sorted.filter(({ folder, finding }) => isSelfContained(finding) && folder === folders[0]);
  return [...before, { folder: folders[0] ?? '.', finding: block }, ...sorted.filter((hit) => !before.includes(hit))];
}

/** The folder and those above it up to the root, all relative to it. */
export function foldersFrom(project: ProjectReader, from: string): string[] {
  return foldersUp(join(project.root, from), project.root).map(
    (folder) => relative(project.root, folder).split(sep).join('/') || '.',
  );
}

/** A member of a workspace has its lock above it: that goes before the member's own pyproject.toml, which it locks. */
function workspaceFirst(hits: readonly Hit[]): readonly Hit[] {
  const [first] = hits;
  const lock = hits.find(({ finding, folder }) => folder !== first?.folder && finding.files.includes(first?.finding.file ?? ''));
  const isPlain = first?.finding.kind === 'pyproject' || (first?.finding.kind === 'node' && !first.finding.isReproducible);
  return lock === undefined || !isPlain ? hits : [lock, ...hits.filter((hit) => hit !== lock)];
}

/** What is an image, or makes one, as a whole: files beside it say nothing about it. */
export function isSelfContained({ kind }: Finding): boolean {
  return kind === 'image' || kind === 'dockerfile' || kind === 'devcontainer';
}

/** Files that say what a script needs in a way that only their own tool can read, for the want of a lock. */
const needTools: Readonly<Partial<Record<Language, readonly (readonly [name: string, advice: string])[]>>> = {
  python: [
    ['pixi.toml', 'has no pixi.lock: run pixi lock'],
    ['Pipfile', 'has no Pipfile.lock: run pipenv lock'],
    ['setup.py', 'is a program: name its packages in pyproject.toml or requirements.txt'],
    [
      'requirements.in',
      'is not taken by itself: compile it into requirements.txt, or name it: # @hpo.image manifest=requirements.in',
    ],
    ['requirements/base.txt', 'is not taken by itself: name it: # @hpo.image manifest=requirements/base.txt'],
    ['setup.cfg', 'is not read: name its packages in pyproject.toml or requirements.txt'],
    ['conda-lock.yml', 'is not read: write an environment.yml'],
  ],
  node: [['bun.lock', 'is not read: add a package-lock.json']],
  r: [['DESCRIPTION', 'has no renv.lock: run renv::snapshot()']],
};

/** What is there of such files, each with why it is not taken. */
export async function withoutLock(
  project: ProjectReader,
  folders: readonly string[],
  language: Language,
  found: Finding,
): Promise<{ readonly file: string; readonly reason: string }[]> {
  const passedOver: { readonly file: string; readonly reason: string }[] = [];
  for (const folder of folders) {
    for (const [name, reason] of needTools[language] ?? []) {
      const file = join(folder, name);
      const content = found.files.includes(file) ? null : await project.text(file);
      // Most of them are settings of linters.
      const saysPackages = name !== 'setup.cfg' || content?.includes('install_requires') === true;
      if (content !== null && saysPackages) passedOver.push({ file, reason });
    }
  }
  return passedOver;
}
