import { expect, test } from 'vitest';
import { nodeId, type StudyNode, trialGroups, trialsOf } from '../../../../extension/views/studyNodes.ts';
import { scene } from '../../../support/views.ts';

test('best trials are complete ones in order of the objective, whichever way it goes', () => {
  for (const [name, sign] of [
    ['ended', -1],
    ['minimise', 1],
  ] as const) {
    const view = scene(name);
    const metric = view.spec.objectives[0]?.metric ?? '';
    const best = trialsOf(view, 'best');
    expect(best.length).toBeGreaterThan(3);
    expect(best.length).toBeLessThanOrEqual(10);
    expect(best[0]?.number).toBe(view.incumbent);
    const keys = best.map((trial) => sign * Number(trial.values[metric]));
    expect(keys).toEqual(keys.toSorted((a, b) => a - b));
  }
});

test('groups hold what their names say', () => {
  const view = scene('running');
  expect(trialsOf(view, 'running').every((trial) => trial.state === 'running')).toBe(true);
  expect(trialsOf(view, 'running').length).toBeGreaterThan(0);
  expect(trialsOf(view, 'all').map((trial) => trial.number)).toEqual(view.trials.map((trial) => trial.number).toReversed());
  expect(trialsOf(scene('failed'), 'best')).toEqual([]);
});

test('trials that wait for a place have a group of their own', () => {
  const view = scene('clusterWaits');
  expect(trialsOf(view, 'waiting').map(({ attempts }) => attempts.at(-1)?.waits?.kind)).toEqual([
    'unschedulable',
    'unschedulable',
    'image',
    'queued',
  ]);
  expect(trialsOf(view, 'running').map(({ attempts }) => attempts.at(-1)?.state)).not.toContain('requested');
  expect(trialsOf(scene('ended'), 'waiting')).toEqual([]);
});

test('ids are unique over the tree', () => {
  const view = scene('running');
  const { studyId } = view;
  const groups: StudyNode[] = trialGroups.map((group) => ({ kind: 'group', studyId, group }));
  const trials = trialGroups.flatMap((group): StudyNode[] =>
    trialsOf(view, group).map(({ number }) => ({ kind: 'trial', studyId, group, number })),
  );
  const ids = [{ kind: 'study', studyId } as const, ...groups, ...trials].map(nodeId);
  expect(new Set(ids).size).toBe(ids.length);
});
