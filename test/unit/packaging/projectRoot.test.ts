import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findProjectRoot } from '../../../agent/packaging/projectRoot.ts';
import { ProjectFixture } from './projectFixture.ts';

describe('findProjectRoot', () => {
  const cases: { name: string; files: Record<string, string>; script: string; root: string }[] = [
    {
      name: 'the top of git, however deep the script',
      files: { '.git/': '', 'a/pyproject.toml': '', 'a/b/train.py': '' },
      script: 'a/b/train.py',
      root: '',
    },
    {
      name: 'a work tree whose .git is a file',
      files: { '.git': 'gitdir: elsewhere', 'a/train.py': '' },
      script: 'a/train.py',
      root: '',
    },
    {
      name: 'the nearest marker without git',
      files: { 'setup.py': '', 'a/requirements.txt': '', 'a/b/train.py': '' },
      script: 'a/b/train.py',
      root: 'a',
    },
    {
      name: 'the folder of a workspace, where the lock is, for one of its members',
      files: { 'uv.lock': '', 'pyproject.toml': '', 'apps/a/pyproject.toml': '', 'apps/a/train.py': '' },
      script: 'apps/a/train.py',
      root: '',
    },
    { name: 'a marker of another language', files: { 'a/renv.lock': '', 'a/b/train.R': '' }, script: 'a/b/train.R', root: 'a' },
    { name: '.hpoignore is a marker', files: { '.hpoignore': '', 'a/b/train.py': '' }, script: 'a/b/train.py', root: '' },
    { name: 'else the script’s own folder', files: { 'a/b/train.py': '' }, script: 'a/b/train.py', root: 'a/b' },
  ];
  it.each(cases)('$name', ({ files, script, root }) => {
    using project = new ProjectFixture(files);
    expect(findProjectRoot(join(project.root, script))).toBe(join(project.root, root));
  });

  it('never takes the home folder, even where that is a repository', () => {
    using project = new ProjectFixture({ 'requirements.txt': '', 'work/train.py': '' });
    mkdirSync(join(project.root, '.git'));
    expect(findProjectRoot(join(project.root, 'work/train.py'), project.root)).toBe(join(project.root, 'work'));
  });
});
