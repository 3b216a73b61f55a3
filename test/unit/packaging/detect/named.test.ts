import { describe, expect, test } from 'vitest';
import { codes, detect, type Files } from './project.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const project: Files = {
  'train.py': 'x = 1\n# @hpo.image wanted\n',
  'requirements.txt': 'six\n',
  'requirements-gpu.txt': 'six\ncupy-cuda12x\n',
  'docker/gpu.Dockerfile': 'FROM python:3.11\n',
  '.devcontainer/devcontainer.json': '{"image": "ghcr.io/own/dev:1"}',
};

type Case = readonly [
  what: string,
  setting: { readonly annotated?: Readonly<Record<string, string>>; readonly requested?: string },
  expected: { readonly kind: string; readonly image?: string; readonly dockerfile?: string; readonly codes?: readonly string[] },
];

const cases: readonly Case[] = [
  ['an image', { annotated: { image: 'python:3.12-slim' } }, { kind: 'image', image: 'python:3.12-slim' }],
  [
    'an image by its digest',
    { annotated: { image: `host:5000/a/b@${digest}` } },
    { kind: 'image', image: `host:5000/a/b@${digest}` },
  ],
  [
    'a Dockerfile',
    { annotated: { dockerfile: 'docker/gpu.Dockerfile' } },
    { kind: 'dockerfile', dockerfile: 'docker/gpu.Dockerfile' },
  ],
  [
    'a Dockerfile by its path alone',
    { annotated: { image: './docker/gpu.Dockerfile' } },
    { kind: 'dockerfile', dockerfile: 'docker/gpu.Dockerfile' },
  ],
  ['no such path', { annotated: { image: './docker/Dockerfile' } }, { kind: 'image', codes: ['HPO-2425 error train.py:2'] }],
  [
    'a Dockerfile, with ./',
    { annotated: { dockerfile: './docker/gpu.Dockerfile' } },
    { kind: 'dockerfile', dockerfile: 'docker/gpu.Dockerfile' },
  ],
  [
    'a Dockerfile by request, with ./',
    { requested: './docker/gpu.Dockerfile' },
    { kind: 'dockerfile', dockerfile: 'docker/gpu.Dockerfile' },
  ],
  ['a manifest', { annotated: { manifest: 'requirements-gpu.txt' } }, { kind: 'requirements' }],
  ['a request before the annotation', { annotated: { image: 'a' }, requested: 'b:1' }, { kind: 'image', image: 'b:1' }],
  [
    'a Dockerfile by request',
    { requested: 'docker/gpu.Dockerfile' },
    { kind: 'dockerfile', dockerfile: 'docker/gpu.Dockerfile' },
  ],
  ['auto before the annotation', { annotated: { image: 'a' }, requested: 'auto' }, { kind: 'requirements' }],
  ['auto takes no devcontainer', { annotated: { image: 'auto' } }, { kind: 'requirements' }],
  ['a devcontainer by request', { requested: 'devcontainer' }, { kind: 'devcontainer', image: 'ghcr.io/own/dev:1' }],
  ['no name of an image', { annotated: { image: 'Not An Image' } }, { kind: 'image', codes: ['HPO-2425 error train.py:2'] }],
  [
    'no such Dockerfile',
    { annotated: { dockerfile: 'Dockerfile.gpu' } },
    { kind: 'image', codes: ['HPO-2425 error train.py:2'] },
  ],
  ['no such manifest', { annotated: { manifest: 'uv.lock' } }, { kind: 'image', codes: ['HPO-2425 error train.py:2'] }],
  [
    'a Dockerfile out of the project',
    { annotated: { dockerfile: '../Dockerfile' } },
    { kind: 'image', codes: ['HPO-2425 error train.py:2'] },
  ],
  ['no such path by request', { requested: './Dockerfile' }, { kind: 'image', codes: ['HPO-2425 error train.py:2'] }],
  [
    'packages for an image that is named',
    { annotated: { image: 'a', packages: 'ffmpeg' } },
    { kind: 'image', image: 'a', codes: ['HPO-2427 warning train.py:2'] },
  ],
  [
    'no name of a package',
    { annotated: { image: 'auto', packages: 'libgl1,$(x)' } },
    { kind: 'requirements', codes: ['HPO-2425 error train.py:2'] },
  ],
];

