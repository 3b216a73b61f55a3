import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, ensureBaseImage } from '../support/baseImages.ts';
import { bases, engineClient, ensureBases } from '../support/docker.ts';
import { EnvironmentProject } from '../support/environmentProject.ts';
import { makeCondaChannel, makeCranRepository, makePixiLock, writeJuliaManifest } from '../support/localPackages.ts';
import { pythonEnv } from '../support/python.ts';

/** A row of the table of environments, with its fixture project. */
interface Row {
  readonly fixture: string;
  /** What the user is told of why it was taken. */
  readonly reason: RegExp;
  /** Of trial 0: a part of it is what a package says that only the image has. */
  readonly loss: number;
  readonly script?: string;
  readonly args?: readonly string[];
  /** Adds what is too large to be committed. */
  readonly prepare?: (folder: string) => Promise<void> | void;
}

/** The image that two of the fixtures name. */
const ownImage = 'hpo-test-fixture:six';

/** The module in an environment of the tests; known when they run. */
let six = '';

const rows: readonly Row[] = [
  { fixture: 'image', reason: /@hpo\.image/, loss: 2 },
  { fixture: 'dockerfile-hpo', reason: /^Dockerfile\.hpo/, loss: 2 },
  { fixture: 'dockerfile', reason: /^Dockerfile\b/, loss: 2 },
  { fixture: 'devcontainer-dockerfile', reason: /devcontainer\.json/, loss: 2, args: ['--image', 'devcontainer'] },
  { fixture: 'devcontainer-image', reason: /devcontainer\.json/, loss: 2, args: ['--image', 'devcontainer'] },
  { fixture: 'pep723', reason: /train\.py/, loss: 2 },
  { fixture: 'pep723-lock', reason: /train\.py\.lock/, loss: 2 },
  { fixture: 'uv', reason: /^uv\.lock/, loss: 2 },
  { fixture: 'uv-workspace', reason: /uv\.lock/, loss: 2.5, script: 'apps/trainer/train.py' },
  { fixture: 'poetry', reason: /^poetry\.lock/, loss: 2 },
  { fixture: 'pdm', reason: /^pdm\.lock/, loss: 2 },
  { fixture: 'pipenv', reason: /^Pipfile\.lock/, loss: 6 },
  { fixture: 'requirements', reason: /^requirements\.txt/, loss: 7 },
  { fixture: 'pyproject', reason: /^pyproject\.toml/, loss: 2 },
  { fixture: 'node', reason: /^package-lock\.json/, loss: 2, script: 'hpo.yml' },
  { fixture: 'node-pnpm', reason: /^pnpm-lock\.yaml/, loss: 2, script: 'hpo.yml' },
  { fixture: 'node-yarn', reason: /^yarn\.lock/, loss: 2, script: 'hpo.yml' },
  { fixture: 'pixi', reason: /^pixi\.lock/, loss: 2, prepare: (folder) => makePixiLock(folder, six) },
  { fixture: 'conda', reason: /^environment\.yml/, loss: 2, prepare: (folder) => makeCondaChannel(folder, six) },
  { fixture: 'renv', reason: /^renv\.lock/, loss: 2, script: 'hpo.yml', prepare: makeCranRepository },
  { fixture: 'julia', reason: /^Project\.toml|^Manifest\.toml/, loss: 2, script: 'hpo.yml', prepare: writeJuliaManifest },
  { fixture: 'command-cpp', reason: /command runs/, loss: 2, script: 'hpo.yml' },
];

describe('each row of the table of environments is built, and its script finds its packages in it', () => {
  let python = '';
  beforeAll(async () => {
    await ensureBases('python', 'node', 'julia', 'debian');
    // The version that its lock names.
    await ensureBaseImage(engineClient(), 'r-base:4.2.2');
    python = await pythonEnv('rows', ['six==1.17.0']);
    six = execFileSync(python, ['-c', 'import six; print(six.__file__)'], { encoding: 'utf8' }).trim();
    const dockerfile = `FROM ${bases.python}\nCOPY six.py /usr/lib/python3/dist-packages/`;
    await build(engineClient(), ownImage, dockerfile, (folder) => Promise.resolve(copyFileSync(six, join(folder, 'six.py'))));
  }, 900_000);
  afterAll(() => engineClient().getImage(ownImage).remove());

  it.concurrent.each(rows)('$fixture', async ({ fixture, reason, loss, script = 'train.py', args = [], prepare }) => {
    await using project = new EnvironmentProject(fixture);
    await prepare?.(project.project);
    const tuned = await project.tuneInContainers(script, 2, ...args);
    expect(tuned.reason).toMatch(reason);
    expect(tuned.trials[0]?.values).toEqual({ loss });
    // The other point, by the values that were spliced into the script.
    expect(tuned.trials[1]?.values['loss']).toBeCloseTo((Number(tuned.trials[1]?.params['x']) - 1) ** 2 + loss - 1, 9);
    await project.free(tuned.studyId);
  });

  it('interpreter', async () => {
    await using project = new EnvironmentProject('interpreter');
    const tuned = await project.tuneInContainers('train.py', 2, '--python', python);
    // What is installed here is written down, and said to be no more than that.
    expect(tuned.reason).toMatch(/interpreter|python/);
    expect(tuned.trials[0]?.values).toEqual({ loss: 2 });
    await project.free(tuned.studyId);
  });

  it('asks before it does what a devcontainer says', async () => {
    await using project = new EnvironmentProject('devcontainer-dockerfile');
    const asked = await project.run('tune', 'train.py', '--on', 'docker', '-n', '1');
    expect(asked.code).toBe(4);
    expect(asked.stderr).toMatch(/--image devcontainer/);
    expect(await project.labelled()).toEqual([]);
  });
});
