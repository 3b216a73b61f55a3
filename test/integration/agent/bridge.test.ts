import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { connectStream } from '../../../agent/client/index.ts';
import { version } from '../../../agent/version.ts';
import { cliMain, Hpo } from '../../support/hpo.ts';

const options = { client: 'test', version, place: 'the test', howToUpdate: 'update it' };

/** `hpo bridge` of a home, as it runs in the pod of a cluster's agent. */
function startBridge(home: string): { readonly stream: Duplex; readonly cut: () => void } {
  const child = spawn(process.execPath, [cliMain, 'bridge'], {
    env: { ...process.env, HPO_HOME: home },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  stream.on('error', () => undefined);
  child.once('close', () => stream.destroy());
  return { stream, cut: () => child.kill('SIGKILL') };
}

describe('an agent over a stream', () => {
  test('answers as over its socket; a cut ends the connection, and the next one goes on after the last entry', async () => {
    await using hpo = new Hpo();
    hpo.write('train.py', 'lr = 0.1  # @hpo float(0.01, 1)\n# @hpo.objective loss min\nprint(f"loss={lr}")\n');
    const lines = await hpo.json<{ studyId: string; seq?: number }>('tune', 'train.py', '-n', '3', '--on', 'local');
    const { studyId = '' } = lines.at(-1) ?? {};
    const first = startBridge(hpo.home);
    const client = await connectStream(first.stream, options);
    expect(await client.request('agent/status', {})).toMatchObject({ home: hpo.home, studies: 1 });
    expect((await client.view(studyId)).trials).toHaveLength(3);
    const seen: number[] = [];
    await client.subscribe(studyId, 0, (entries) => seen.push(...entries.map(({ seq }) => seq)));
    await expect.poll(() => seen.length).toBeGreaterThan(3);
    first.cut();
    await client.closed;
    await expect(client.request('agent/status', {})).rejects.toMatchObject({ code: 'HPO-5002' });
    // As if no more than two had come before the cut.
    seen.splice(2);
    const from = seen.at(-1) ?? 0;
    await using again = await connectStream(startBridge(hpo.home).stream, options);
    await again.subscribe(studyId, from, (entries) => seen.push(...entries.map(({ seq }) => seq)));
    const { seq } = await again.view(studyId);
    await expect.poll(() => seen.at(-1)).toBe(seq);
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b));
  });

  test('of another version is said, and left as it is', async () => {
    await using hpo = new Hpo();
    expect(await hpo.run('status')).toMatchObject({ code: 0 });
    const { stream } = startBridge(hpo.home);
    await expect(connectStream(stream, { ...options, version: '99.0.0' })).rejects.toMatchObject({
      code: 'HPO-5003',
      message: expect.stringContaining('99.0.0'),
      next: 'update it',
    });
    expect((await hpo.run('agent', 'status')).code).toBe(0);
  });

  test.each([
    ['nothing answers', '', 'ended before it said anything'],
    ['something else answers', 'login: \n', 'is not from hpo: login'],
    ['what answers says too much', 'x'.repeat(10_000), 'is not from hpo'],
  ])('cannot be reached where %s', async (_name, text, why) => {
    const stream = Duplex.from(
      (async function* () {
        yield Buffer.from(text);
      })(),
    );
    await expect(connectStream(stream, options)).rejects.toMatchObject({
      code: 'HPO-2509',
      message: expect.stringContaining(why),
    });
  });
});
