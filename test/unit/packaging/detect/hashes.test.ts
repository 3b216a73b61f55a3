import { describe, expect, test } from 'vitest';
import { parse } from 'smol-toml';
import { pdmHashes } from '../../../../agent/packaging/detect/pdm.ts';
import { pipfileHash } from '../../../../agent/packaging/detect/pipenv.ts';
import { poetryHash } from '../../../../agent/packaging/detect/poetry.ts';

/** Manifests with the hashes that the tools themselves compute: Poetry 2.5.1 with and without groups, PDM 2.29.3. */
const pyprojects: readonly {
  readonly name: string;
  readonly toml: string;
  readonly poetry: readonly [string, string];
  readonly pdm: string;
}[] = [
  {
    name: 'project',
    toml: `[project]
name = "a"
version = "1"
requires-python = ">=3.9,<4"
dependencies = ["numpy>=1.24", "pandas[excel] (>=2,<3) ; python_version > '3.8'"]
[project.optional-dependencies]
z = ["six"]
a = ["click"]
`,
    poetry: [
      '9a5fdd2f595a8464597280bd2b1bc1b888f3f3707653adc9c35f6db4777f25ab',
      '9a5fdd2f595a8464597280bd2b1bc1b888f3f3707653adc9c35f6db4777f25ab',
    ],
    pdm: '6d7566be96c178cc1e5b323e9d1af00acead60b828f5cf1d34c4153ddcacdbcd',
  },
  {
    name: 'groups',
    toml: `[project]
name = "a"
version = "1"
requires-python = ">=3.11"
dependencies = []
[dependency-groups]
Dev_Tools = ["pytest", {include-group = "lint"}]
lint = ["ruff==0.5.0"]
`,
    poetry: [
      '0875fbab7655f1db6955e545e8e750ba0f7f5a20c5dfcfdf198b6b57783b952f',
      'f5666f5625d676c506924a57dc0520a1f3ed2b2c774baed3dc85353594f8473d',
    ],
    pdm: '051dd90fe7ac82a6c6125a2f8a84fb57d70e1b9a362f6d412b5f9a20ea433b86',
  },
  {
    name: 'poetry alone',
    toml: `[tool.poetry]
name = "a"
version = "1"
[tool.poetry.dependencies]
python = "^3.10"
numpy = "^1.26"
torch = {version = "2.3.0", source = "pytorch", optional = true}
local = {path = "../local", develop = true}
many = [{version = "1.0", python = "<3.11"}, {version = "2.0", python = ">=3.11"}]
[tool.poetry.group.dev.dependencies]
pytest = "*"
[tool.poetry.extras]
gpu = ["torch"]
[[tool.poetry.source]]
name = "pytorch"
url = "https://download.pytorch.org/whl/cu124"
priority = "explicit"
`,
    poetry: [
      '4496e92746798a1749061540b39987c25f66f15958eba27574b7f835c13a78d5',
      '4496e92746798a1749061540b39987c25f66f15958eba27574b7f835c13a78d5',
    ],
    pdm: '677f8624752498e75c18491119ca8d9b8e0ea373dd3d9f57cdd741143c108da9',
  },
  {
    name: 'old poetry',
    toml: `[tool.poetry]
name = "a"
version = "1"
[tool.poetry.dependencies]
python = ">=3.8"
[tool.poetry.dev-dependencies]
pytest = "^7"
`,
    poetry: [
      'dea8f11dd707e9afbe0ec66ff0e49b42d7e8958ecf492fabc8f2893ab799588f',
      'dea8f11dd707e9afbe0ec66ff0e49b42d7e8958ecf492fabc8f2893ab799588f',
    ],
    pdm: '6889c706b20fd4695e6d6f9fc34661e92dace4ff1c4c55164a44f042e039c0cc',
  },
  {
    name: 'both',
    toml: `[project]
name = "a"
version = "1"
requires-python = ">=3.10"
dependencies = ["httpx (>=0.27)"]
[tool.poetry]
package-mode = false
[tool.poetry.dependencies]
httpx = {source = "mirror"}
[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
sphinx = "^7"
`,
    poetry: [
      'faa6d7475975167df797b944c6c93bee1f43cb2e9af3cd8f9e542e981e4fe084',
      'faa6d7475975167df797b944c6c93bee1f43cb2e9af3cd8f9e542e981e4fe084',
    ],
    pdm: 'd11616243aa59a73cc38827f802a57503a6220e828536223fe6458d274692cee',
  },
  {
    name: 'pdm settings',
    toml: `[project]
name = "a"
requires-python = ">=3.9"
dependencies = ["idna"]
[tool.pdm]
distribution = false
[tool.pdm.dev-dependencies]
lint = ["ruff"]
test = ["pytest>=8", "-e file:///\${PROJECT_ROOT}/libs/x#egg=x"]
[[tool.pdm.source]]
name = "own"
url = "https://example.com/simple"
verify_ssl = true
include_packages = ["a*", "b"]
[tool.pdm.resolution]
respect-source-order = true
[tool.pdm.resolution.overrides]
urllib3 = ">=2"
`,
    poetry: [
      '2a8c8b5a13d6e7b13c8ae71d5c76fd69022d64e36f6962b482964aee99d992a8',
      '2a8c8b5a13d6e7b13c8ae71d5c76fd69022d64e36f6962b482964aee99d992a8',
    ],
    pdm: '1033004bccf5b81daa36ab73e69ff65da39965b76789c0bfe42501b5021d05c8',
  },
  {
    name: 'not ascii',
    toml: `[project]
name = "a"
requires-python = ">=3.9"
dependencies = ["idna ; platform_node == 'Größe 🧪 \\u007f \\\\ \\"x\\" \\t'"]
`,
    poetry: [
      '10d998e0dc599972ea0502e94fcc11f08a4569ad8ae5507c46315b56bc60ebe9',
      '10d998e0dc599972ea0502e94fcc11f08a4569ad8ae5507c46315b56bc60ebe9',
    ],
    pdm: 'b0b83089216976eca3ef809c436bca6fe831c955d7d1c3eafa11fad8434e9a30',
  },
  {
    name: 'nothing',
    toml: `[project]
name = "a"
version = "1"
`,
    poetry: [
      '115cf985d932e9bf5f540555bbdd75decbb62cac81e399375fc19f6277f8c1d8',
      '115cf985d932e9bf5f540555bbdd75decbb62cac81e399375fc19f6277f8c1d8',
    ],
    pdm: 'ece479d1fc26bbc1091a4114e084312c6b77c8f8fc20195e68cc6393ef0b33d9',
  },
  {
    name: 'tools alone',
    toml: `[tool.ruff]
line-length = 100
`,
    poetry: [
      '115cf985d932e9bf5f540555bbdd75decbb62cac81e399375fc19f6277f8c1d8',
      '115cf985d932e9bf5f540555bbdd75decbb62cac81e399375fc19f6277f8c1d8',
    ],
    pdm: 'ece479d1fc26bbc1091a4114e084312c6b77c8f8fc20195e68cc6393ef0b33d9',
  },
];