test.each(cases)('%s', async (_, { annotated = null, requested = null }, expected) => {
  const found = await detect(project, { imageSetting: { annotated, requested } });
  expect({ kind: found.kind, image: found.image, dockerfile: found.dockerfile, codes: codes(found) }).toEqual({
    image: null,
    dockerfile: null,
    codes: [],
    ...expected,
  });
});

describe('a devcontainer', () => {
  const none = { annotated: null, requested: null };

  test('is asked for, and not when it was agreed to', async () => {
    expect((await detect(project, { imageSetting: none })).question).toMatch(/devcontainer\.json.*use it/);
    expect((await detect(project, { imageSetting: { annotated: null, requested: 'devcontainer' } })).question).toBeNull();
  });

  test('is told when auto passes it over', async () => {
    const { passedOver } = await detect(project, { imageSetting: { annotated: { image: 'auto' }, requested: null } });
    expect(passedOver.find(({ file }) => file.includes('devcontainer'))?.reason).toMatch(/nobody agreed/);
  });

  test('that is not there cannot be asked for', async () => {
    const found = await detect({ 'requirements.txt': 'six\n' }, { imageSetting: { annotated: null, requested: 'devcontainer' } });
    expect(codes(found)).toContain('HPO-2425 error train.py:1');
  });

  const contents: readonly (readonly [what: string, json: string, files: Files, expected: Readonly<Record<string, unknown>>])[] =
    [
      ['comments and commas', '{\n// x\n"image": "a:1", /* y */\n}', {}, { image: 'a:1', codes: [] }],
      [
        'a Dockerfile from its folder',
        '{"build": {"dockerfile": "Dockerfile", "context": ".."}}',
        { '.devcontainer/Dockerfile': 'FROM python:3.10\nCOPY requirements.txt .\n', 'requirements.txt': 'six\n' },
        { dockerfile: '.devcontainer/Dockerfile', codes: [] },
      ],
      [
        'the old key',
        '{"dockerFile": "../Dockerfile.dev"}',
        { 'Dockerfile.dev': 'FROM a\n' },
        { dockerfile: 'Dockerfile.dev', codes: [] },
      ],
      [
        'no such Dockerfile',
        '{"build": {"dockerfile": "No"}}',
        {},
        { question: false, codes: ['HPO-2429 error .devcontainer/devcontainer.json:1'] },
      ],
      [
        'Compose',
        '{\n"dockerComposeFile": "c.yml"}',
        {},
        { question: false, codes: ['HPO-2425 error .devcontainer/devcontainer.json:2'] },
      ],
      [
        'features',
        '{"image": "a",\n"features": {}}',
        {},
        { image: 'a', codes: ['HPO-2427 warning .devcontainer/devcontainer.json:2'] },
      ],
      ['garbage', '{"image": ', {}, { codes: ['HPO-2420 error .devcontainer/devcontainer.json:1'] }],
    ];
  test.each(contents)('with %s', async (_, json, files, expected) => {
    const found = await detect({ '.devcontainer/devcontainer.json': json, ...files });
    expect({ image: found.image, dockerfile: found.dockerfile, question: found.question !== null, codes: codes(found) }).toEqual({
      image: null,
      dockerfile: null,
      question: true,
      ...expected,
    });
  });
});

