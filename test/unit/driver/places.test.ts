import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Places, patienceMs } from '../../../agent/driver/places.ts';
import type { Study } from '../../../agent/driver/study.ts';
import type { WaitReason } from '../../../agent/protocol/study.ts';
import { nodeClock } from '../../../agent/system/nodeClock.ts';
import { Harness, spec } from '../core/study/harness.ts';
import { cluster } from '../core/study/clusterSpec.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Given {
  readonly where?: string;
  /** `machine`: it runs on this machine. */
  readonly runs: number;
  readonly waits?: number;
  readonly kind?: WaitReason['kind'];
  readonly parallel?: number;
  readonly follows?: boolean;
}

/** A study of which so many attempts have begun, and so many wait. */
function studyOf(
  studyId: string,
  { where = 'a/ml', runs, waits = 0, kind = 'unschedulable', parallel = 9, follows = false }: Given,
): Study {
  const [context = '', namespace = ''] = where.split('/');
  const isHere = where === 'machine';
  const search = { parallel: Math.max(1, runs + waits) };
  const h = new Harness(
    spec({
      ...(isHere ? {} : { executor: 'kubernetes', cluster: cluster({ context, namespace }) }),
      search,
      budget: { trials: 60 },
    }),
  );
  for (let number = 0; number < runs; number++) h.see({ type: 'started', number, attempt: 1, pid: null });
  for (let number = runs; number < runs + waits; number++)
    h.see({ type: 'waits', number, attempt: 1, reason: { kind, message: 'it is full' } });
  // Only now: each has what it asked for, and room for more.
  const { view } = h.state;
  view.parallel = parallel;
  view.followsRoom = follows;
  expect([h.state.nRunning, h.state.live.size]).toEqual([runs + waits, runs + waits]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is looked at
  return { studyId, state: h.state } as Study;
}

function placesOf(onRelease: () => void = () => {}): Places {
  return new Places({ clock: nodeClock, capacity: () => 3, onRelease });
}

const follows = true;

describe('whether a study may ask for one more attempt', () => {
  it.each<[string, boolean, Given, Given]>([
    ['this machine has room', true, { where: 'machine', runs: 1, parallel: 2 }, { where: 'machine', runs: 1, parallel: 2 }],
    ['this machine is full', false, { where: 'machine', runs: 2, parallel: 2 }, { where: 'machine', runs: 1, parallel: 2 }],
    [
      'the user wants more than it has',
      true,
      { where: 'machine', runs: 2, parallel: 4 },
      { where: 'machine', runs: 1, parallel: 2 },
    ],
    ['what runs on a cluster takes nothing of it', true, { where: 'machine', runs: 1, parallel: 2 }, { runs: 9 }],
    ['each has a number of its own', true, { runs: 8, parallel: 10 }, { runs: 10, parallel: 10 }],
    ['a number of its own, where another with fewer waits', false, { runs: 8, parallel: 10 }, { runs: 0, waits: 3 }],
    ['a number of its own, most of which waits', true, { runs: 1, waits: 5, parallel: 9 }, { runs: 1, waits: 1 }],
    ['nobody waits', true, { runs: 8, parallel: 10, follows }, { runs: 1, follows }],
    ['another with fewer waits', false, { runs: 8, parallel: 10, follows }, { runs: 1, waits: 1, follows }],
    ['another with fewer waits in a queue', false, { runs: 8, follows }, { runs: 1, waits: 1, kind: 'queued' }],
    ['another with a number of its own waits', false, { runs: 8, parallel: 10, follows }, { runs: 1, waits: 1 }],
    ['another waits for its image', true, { runs: 8, parallel: 10, follows }, { runs: 1, waits: 1, kind: 'image', follows }],
    ['another with as many waits', true, { runs: 4, parallel: 10, follows }, { runs: 4, waits: 1, follows }],
    ['its own that wait do not count', true, { runs: 1, waits: 5, follows }, { runs: 1, waits: 1, follows }],
    ['another cluster is full', true, { runs: 8, follows }, { where: 'b/ml', runs: 0, waits: 4, follows }],
    ['another namespace is full', true, { runs: 8, follows }, { where: 'a/web', runs: 0, waits: 4, follows }],
    ['its own slots are taken', true, { runs: 8, parallel: 8, follows }, { runs: 0, waits: 4, follows }],
  ])('%s: %s', (_name, expected, one, other) => {
    using places = placesOf();
    const all = [studyOf('one', one), studyOf('other', other)];
    expect(places.mayAsk(all[0]!, all)).toBe(expected);
  });
});

describe('what waits without end', () => {
  it('holds others off for a while, from when it first does', () => {
    const onRelease = vi.fn<() => void>();
    using places = placesOf(onRelease);
    const one = studyOf('one', { runs: 8, parallel: 8, follows });
    const stuck = studyOf('stuck', { runs: 0, waits: 1, follows });
    const all = [one, stuck];
    // As long as nobody wants more, the time of what waits does not pass.
    expect(places.mayAsk(one, all)).toBe(true);
    vi.advanceTimersByTime(10 * patienceMs);
    one.state.view.parallel = 9;
    expect(places.mayAsk(one, all)).toBe(false);
    expect([...places.held]).toEqual([one]);
    vi.advanceTimersByTime(patienceMs - 1);
    expect([places.mayAsk(one, all), onRelease.mock.calls.length]).toEqual([false, 0]);
    vi.advanceTimersByTime(1);
    expect([places.mayAsk(one, all), onRelease.mock.calls.length]).toEqual([true, 1]);
    expect([...places.held]).toEqual([]);
  });

  it('is forgotten when it has begun, and its study when it is gone', () => {
    using places = placesOf();
    const one = studyOf('one', { runs: 8, follows });
    const other = studyOf('other', { runs: 0, waits: 1, follows });
    expect(places.mayAsk(one, [one, other])).toBe(false);
    vi.advanceTimersByTime(patienceMs);
    expect(places.mayAsk(one, [one, other])).toBe(true);
    // Another attempt of the same name waits: it has its own time.
    places.forget(new Map([['one', one]]));
    expect(places.mayAsk(one, [one, other])).toBe(false);
    places.forget(new Map([['other', other]]));
    expect(places.held.size).toBe(0);
  });
});
