import { expect, test } from 'vitest';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import { refused } from '../../../agent/cluster/clusterError.ts';
import { rehearse } from '../../../agent/preflight/cluster/clusterRehearsal.ts';
import type { HpoError } from '../../../agent/protocol/errors.ts';
import { podContainer, simulatedClusterSettings } from '../../simulation/agent/clusterSettings.ts';

const place = { context: 'prod', namespace: 'ml', server: 'https://k8s' };
const attempt = { command: ['python3'], checkpointDir: null, timeoutMs: null, graceMs: 10_000, outputBytes: 1, cpus: 1 };
const quota = (requested: string, limited: string): string =>
  `pods "x" is forbidden: exceeded quota: team, requested: ${requested}, used: limits.cpu=1, limited: ${limited}`;

/** Refuses pods, or Jobs, with these words. */
function clusterThatSays(words: string, status = 403, kind = 'Pod'): Pick<Cluster, 'place' | 'check'> {
  return {
    place,
    check: (asked) => {
      const what = { verb: 'create', resource: asked === 'Pod' ? 'pods' : 'jobs', namespace: 'ml', name: 'x' };
      return asked === kind && words !== ''
        ? Promise.reject(refused(place, what, { status, reason: '', words, retryMs: 0 }))
        : Promise.resolve();
    },
  };
}

const settings = { container: podContainer, cluster: simulatedClusterSettings };

test.each<readonly [string, string, { isImageKnown?: boolean; status?: number; kind?: string }, RegExp | null]>([
  ['nothing', '', {}, null],
  ['what others use up now', quota('limits.cpu=2', 'limits.cpu=2'), {}, null],
  ['more than there will ever be', quota('limits.cpu=2,limits.memory=1Gi', 'limits.cpu=1500m,limits.memory=2Gi'), {}, /cpus=1/],
  [
    'a quota that wants to be told',
    'pods "x" is forbidden: failed quota: team: must specify limits.memory',
    {},
    /^say what it wants to be told: memory by # @hpo\.resources memory=2GB/,
  ],
  [
    'a namespace that is not there',
    'namespaces "ml_x" not found',
    { status: 404, kind: 'Job' },
    /^name one that is there, or make it/,
  ],
  ['limits', 'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2', {}, /lets a container have/],
  [
    'a namespace that cannot be',
    'the server could not find the requested resource',
    { status: 404, kind: 'Job' },
    /^name one that is there, or make it/,
  ],
  ['pod security', 'pods "x" is forbidden: violates PodSecurity "restricted:latest": hostPath', {}, /pod template what it names/],
  ['a class', 'pods "x" is forbidden: no PriorityClass with name low was found', {}, /priority=NAME/],
  [
    'a mount',
    'Job.batch "x" is invalid: volumeMounts[0].name: Not found: "cache"',
    { kind: 'Job', status: 422 },
    /among its volumes/,
  ],
  ['a webhook', 'admission webhook "cost.example.com" denied the request: label team is missing', {}, /--pod-template/],
  ['a webhook about an image that is not yet there', 'admission webhook "sign.io" denied the request: no signature', {}, null],
  [
    'the same of the image',
    'admission webhook "sign.io" denied the request: no signature',
    { isImageKnown: true },
    /--pod-template/,
  ],
])('%s', async (_what, words, { isImageKnown = false, status, kind }, next) => {
  const { refusal, isWhole } = await rehearse(clusterThatSays(words, status, kind), attempt, settings, isImageKnown);
  expect(isWhole).toBe(true);
  if (next === null) return expect(refusal).toBeNull();
  expect(refusal).toMatchObject({
    code: 'HPO-2520',
    message: `the cluster prod would refuse the pods of this study in the namespace ml: ${words}`,
    next: expect.stringMatching(next),
  } satisfies Partial<Record<keyof HpoError, unknown>>);
});

test('who may not make pods is asked about Jobs alone', async () => {
  const words = 'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "ml"';
  expect(await rehearse(clusterThatSays(words), attempt, settings, true)).toEqual({ refusal: null, isWhole: false });
  const away = clusterThatSays('no', 500);
  await expect(rehearse(away, attempt, settings, true)).rejects.toMatchObject({ code: 'HPO-2465' });
});