describe('what a Dockerfile copies is what it depends on', () => {
  const context: Files = {
    'requirements.txt': 'six\n',
    'a b.txt': '',
    'setup.cfg': '',
    'train.py': '',
    'libs/x/one.py': '',
    'libs/.env': 'TOKEN=1',
    '.dockerignore': 'data\n',
  };
  const contexts: readonly (readonly [what: string, dockerfile: string, copied: readonly string[], codes?: readonly string[]])[] =
    [
      ['a file', 'FROM a\nCOPY requirements.txt /tmp/\n', ['requirements.txt']],
      ['a pattern', 'FROM a\nCOPY require*.txt setup.??? /tmp/\n', ['requirements.txt', 'setup.cfg']],
      ['JSON, over two lines', 'FROM a\nCOPY --chown=1:1 ["a b.txt", \\\n "/tmp/"]\n', ['a b.txt']],
      ['a folder, without what may be a secret', 'FROM a\nADD libs /libs\n', ['libs/x/one.py']],
      ['all: its manifests alone', 'FROM a\nCOPY . /app\n', ['requirements.txt', 'setup.cfg'], ['HPO-2427 info Dockerfile:2']],
      ['another stage', 'FROM a AS b\nFROM c\nCOPY --from=b /x /y\n', []],
      ['an address', 'FROM a\nADD https://example.com/x.tgz /x\n', []],
      ['in a heredoc and in a comment', 'FROM a\n# COPY no1 /\nRUN <<END\nCOPY no2 /\nEND\n', []],
      ['what is not there', 'FROM a\nCOPY nothing /\n', [], ['HPO-2429 error Dockerfile:2']],
      ['what a variable says', 'ARG F\nFROM a\nCOPY $F /\n', [], ['HPO-2427 warning Dockerfile:3']],
      ['from no image', 'RUN true\n', [], ['HPO-2420 error Dockerfile:1']],
    ];
  test.each(contexts.map(([what, dockerfile, copied, expected = []]) => ({ what, dockerfile, copied, expected })))(
    '$what',
    async ({ dockerfile, copied, expected }) => {
      const found = await detect({ ...context, Dockerfile: dockerfile });
      expect(found.manifests.map(({ path }) => path)).toEqual(['Dockerfile', '.dockerignore', ...copied]);
      expect(codes(found)).toEqual(expected);
    },
  );

  test.each<readonly [what: string, files: Files, setting: string | null, context: string | undefined, copied: string]>([
    ['its folder', { 'sub/Dockerfile': 'FROM a\nCOPY r.txt /\n', 'sub/r.txt': '' }, null, 'sub', 'sub/r.txt'],
    [
      'the project, when it is named',
      { 'sub/Dockerfile': 'FROM a\nCOPY sub/r.txt /\n', 'sub/r.txt': '' },
      'sub/Dockerfile',
      undefined,
      'sub/r.txt',
    ],
  ])('from %s', async (_, files, requested, folder, copied) => {
    const found = await detect(files, { scriptPath: 'sub/train.py', imageSetting: { annotated: null, requested } });
    expect([found.dockerContext, found.manifests.map(({ path }) => path), codes(found)]).toEqual([
      folder,
      ['sub/Dockerfile', copied],
      [],
    ]);
  });

  test('of a devcontainer from its own folder, unless it says another', async () => {
    const files = (folder: string) => ({
      '.devcontainer/devcontainer.json': `{"build": {"dockerfile": "Dockerfile"${folder}}}`,
      '.devcontainer/Dockerfile': 'FROM a\n',
    });
    expect((await detect(files(''))).dockerContext).toBe('.devcontainer');
    expect((await detect(files(', "context": ".."'))).dockerContext).toBeUndefined();
  });

  test('Dockerfile.hpo before Dockerfile, which is told', async () => {
    const found = await detect({ Dockerfile: 'FROM a\n', 'Dockerfile.hpo': 'FROM python:3.10-slim\n' });
    expect([found.dockerfile, found.languageVersion, found.passedOver.map(({ file }) => file)]).toEqual([
      'Dockerfile.hpo',
      '3.10',
      ['Dockerfile'],
    ]);
  });
});
