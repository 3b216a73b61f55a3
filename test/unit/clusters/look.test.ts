import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { lookText } from '../../../agent/cli/clusterStatus.ts';
import { sharesOf } from '../../../agent/clusters/look.ts';

const home = 'mine';

function job(trial: number, { study = 's', owner = home } = {}): V1Job {
  return {
    metadata: {
      name: `job-${trial}`,
      uid: `job-${trial}`,
      labels: { 'hpo.home': owner, 'hpo.study': study, 'hpo.trial': String(trial), 'hpo.attempt': '1' },
    },
    spec: { template: {} },
  };
}

function pod(trial: number, phase: string, cpu: string): V1Pod {
  return {
    metadata: { name: `pod-${trial}`, uid: `pod-${trial}`, labels: { 'batch.kubernetes.io/job-name': `job-${trial}` } },
    spec: { nodeName: 'n', containers: [{ name: 'trial', resources: { requests: { cpu } } }] },
    status: { phase, conditions: [{ type: 'PodScheduled', status: 'True' }] },
  };
}

const warning = (uid: string, reason: string, message: string): CoreV1Event => ({
  metadata: {},
  involvedObject: { uid },
  type: 'Warning',
  reason,
  message,
});

it('each waiting trial says what it waits for, by what the events of its own Job and pod say', () => {
  const { waiting, studies } = sharesOf(
    {
      jobs: [job(0), job(1), job(2), job(3, { study: 't', owner: 'theirs' })],
      pods: [pod(0, 'Running', '3'), pod(1, 'Pending', '1'), pod(3, 'Running', '1')],
      workloads: [],
      events: [
        warning('pod-1', 'FailedMount', 'secret "k" not found'),
        warning('job-2', 'FailedCreate', 'exceeded quota: hpo'),
        warning('pod-9', 'FailedMount', 'of nobody here'),
      ],
    },
    home,
  );
  expect(waiting.map(({ studyId, trial, why }) => [studyId, trial, why])).toEqual([
    ['s', 1, 'the node n cannot prepare it (FailedMount): secret "k" not found'],
    ['s', 2, 'exceeded quota: hpo'],
  ]);
  expect(studies).toEqual([
    { studyId: 's', isOurs: true, running: 1, waiting: 2, uses: { cpu: 3 }, share: 0.75 },
    { studyId: 't', isOurs: false, running: 1, waiting: 0, uses: { cpu: 1 }, share: 0.25 },
  ]);
});

it('what removes the checkpoints of a deleted study is no trial of it', () => {
  const sweep = (name: string): V1Job => ({
    metadata: {
      name: `job-${name}`,
      uid: `job-${name}`,
      labels: { 'hpo.home': home, 'hpo.sweep': 'yes' },
      annotations: { 'hpo/study': `study-${name}`, 'hpo/kept': `pvc://c/${name}` },
    },
    spec: { template: {} },
  });
  const unbound = 'pod has unbound immediate PersistentVolumeClaims';
  const stuck: V1Pod = {
    metadata: { name: 'pod-2', labels: { 'batch.kubernetes.io/job-name': 'job-2' } },
    status: {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: unbound }],
    },
  };
  const pods = [pod(1, 'Running', '1'), stuck];
  const found = sharesOf({ jobs: [sweep('1'), sweep('2'), job(3)], pods, workloads: [], events: [] }, home);
  expect(found.removals).toEqual([
    { studyId: 'study-1', job: 'job-1', kept: 'pvc://c/1', why: null },
    { studyId: 'study-2', job: 'job-2', kept: 'pvc://c/2', why: expect.stringContaining(unbound) },
  ]);
  expect(found.studies).toMatchObject([{ studyId: 's', running: 0, waiting: 1 }]);
  expect(found.waiting).toMatchObject([{ studyId: 's', trial: 3 }]);
  const place = { context: 'c', namespace: 'n', server: 's' };
  const look = { place, version: 'v1.34.4', nodes: null, countsAll: false, quotas: [], queues: [], ...found };
  const text = lookText('lab', look, (word) => word).join('\n');
  expect(text).toContain('study-1  is deleted: pvc://c/1 is being removed');
  expect(text).toMatch(/study-2 {2}is deleted: pvc:\/\/c\/2 is being removed {2}waits: .*unbound/);
  expect(text).not.toContain('trial -1');
});