/** With the hashes of Pipenv 2026.10.3. */
const pipfiles: readonly { readonly name: string; readonly toml: string; readonly hash: string }[] = [
  {
    name: 'usual',
    toml: `[[source]]
url = "https://pypi.org/simple"
verify_ssl = true
name = "pypi"
[packages]
requests = {version = ">=2", extras = ["socks"]}
six = "*"
own = {path = "./libs/own", editable = true}
[dev-packages]
pytest = "*"
[requires]
python_version = "3.11"
`,
    hash: 'bc01e6721d69f260070f98af0d62f0eda11707ca1b80c1659a19202defaf5c0f',
  },
  {
    name: 'categories and scripts',
    toml: `[[source]]
url = "https://pypi.org/simple"
verify_ssl = false
name = "pypi"
[packages]
six = {git = "https://example.com/größe.git", ref = "main"}
[docs]
sphinx = "*"
[scripts]
run = "python train.py"
[pipenv]
allow_prereleases = true
`,
    hash: '266043cebdfc77e198c52954b96ada06da9a30e17080849e97306b836d13d98f',
  },
  {
    name: 'no source',
    toml: `[packages]
six = "*"
`,
    hash: '83b3df86404322b5e9c6d1f3a782fd8510f976dafa4940f849d7e79258978aaa',
  },
];

describe('the hash of a manifest is the one that the tool writes into its lock', () => {
  test.each(pyprojects)('Poetry: $name', ({ toml, poetry }) => {
    expect([poetryHash(parse(toml), true), poetryHash(parse(toml), false)]).toEqual(poetry);
  });

  // PDM converts what Poetry alone wrote before it hashes; that is not compared.
  test.each(pyprojects.filter(({ toml }) => toml.includes('[project]')))('PDM: $name', ({ toml, pdm }) => {
    expect(pdmHashes(parse(toml))[0]).toBe(pdm);
  });

  test('PDM 2.10, which looked at less', () => {
    const settings = pyprojects.find(({ name }) => name === 'pdm settings');
    expect(pdmHashes(parse(settings?.toml ?? ''))[1]).toBe('108b40ad396a6f042f033245eb5a03a9bbeb9c68683636c9416b441c9919cd75');
  });

  test.each(pipfiles)('Pipenv: $name', ({ toml, hash }) => {
    expect(pipfileHash(parse(toml))).toBe(hash);
  });
});
