import { describe, expect, test } from 'vitest';
import { checkContainers } from '../../../agent/doctor/containers.ts';
import { readRecords, type Records } from '../../../agent/doctor/records.ts';
import type { StudySpec } from '../../../agent/protocol/study.ts';
import { Harness, spec } from '../core/study/harness.ts';
import { noEngine } from './noEngine.ts';

const container: NonNullable<StudySpec['container']> = {
  image: { name: 'hpo-env:1-mark', id: 'sha256:1', recipe: '1' },
  mounts: [],
  network: false,
  memoryBytes: null,
  shmBytes: 1,
  pids: 1,
  gpus: 0,
  secrets: [],
};

/** The records of one study, which ends after its only trial. */
function recordsOf(executor: 'local' | 'docker', hasEnded: boolean): Records {
  const harness = new Harness(spec({ budget: { trials: 1 }, executor, ...(executor === 'docker' ? { container } : {}) }));
  if (hasEnded) harness.run(0, 1);
  return readRecords(harness.journal, new Map(), { mayGoOn: () => true });
}

describe('where there is no engine', () => {
  test.each([
    ['a study of processes goes on', recordsOf('local', false), [], 'ok', /^no study runs in containers/],
    ['a study of containers has ended', recordsOf('docker', true), [], 'unknown', /cannot be seen: there is no container engine/],
    ['there are recipes of images', recordsOf('local', true), ['1'], 'unknown', /cannot be seen/],
    ['a study of containers goes on', recordsOf('docker', false), [], 'wrong', /^s1 cannot go on: there is no container engine/],
  ] as const)('%s', async (_, records, recipes, state, what) => {
    const findings = await checkContainers({ ...noEngine, recipes: new Set(recipes) }, records, () => new Set());
    expect(findings).toMatchObject([{ check: 'containers', state, what: expect.stringMatching(what) }]);
    if (state === 'wrong') expect(findings[0]?.next).toBe('install Docker');
  });

  test('nothing is said where the journal cannot say what lives', async () => {
    expect(await checkContainers(noEngine, null, () => null)).toMatchObject([{ state: 'unknown' }]);
  });
});
