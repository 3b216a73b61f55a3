import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..', '..');
const cli = join(root, 'dist', 'cli.cjs');

function start(): ChildProcessByStdio<Writable, Readable, Readable> {
  return spawn(process.execPath, [cli, 'serve'], { stdio: ['pipe', 'pipe', 'pipe'] });
}

const create = JSON.stringify({
  create: {
    parameters: [{ name: 'x', distribution: { type: 'float', low: 0, high: 1 } }],
    objectives: [{ metric: 'loss', direction: 'min' }],
    seed: 1,
  },
});

it('answers each line at once, a bad one too, and ends with its input', async () => {
  const child = start();
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const say = async (line: string): Promise<unknown> => {
    child.stdin.write(`${line}\n`);
    return JSON.parse((await lines.next()).value ?? '');
  };
  expect(await say(create)).toEqual({ ok: true });
  expect(await say('{')).toMatchObject({ error: { code: 'HPO-4501' } });
  for (let number = 0; number < 20; number++) {
    const asked = (await say('{"ask": {"n": 1}}')) as { trials: { number: number; params: { x: number } }[] };
    const x = asked.trials[0]?.params.x ?? NaN;
    expect(await say(JSON.stringify({ report: { number, step: 1, values: { loss: x } } }))).toEqual({ decision: 'continue' });
    expect(await say(JSON.stringify({ tell: { number, state: 'complete', values: { loss: x } } }))).toEqual({ ok: true });
  }
  expect(await say('{"best": {}}')).toMatchObject({ values: { loss: expect.any(Number) } });
  const ended = once(child, 'close');
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
  expect((await lines.next()).done).toBe(true);
});

it('takes all lines at once, an unfinished last one too', async () => {
  const child = start();
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(`${create}\r\n{"ask":{"n":2}}\n\n{"ask":{}}`);
  expect(await once(child, 'close')).toEqual([0, null]);
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(answers.map((answer) => Object.keys(answer)[0])).toEqual(['ok', 'trials', 'error', 'trials']);
  expect(stderr).toBe('');
});

it('speaks with the Python client that the README shows, which finds the minimum', async () => {
  const [, client = ''] =
    /```python\n(import json, subprocess\n[\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const { stdout } = await promisify(execFile)('python3', ['-c', client], { cwd: root });
  // A Python dict of numbers and quoted names.
  const best = JSON.parse(stdout.replaceAll("'", '"')) as { params: { x: number }; values: { loss: number } };
  expect(best.params.x).toBeCloseTo(2, 1);
  expect(best.values.loss).toBeCloseTo((best.params.x - 2) ** 2, 9);
});
