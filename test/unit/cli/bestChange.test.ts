import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyChange, bestChange } from '../../../agent/cli/bestChange.ts';
import { parseScript } from '../../../agent/core/annotations/index.ts';
import type { Params } from '../../../agent/protocol/space.ts';
import { buildStudySpec } from '../../../agent/preflight/studySpec.ts';

const source = `# @hpo.objective loss min
lr = 0.5  # @hpo float(0, 1)
kind = "a"  # @hpo choice("a", "b")
`;

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'hpo-best-'))));
afterEach(() => rmSync(root, { recursive: true }));

/** The change for a study of `tuned`, where the project holds `now`. */
async function changeOf(tuned: string, now: Record<string, string | Buffer>, params: Params) {
  for (const [name, content] of Object.entries(now)) writeFileSync(join(root, name), content);
  const spec = buildStudySpec({
    request: { script: join(root, 'a.py') },
    script: parseScript(tuned, 'a.py').spec,
    command: null,
    root,
    scriptPath: 'a.py',
    environment: { interpreter: 'python3', version: '3', reason: '' },
    container: null,
    cluster: null,
    snapshot: 's',
    cpus: 1,
    randomSeed: 1,
  });
  return { spec, change: await bestChange(spec, { number: 3, params, values: { loss: 1 } }) };
}

describe('the best values in the source', () => {
  it('are written with the byte order mark and the line ends that were there', async () => {
    const now = `\ufeff${source.replaceAll('\n', '\r\n')}`;
    const { spec, change } = await changeOf(source, { 'a.py': now }, { lr: 0.25, kind: 'b' });
    expect(change.left).toEqual([]);
    await applyChange(spec, change);
    expect(readFileSync(join(root, 'a.py'), 'utf8')).toBe(now.replace('0.5', '0.25').replace('= "a"', '= "b"'));
    expect(readdirSync(root)).toEqual(['a.py']);
  });

  it('are refused for a file of another encoding, which stays as it is', async () => {
    const latin = Buffer.from(`# größe\n${source}`, 'latin1');
    await expect(changeOf(source, { 'a.py': latin }, { lr: 0.25 })).rejects.toMatchObject({ code: 'HPO-2106' });
    expect(readFileSync(join(root, 'a.py')).equals(latin)).toBe(true);
  });

  it.each([
    ['narrowed', source.replace('float(0, 1)', 'float(0.4, 1)')],
    ['narrowed to what the literal is not in either', source.replace('float(0, 1)', 'float(0.6, 1)')],
    ['without the choice', source.replace('"a", "b"', '"a", "c"')],
  ])('that a range does not hold any more stay out, with the reason: %s', async (_, now) => {
    const { change } = await changeOf(source, { 'a.py': now }, { lr: 0.25, kind: 'b' });
    const isLr = now.includes('"a", "b"');
    expect(change.left).toEqual([
      { name: isLr ? 'lr' : 'kind', why: expect.stringMatching(isLr ? /lr is 0\.25, outside/ : /not one of its own choices/) },
    ]);
    expect(change.patch).toContain(isLr ? '+kind = "b"' : '+lr = 0.25');
    expect(change.patch).not.toContain(isLr ? '+lr' : '+kind');
  });

  it('go into the config file where that is how they are passed', async () => {
    const tuned = source.replace('float(0, 1)', 'float(0, 1) via key(c.yaml:opt.lr)');
    const { spec, change } = await changeOf(tuned, { 'a.py': tuned, 'c.yaml': 'opt:\n  lr: 0.5 # ü\n' }, { lr: 0.25, kind: 'a' });
    await applyChange(spec, change);
    expect(readFileSync(join(root, 'c.yaml'), 'utf8')).toBe('opt:\n  lr: 0.25 # ü\n');
    expect(readFileSync(join(root, 'a.py'), 'utf8')).toBe(tuned);
    const narrowed = await changeOf(tuned, { 'a.py': tuned.replace('(0, 1)', '(0.4, 1)') }, { lr: 0.3, kind: 'a' });
    expect(narrowed.change).toMatchObject({ patch: '', left: [{ name: 'lr', why: expect.stringContaining('float 0.4 to 1') }] });
    const gone = await changeOf(tuned, { 'a.py': tuned, 'c.yaml': 'opt: {}\n' }, { lr: 0.25, kind: 'a' });
    expect(gone.change).toMatchObject({
      patch: '',
      left: [{ name: 'lr', why: expect.stringContaining('no value at "opt.lr"') }],
    });
  });

  it.each([
    ['arg(--lr)', /run with --lr 0\.25/],
    ['env(LR)', /run with the environment variable LR=0\.25/],
  ])('are only named where they are passed at the start: via %s', async (via, why) => {
    const tuned = source.replace('float(0, 1)', `float(0, 1) via ${via}`);
    const { change } = await changeOf(tuned, { 'a.py': tuned }, { lr: 0.25, kind: 'a' });
    expect(change).toMatchObject({ patch: '', files: [], left: [{ name: 'lr', why: expect.stringMatching(why) }] });
  });
});

it('a link stays a link, and the mode stays', async () => {
  mkdirSync(join(root, 'real'));
  writeFileSync(join(root, 'real', 'b.py'), source);
  chmodSync(join(root, 'real', 'b.py'), 0o775);
  symlinkSync(join('real', 'b.py'), join(root, 'a.py'));
  const { spec, change } = await changeOf(source, {}, { lr: 0.25 });
  await applyChange(spec, change);
  expect(lstatSync(join(root, 'a.py')).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(root, 'real', 'b.py'), 'utf8')).toContain('lr = 0.25');
  expect(statSync(join(root, 'real', 'b.py')).mode & 0o7777).toBe(0o775);
  expect(readdirSync(join(root, 'real'))).toEqual(['b.py']);
});

it('a file that changed since the diff is left alone', async () => {
  const { spec, change } = await changeOf(source, { 'a.py': source }, { lr: 0.25 });
  writeFileSync(join(root, 'a.py'), `${source}# more\n`);
  await expect(applyChange(spec, change)).rejects.toMatchObject({ code: 'HPO-4020' });
  expect(readFileSync(join(root, 'a.py'), 'utf8')).toBe(`${source}# more\n`);
});
