import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { chooseEnvironment } from '../../../agent/packaging/environment/environment.ts';
import { makeEnvironment } from '../../../agent/packaging/environment/makeEnvironment.ts';
import { pythonEnv } from '../../support/python.ts';

const folder = mkdtempSync(join(tmpdir(), 'hpo-make-'));
afterAll(() => rmSync(folder, { recursive: true }));
const python = await pythonEnv('bare', []);
/** Most tests use uv, which takes a tenth of the time. */
const pathWithUv = `${dirname(await pythonEnv('uv', ['uv==0.9.5']))}:${dirname(python)}`;
let nProjects = 0;

/** A project whose script needs what the files say, and a cache folder of its own. */
function project(files: Readonly<Record<string, string>>, path = dirname(python)) {
  const root = join(folder, `project ${nProjects++}`);
  mkdirSync(root, { recursive: true });
  for (const [name, content] of Object.entries({ 'train.py': 'import six\n', ...files }))
    writeFileSync(join(root, name), content);
  const cacheDir = join(root, 'cache');
  const lines: string[] = [];
  return {
    cacheDir,
    lines,
    choose: async () =>
      await chooseEnvironment({
        script: join(root, 'train.py'),
        root,
        mode: 'auto',
        cacheDir,
        environment: { PATH: path, HOME: folder },
      }),
    options: { cacheDir, onProgress: (line: string) => void lines.push(line) },
  };
}

const versionOf = (interpreter: string, name: string) =>
  execFileSync(interpreter, ['-c', `import importlib.metadata as m; print(m.version("${name}"))`], { encoding: 'utf8' }).trim();

describe('an environment from the manifest', () => {
  test('is made once, used again, and chosen from then on', async () => {
    const { choose, options, lines } = project({ 'requirements.txt': 'six==1.15.0\n' });
    const report = await choose();
    expect(report).toMatchObject({ missing: ['six==1.15.0'], canMake: true });

    const made = await makeEnvironment(report, options);
    expect(made).toMatchObject({ reason: 'made from requirements.txt', version: report.choice?.version });
    expect(versionOf(made.interpreter, 'six')).toBe('1.15.0');
    expect(lines[0]).toBe('Making an environment for requirements.txt');
    expect(lines.join('\n')).toContain('Successfully installed six-1.15.0');

    lines.length = 0;
    expect(await makeEnvironment(report, options)).toEqual(made);
    expect(lines).toEqual([]);
    expect(await choose()).toMatchObject({ choice: made, missing: [], canMake: false });
    expect(await makeEnvironment(await choose(), options)).toEqual(made);
  });

  test('what a killed process leaves is not taken for an environment', async () => {
    const { choose, options, cacheDir } = project({ 'requirements.txt': 'six==1.15.0\n' }, pathWithUv);
    const report = await choose();
    const made = await makeEnvironment(report, options);
    rmSync(join(dirname(dirname(made.interpreter)), 'hpo-environment.json'));
    expect((await choose()).missing).toEqual(['six==1.15.0']);
    expect(await makeEnvironment(report, options)).toEqual(made);
    expect(readdirSync(cacheDir).filter((name) => !name.endsWith('.lock'))).toHaveLength(1);
  });

  test('two at once make one', async () => {
    const { choose, options, lines } = project(
      { 'train.py': '# /// script\n# dependencies = ["six==1.15.0"]\n# ///\n' },
      pathWithUv,
    );
    const report = await choose();
    const [one, two] = await Promise.all([makeEnvironment(report, options), makeEnvironment(report, options)]);
    expect(one).toEqual(two);
    expect(one.reason).toBe('made from train.py');
    expect(lines.filter((line) => line.startsWith('Making'))).toHaveLength(1);
    expect(lines).toContain('Waiting for another process that is making this environment');
  });

  test('uv is used where it is', async () => {
    const { choose, options, lines } = project({ 'requirements.txt': 'six==1.15.0\n' }, pathWithUv);
    const made = await makeEnvironment(await choose(), options);
    expect(versionOf(made.interpreter, 'six')).toBe('1.15.0');
    expect(lines.join('\n')).toContain('+ six==1.15.0');
  });

  test('locked versions hold for what is needed indirectly too', async () => {
    const lock = `version = 1
[[package]]
name = "demo"
version = "0"
source = { editable = "." }
dependencies = [{ name = "python-dateutil" }]
[[package]]
name = "python-dateutil"
version = "2.8.2"
[[package]]
name = "six"
version = "1.15.0"
`;
    const { choose, options } = project({ 'uv.lock': lock }, pathWithUv);
    const made = await makeEnvironment(await choose(), options);
    expect([versionOf(made.interpreter, 'python-dateutil'), versionOf(made.interpreter, 'six')]).toEqual(['2.8.2', '1.15.0']);
  });
});

describe('failures', () => {
  test.each([
    ['pip', dirname(python)],
    ['uv', pathWithUv],
  ])('a requirement that does not exist: %s’s own words, and nothing is left', async (_installer, path) => {
    const { choose, options, cacheDir } = project({ 'requirements.txt': 'six==99.99\n' }, path);
    const report = await choose();
    await expect(makeEnvironment(report, options)).rejects.toMatchObject({
      code: 'HPO-2005',
      exitCode: 4,
      message: expect.stringMatching(/requirements\.txt could not be installed:[^]*six==99\.99/) as unknown,
      next: expect.stringContaining('Correct requirements.txt') as unknown,
    });
    expect(readdirSync(cacheDir).filter((name) => !name.endsWith('.lock'))).toEqual([]);
  });

  test('a Python without venv, as Debian’s, is told which package to install', async () => {
    const { choose, options } = project({ 'requirements.txt': 'six==1.15.0\n' });
    const report = await choose();
    const base = join(options.cacheDir, 'python3');
    mkdirSync(options.cacheDir, { recursive: true });
    writeFileSync(
      base,
      '#!/bin/sh\necho "The virtual environment was not created successfully because ensurepip is not" >&2\necho available. >&2\nexit 1\n',
    );
    chmodSync(base, 0o755);
    if (report.recipe === null) throw new Error('there is something to make');
    await expect(makeEnvironment({ ...report, recipe: { ...report.recipe, base } }, options)).rejects.toMatchObject({
      code: 'HPO-2003',
      next: expect.stringContaining('sudo apt install python3-venv') as unknown,
    });
  });

  test('a version of Python that is not there', async () => {
    const { choose, options } = project({ 'pyproject.toml': '[project]\nrequires-python = ">=9"\ndependencies = []\n' });
    await expect(makeEnvironment(await choose(), options)).rejects.toMatchObject({
      code: 'HPO-2004',
      message: expect.stringContaining('asks for python>=9') as unknown,
    });
  });

  test('aborting ends the installer and leaves nothing', async () => {
    const { choose, options, cacheDir } = project({ 'requirements.txt': 'six==1.15.0\n' });
    const abort = new AbortController();
    const making = makeEnvironment(await choose(), {
      ...options,
      signal: abort.signal,
      onProgress: () => setTimeout(() => abort.abort(), 50),
    });
    await expect(making).rejects.toMatchObject({ name: 'AbortError' });
    expect(readdirSync(cacheDir).filter((name) => !name.endsWith('.lock'))).toEqual([]);
    expect(existsSync(cacheDir)).toBe(true);
  });
});
