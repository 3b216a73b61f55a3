import { expect, test } from 'vitest';
import { detect, type Files } from './project.ts';

const lock = (name: string) => `version = 1
requires-python = ">=3.11"
[[package]]
name = "demo"
version = "0"
source = { virtual = "." }
[package.metadata]
requires-dist = [{ name = "${name}" }]
[[package]]
name = "${name}"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/x-1.0-py3-none-any.whl" }]
`;
const pyproject = '[project]\nname = "demo"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["six"]\n';
const block = '# /// script\n# dependencies = ["six"]\n# ///\nimport six\n';

/** In the order in which the first hit wins. */
const rows: readonly (readonly [kind: string, files: Files])[] = [
  ['dockerfile', { 'Dockerfile.hpo': 'FROM python:3.11\n' }],
  ['dockerfile', { Dockerfile: 'FROM python:3.11\n' }],
  ['devcontainer', { '.devcontainer.json': '{"image": "python:3.11"}' }],
  ['pep723', { 'train.py': block }],
  ['uv', { 'uv.lock': lock('six'), 'pyproject.toml': pyproject }],
  ['requirements', { 'requirements.txt': 'six\n' }],
  ['pyproject', { 'pyproject.toml': pyproject }],
];

test.each(rows.map(([kind], index) => [kind, index] as const))('%s wins over all that come after it', async (kind, index) => {
  const files = Object.assign({}, ...rows.slice(index).map(([, each]) => each).toReversed());
  const found = await detect(files);
  expect(found.kind).toBe(kind);
  // Each other one that is there is told, with a reason.
  expect(found.passedOver.every(({ reason }) => reason.length > 10)).toBe(true);
  expect(found.passedOver.length).toBeGreaterThanOrEqual(new Set(rows.slice(index + 1).map(([each]) => each)).size - 1);
});
