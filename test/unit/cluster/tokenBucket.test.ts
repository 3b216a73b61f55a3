import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { TokenBucket } from '../../../agent/cluster/tokenBucket.ts';

const never = new AbortController().signal;

it('lets a burst through at once, and then so many a second', async () => {
  const bucket = new TokenBucket(50, 5);
  const begunAt = performance.now();
  const times: number[] = [];
  const taken = Array.from({ length: 15 }, () => bucket.take(never).then(() => times.push(performance.now() - begunAt)));
  await immediate();
  expect(times.length).toBeGreaterThanOrEqual(5);
  await Promise.all(taken);
  // Ten more, at 20 ms each; a busy machine may be later, never sooner.
  expect(times.at(-1)).toBeGreaterThanOrEqual(195);
});

it('serves in line, what is urgent first, and nobody who has gone', async () => {
  const bucket = new TokenBucket(50, 1);
  const served: string[] = [];
  const take = (name: string, isUrgent = false, signal = never): Promise<unknown> =>
    bucket.take(signal, isUrgent).then(
      () => served.push(name),
      (error: unknown) => served.push(`${name}: ${String(error)}`),
    );
  const gone = new AbortController();
  const waiting = [
    take('first'),
    take('a'),
    take('gone', false, gone.signal),
    take('b'),
    take('urgent', true),
    take('urgent too', true),
  ];
  gone.abort('gone away');
  await Promise.all(waiting);
  expect(served).toEqual(['first', 'gone: gone away', 'urgent', 'urgent too', 'a', 'b']);
  await expect(bucket.take(AbortSignal.abort('over'))).rejects.toBe('over');
});

it('keeps no more than its burst for later', async () => {
  const bucket = new TokenBucket(1_000, 3);
  await sleep(50);
  const begunAt = performance.now();
  await Promise.all(Array.from({ length: 103 }, () => bucket.take(never)));
  expect(performance.now() - begunAt).toBeGreaterThanOrEqual(98);
});
