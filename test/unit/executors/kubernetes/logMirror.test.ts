import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LogMirror, mirroredStreams } from '../../../../agent/executors/kubernetes/logMirror.ts';
import { nodeSystem } from '../../../../agent/system/node.ts';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'hpo-mirror-'))));
afterEach(() => rmSync(dir, { recursive: true }));

const read = (name: string): string => readFileSync(join(dir, name), 'utf8');
const nothing = (): void => {};
const mirrorOf = (): LogMirror =>
  new LogMirror({
    system: nodeSystem(),
    dir,
    nonce: 'n',
    streams: mirroredStreams([]),
    maxBytes: 10_000,
    onBegin: nothing,
    onOutput: nothing,
    onEnd: nothing,
    fetch: () => Promise.resolve(null),
  });
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const end = (out: number, metrics: number): string => `{"out":${out},"metrics":${metrics},"kills":0,"shim":0,"exit":{"code":0}}`;

it('has the last of what was reported from the termination message, where there is no log any more', async () => {
  const mirror = mirrorOf();
  mirror.begin(true);
  const first = '{"loss":3,"step":1}\n';
  mirror.push(text(`\u001Ehpo n begin\n\u001Ehpo n bytes 0 ${first.length} metrics\n${first}\n`));
  await mirror.settled();
  const [second, third] = ['{"loss":2,"step":2}\n', '{"loss":1,"step":3}\n'];
  await mirror.complete(JSON.parse(end(4, 60)), { tail: 'done', reported: second + third });
  expect(read('metrics.jsonl')).toBe(first + second + third);
  expect(read('out.log')).toBe('done');
});

it('says at the end of the output how much of what was reported is lost', async () => {
  const mirror = mirrorOf();
  mirror.begin(true);
  mirror.push(text(`\u001Ehpo n begin\n\u001Ehpo n bytes 0 2 out\nhi\n\u001Ehpo n end ${end(2, 40)}\n`));
  await mirror.settled();
  expect(mirror.end).toMatchObject({ out: 2, metrics: 40 });
  expect(read('metrics.jsonl')).toBe('\n'.repeat(40));
  expect(read('out.log')).toBe('hi\n[hpo: 40 bytes of what was reported are lost: the node removed this part of the log]\n');
});

it('says so, too, where there was room for the last lines alone', async () => {
  const mirror = mirrorOf();
  const last = '{"loss":1,"step":3}\n';
  await mirror.complete(JSON.parse(end(2, 100)), { tail: 'ok', reported: last });
  expect(read('metrics.jsonl')).toBe('\n'.repeat(80) + last);
  expect(read('out.log')).toMatch(/^ok\n\[hpo: 80 bytes of what was reported are lost/);
});
