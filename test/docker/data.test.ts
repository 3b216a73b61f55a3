import { beforeAll, expect, it } from 'vitest';
import { bases, ensureBases } from '../support/docker.ts';
import { drawn } from '../unit/packaging/secrets/drawn.ts';
import { EnvironmentProject } from '../support/environmentProject.ts';

beforeAll(() => ensureBases('python'), 900_000);

it('keeps what has the name of a secret in data from every container, and says so', async () => {
  await using project = new EnvironmentProject();
  project.write('.gitignore', 'data/\n');
  for (const folder of ['data', 'lake']) {
    project.write(`${folder}/table.csv`, '1\n');
    for (const path of ['.env', 'deep/.aws/credentials', 'deep/server.pem']) project.write(`${folder}/${path}`, 'planted\n');
  }
  project.write(
    'train.py',
    [
      '# @hpo.objective loss min',
      `# @hpo.image ${bases.python}`,
      '# @hpo.data ./lake -> /lake ro',
      'import os',
      'x = 3.0  # @hpo float(0, 10)',
      'for top in ("data", "/lake"):',
      '    assert open(f"{top}/table.csv").read() == "1\\n"',
      '    for folder, _, names in os.walk(top):',
      '        for name in names:',
      '            assert "planted" not in open(os.path.join(folder, name)).read(), (folder, name)',
      'print(f"loss={x}")',
      '',
    ].join('\n'),
  );
  const shown = await project.run('image', 'train.py', '--print');
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/is empty in containers: data\/(?:\.env|deep)/) });
  const { studyId } = await project.tuneInContainers('train.py', 2);
  await project.free(studyId);
}, 300_000);

it('mounts data in data', async () => {
  await using project = new EnvironmentProject();
  project.write('.gitignore', 'data/\n');
  for (const path of ['data/a', 'one/sub/b', 'two/c']) project.write(path, path);
  const annotations = ['one -> /one ro', 'two -> /one/sub ro', 'two -> data/more'].map((words) => `# @hpo.data ./${words}\n`);
  const reads = '[open(p).read() for p in ("data/a", "data/more/c", "/one/sub/c")] == ["data/a", "two/c", "two/c"]';
  project.write(
    'train.py',
    `# @hpo.objective loss min\n# @hpo.image ${bases.python}\n${annotations.join('')}x = 3.0  # @hpo float(0, 10)\nassert ${reads}\nprint(f"loss={x}")\n`,
  );
  const { studyId } = await project.tuneInContainers('train.py', 1);
  await project.free(studyId);
}, 300_000);

it('hpo image tells a secret in the code and an annotation that is none', async () => {
  await using project = new EnvironmentProject();
  project.write('lib.py', `TOKEN = "ghp_${drawn('in the code', 36)}"  # planted\n`);
  project.write(
    'train.py',
    `# @hpo.objective loss min\n# @hpo.image ${bases.python}\n# @hpo.data ./data -> /data rw\nx = 3.0  # @hpo float(0, 10)\nprint(f"loss={x}")\n`,
  );
  const { code, stderr } = await project.run('image', 'train.py', '--print');
  expect(stderr).toMatch(/lib\.py:1.*HPO-2440/);
  expect(stderr).toMatch(/train\.py:3.*HPO-1/);
  expect(code).toBe(1);
}, 300_000);
