import { describe, expect, it } from 'vitest';
import { imageText } from '../../../agent/cli/image.ts';
import type { ImageDescription } from '../../../agent/protocol/requests.ts';

const described: ImageDescription = {
  kind: 'uv',
  reason: 'uv.lock beside the script',
  isReproducible: true,
  passedOver: [{ file: 'requirements.txt', reason: 'uv.lock comes before it' }],
  notes: ['packages bring CUDA 12.4'],
  diagnostics: [],
  question: null,
  image: 'hpo-env:k',
  key: 'k',
  id: null,
  engine: null,
  cluster: null,
  base: 'python:3.12-slim-bookworm',
  dockerfile: 'FROM python:3.12-slim-bookworm\nENV A=1\n',
  secrets: ['ca', 'pip'],
  snapshot: {
    bytes: 3072,
    files: [
      { path: 'data.csv', bytes: 2048 },
      { path: 'train.py', bytes: 1024 },
    ],
    linked: ['big'],
    excluded: [{ path: '.env', reason: 'may hold a secret: never copied' }],
  },
  mounts: [{ source: '/data', target: '/data', readOnly: true }],
};

const text = (more: Partial<ImageDescription> = {}): string => imageText({ ...described, ...more }, (word) => word);

describe('hpo image', () => {
  it('says what the image is made from, and what its containers get', () =>
    expect(text()).toMatchInlineSnapshot(`
      "from     uv.lock beside the script (uv)
      not      requirements.txt: uv.lock comes before it
      note     packages bring CUDA 12.4
      image    hpo-env:k; is built before the start
      base     python:3.12-slim-bookworm
      settings of this machine for the build, as secrets: ca, pip; in no layer, and not in the key

      Dockerfile
      FROM python:3.12-slim-bookworm
      ENV A=1

      code     2 files, 3.0 kB, mounted and not in the image
        data.csv  2.0 kB
        train.py  1.0 kB
      mounts   /data at /data, read-only
      mounts   big of the project, not copied
      left out
        .env  may hold a secret: never copied"
    `));

  it.each<[string, Partial<ImageDescription>, string]>([
    ['is there', { id: 'sha256:f00' }, 'hpo-env:k; is there, sha256:f00'],
    ['is pulled', { dockerfile: null, base: null, key: null }, 'hpo-env:k; is pulled before the start'],
    [
      'cannot be asked for',
      { engine: { code: 'HPO-2402', message: 'Docker is not running', next: 'start it' } },
      'hpo-env:k; not known whether it is there: Docker is not running',
    ],
    ['is not reproducible', { isReproducible: false }, 'uv.lock beside the script (uv, not reproducible)'],
    [
      'is pushed to a cluster',
      { cluster: { name: 'lab', namespace: 'hpo', imageFrom: 'pushed to r/hpo', codeBy: 'in ConfigMaps', isReady: false } },
      'hpo-env:k; pushed to r/hpo\ncluster  lab, namespace hpo\n',
    ],
    ['is asked about', { question: 'May it do that?' }, 'asks     May it do that?'],
  ])('says that it %s', (_what, more, words) => expect(text(more)).toContain(words));

  it('cuts what is long, with its count', () => {
    const files = Array.from({ length: 30 }, (_, i) => ({ path: `f${i}.py`, bytes: 100 - i }));
    const shown = text({ snapshot: { ...described.snapshot, files } });
    expect(shown).toContain('f9.py');
    expect(shown).not.toContain('f10.py');
    expect(shown).toContain('and 20 more (--json has all)');
  });

  it('lets no control character of a file name through', () => {
    const files = [{ path: '\u001b[2Jx.py', bytes: 1 }];
    expect(text({ snapshot: { ...described.snapshot, files } })).not.toContain('\u001b');
  });
});
