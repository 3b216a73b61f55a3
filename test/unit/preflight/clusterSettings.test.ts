import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { ClusterProfile } from '../../../agent/cluster/profile.ts';
import { clusterSettings, type ClusterInputs, storeText } from '../../../agent/preflight/cluster/clusterSettings.ts';
import { readTemplate } from '../../../agent/executors/kubernetes/podTemplate.ts';
import { parseProject } from '../../../agent/core/annotations/index.ts';
import type { ClusterSettings } from '../../../agent/protocol/study.ts';

const profile: ClusterProfile = {
  name: 'prod',
  kubeconfig: ['/home/me/.kube/config'],
  context: 'prod-admin',
  namespace: 'ml',
  registry: null,
  queue: null,
  pullSecrets: [],
  checkpoints: null,
  confirmedCommands: [],
  made: null,
};

interface Case {
  readonly directives?: readonly string[];
  readonly yml?: string;
  readonly inputs?: Partial<Omit<ClusterInputs, 'script'>>;
}

async function planOf({ directives = [], yml, inputs }: Case): ReturnType<typeof clusterSettings> {
  const text = [...directives.map((words) => `# @hpo.${words}`), 'layers = 1  # @hpo int(1, 9)', ''].join('\n');
  const files = [{ path: 'train.py', text }, ...(yml === undefined ? [] : [{ path: 'hpo.yml', text: yml }])];
  const { spec, diagnostics } = parseProject(files, 'train.py');
  expect(diagnostics.filter(({ severity }) => severity !== 'info')).toEqual([]);
  return await clusterSettings({
    script: spec,
    wish: {},
    profile,
    home: 'abc123',
    queues: [],
    codeIn: 'objects',
    usual: { cpus: { request: 1, limit: 1 }, by: null },
    readTemplate: () => Promise.reject(new Error('no template was asked for')),
    followsCapacity: false,
    ...inputs,
  });
}

const pool = {
  name: 'default',
  when: null,
  slots: null,
  gpus: 0,
  gpuResource: 'nvidia.com/gpu',
  nodeSelector: {},
  tolerations: [],
};

it('says nothing that nobody said', async () => {
  expect(await planOf({})).toEqual({
    settings: {
      context: 'prod-admin',
      kubeconfig: ['/home/me/.kube/config'],
      namespace: 'ml',
      home: 'abc123',
      codeIn: 'objects',
      pullSecrets: [],
      queue: null,
      priorityClass: null,
      volumes: [],
      checkpoints: null,
      pools: [pool],
      podTemplate: null,
      followsCapacity: false,
    },
    notes: [],
    asked: [],
  });
});

describe('who is heard', () => {
  const queues = ['a', 'b', 'c', 'd'];
  const yml = 'kubernetes: {queue: c, priority: low, pullSecrets: [own]}\n';
  test.each<readonly [string, Case, Partial<ClusterSettings>]>([
    ['the user', { directives: ['resources queue=b'], yml, inputs: { queues, wish: { queue: 'a' } } }, { queue: 'a' }],
    [
      'the annotation',
      { directives: ['resources queue=b priority=high'], yml, inputs: { queues } },
      { queue: 'b', priorityClass: 'high' },
    ],
    ['hpo.yml', { yml, inputs: { queues, profile: { ...profile, queue: 'd' } } }, { queue: 'c', priorityClass: 'low' }],
    ['the profile', { inputs: { queues, profile: { ...profile, queue: 'd' } } }, { queue: 'd' }],
    ['the namespace, if it has one queue', { inputs: { queues: ['only'] } }, { queue: 'only' }],
    ['none, for no queue', { inputs: { queues, wish: { queue: 'none' } } }, { queue: null }],
    [
      'profile and project, for secrets',
      { yml, inputs: { queues, profile: { ...profile, pullSecrets: ['reg'] } } },
      { pullSecrets: ['reg', 'own'] },
    ],
  ])('%s', async (_who, given, expected) => {
    expect((await planOf(given)).settings).toMatchObject(expected);
  });
});

describe('GPUs, spot machines and pools', () => {
  test.each<readonly [string, Case, readonly object[]]>([
    ['two of AMD', { directives: ['resources gpus=2 gpu=amd'] }, [{ ...pool, gpus: 2, gpuResource: 'amd.com/gpu' }]],
    [
      'a slice',
      { directives: ['resources gpus=1 gpu=nvidia.com/mig-1g.5gb'] },
      [{ ...pool, gpus: 1, gpuResource: 'nvidia.com/mig-1g.5gb' }],
    ],
    [
      'pools in their order, whose own words win',
      {
        directives: ['resources gpus=1 gpu=intel'],
        yml: 'kubernetes: {pools: [{name: big, when: layers > 4, slots: 2, gpus: 4, gpu: nvidia, nodeSelector: {gpu: a100}}, {name: rest}]}\n',
      },
      [
        { ...pool, name: 'big', when: 'layers > 4', slots: 2, gpus: 4, nodeSelector: { gpu: 'a100' } },
        { ...pool, name: 'rest', gpus: 1, gpuResource: 'gpu.intel.com/i915' },
      ],
    ],
    [
      'the one that is named',
      { directives: ['resources pool=rest'], yml: 'kubernetes: {pools: [{name: big, when: layers > 4}, {name: rest}]}\n' },
      [{ ...pool, name: 'rest' }],
    ],
  ])('%s', async (_what, given, pools) => {
    expect((await planOf(given)).settings.pools).toEqual(pools);
  });

  it('spot machines are preferred and tolerated on every provider, and not where a pool says no', async () => {
    const yml =
      'kubernetes: {spot: true, pools: [{name: a, when: layers > 4, spot: no}, {name: b, tolerations: [{key: own}]}]}\n';
    const [a, b] = (await planOf({ yml })).settings.pools;
    expect(a).toEqual({ ...pool, name: 'a', when: 'layers > 4' });
    expect(b?.prefers?.map(({ label, value }) => `${label}=${value}`)).toEqual([
      'cloud.google.com/gke-spot=true',
      'cloud.google.com/gke-preemptible=true',
      'eks.amazonaws.com/capacityType=SPOT',
      'karpenter.sh/capacity-type=spot',
      'kubernetes.azure.com/scalesetpriority=spot',
    ]);
    expect(b?.tolerations.map(({ key }) => key)).toEqual([
      'own',
      'cloud.google.com/gke-spot',
      'cloud.google.com/gke-preemptible',
      'kubernetes.azure.com/scalesetpriority',
    ]);
    expect((await planOf({ directives: ['resources spot=yes'] })).settings.pools[0]?.prefers).toHaveLength(5);
  });
});

describe('data and checkpoints', () => {
  it('volumes have their places; what is on this machine gives way to them', async () => {
    const directives = ['data ./data -> /data ro', 'data pvc://images/v2/train -> /data ro', 'data pvc://results -> out'];
    expect((await planOf({ directives })).settings.volumes).toEqual([
      { claim: 'images', path: 'v2/train', target: '/data', readOnly: true },
      { claim: 'results', path: '', target: '/hpo/work/out', readOnly: false },
    ]);
  });

  test.each<readonly [string, Case, string | null, RegExp | null]>([
    ['a volume', { directives: ['checkpoint dir=ckpt/ store=pvc://keep/mine'] }, 'pvc://keep/mine', null],
    [
      'the profile',
      { directives: ['checkpoint dir=ckpt/'], inputs: { profile: { ...profile, checkpoints: 'pvc://all' } } },
      'pvc://all',
      null,
    ],
    [
      'a bucket, which takes the network',
      { directives: ['checkpoint dir=c/ store=s3://models/a?secret=keys'] },
      's3://models/a',
      /may reach the network/,
    ],
    [
      'a bucket of the profile, for a script that has the network',
      {
        directives: ['checkpoint dir=c/', 'resources network=yes'],
        inputs: { profile: { ...profile, checkpoints: 's3://models?secret=keys&endpoint=http://minio:9000' } },
      },
      's3://models at http://minio:9000',
      null,
    ],
    ['nowhere', { directives: ['checkpoint dir=ckpt/'] }, null, /a trial whose pod is taken away begins anew/],
    ['a script that keeps none', { inputs: { profile: { ...profile, checkpoints: 'pvc://all' } } }, null, null],
  ])('checkpoints: %s', async (_where, given, where, note) => {
    const { settings, notes } = await planOf(given);
    expect(settings.checkpoints === null ? null : storeText(settings.checkpoints)).toBe(where);
    expect(notes).toEqual(note === null ? [] : [expect.stringMatching(note)]);
  });
});

it('all that a bucket needs is in its words', async () => {
  const store = 's3://models/a//b/?secret=keys&region=eu-west-1&endpoint=https://minio:9000&image=reg:5000/python:3-slim';
  expect((await planOf({ directives: [`checkpoint dir=c/ store=${store}`] })).settings.checkpoints).toEqual({
    type: 's3',
    bucket: 'models',
    prefix: 'a/b',
    region: 'eu-west-1',
    endpoint: 'https://minio:9000',
    secret: 'keys',
    image: 'reg:5000/python:3-slim',
  });
});

describe('a pod template', () => {
  const templateOf = async (text: string) =>
    await planOf({
      yml: 'kubernetes: {podTemplate: pod.yml}\n',
      inputs: { readTemplate: (path) => Promise.resolve(path === 'pod.yml' ? text : '') },
    });

  it('is taken as JSON, and what of it has no effect is said', async () => {
    const { settings, notes } = await templateOf(`
apiVersion: v1
kind: Pod
metadata: {name: mine, labels: {team: vision}}
spec:
  hostNetwork: true
  restartPolicy: Always
  runtimeClassName: gvisor
  containers:
    - name: trial
      image: other
      env: [{name: A, value: b}]
    - {name: sidecar, image: x}
`);
    expect(JSON.parse(settings.podTemplate ?? '')).toEqual({
      metadata: { labels: { team: 'vision' } },
      spec: expect.objectContaining({ runtimeClassName: 'gvisor' }),
    });
    expect(notes.map((note) => / (spec\.\w+|\w+ of the container|the container \w+) has no effect/.exec(note)?.[1])).toEqual([
      'spec.hostNetwork',
      'spec.restartPolicy',
      'the container sidecar',
      'image of the container',
    ]);
  });

  it('is taken as the API would take it', async () => {
    const { settings, notes } = await templateOf(`
spec:
  tolerations:
  volumes: [{name: scratch}, {name: cache, emptyDir: {sizeLimit: 1000000}}]
  containers:
    - name: trial
      env:
      resources: {requests: {example.com/fpga: 1}, limits: {example.com/fpga: 1}}
      volumeMounts: [{name: scratch, mountPath: /scratch}]
`);
    expect(notes).toEqual([]);
    expect(JSON.parse(settings.podTemplate ?? '')).toEqual({
      spec: {
        volumes: [{ name: 'scratch' }, { name: 'cache', emptyDir: { sizeLimit: '1000000' } }],
        containers: [
          {
            name: 'trial',
            resources: { requests: { 'example.com/fpga': '1' }, limits: { 'example.com/fpga': '1' } },
            volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
          },
        ],
      },
    });
    expect(readTemplate(settings.podTemplate).volumes.map(({ name }) => name)).toEqual(['scratch', 'cache']);
  });

  test.each([
    ['spec: [', /pod\.yml:1 is not valid YAML/],
    ['- a', /needs keys and values in the file/],
    ['kind: Deployment\nspec: {}', /is a "Deployment", and not a pod template/],
    ['replicas: 3', /has replicas, and a pod template only metadata and spec/],
    ['spec: {containers: {name: trial}}', /needs a list in spec\.containers/],
    ['metadata: {labels: {a: 1}}', /metadata\.labels\.a, which is no text/],
    ['a: &a [x]\nspec: {tolerations: [*a, *a]}', /has aliases/],
    [`spec: {hostname: "${'x'.repeat(70_000)}"}`, /is larger than 64 kB/],
    [`spec: {volumes: ${'['.repeat(30_000)}`, /is nested too deep|is not valid YAML/],
    ['spec:\n  containers:\n    - env: {A: "1"}', /pod\.yml:3 needs a list in spec\.containers\[0\]\.env$/],
    ['spec: {containers: [{env: [null]}]}', /pod\.yml:1 needs keys and values in spec\.containers\[0\]\.env\[0\]/],
    ['spec: {containers: [{env: [{value: "1"}]}]}', /pod\.yml lacks name in spec\.containers\[0\]\.env\[0\]/],
    ['spec: {containers: [{env: [{name: A,\n value: 1}]}]}', /pod\.yml:2 needs a text: put it in quotes in .*env\[0\]\.value/],
    ['spec: {containers: [{}, {name: trial, volumeMounts: {a: b}}]}', /needs a list in spec\.containers\[1\]\.volumeMounts/],
    ['spec: {containers: [{volumeMounts: [{name: a}]}]}', /lacks mountPath in spec\.containers\[0\]\.volumeMounts\[0\]/],
    ['spec: {containers: [{volumeMounts: [{mountPath: /a}]}]}', /lacks name in spec\.containers\[0\]\.volumeMounts\[0\]/],
    ['spec: {containers: [{volumeMounts: [{mountpath: /a}]}]}', /has a key that the API does not know in .*\.mountpath/],
    ['spec: {containers: [{resources: {limits: [a]}}]}', /needs keys and values in .*resources\.limits/],
    ['spec:\n  # mine\n  tolerations: {key: a}', /pod\.yml:3 needs a list in spec\.tolerations/],
    ['spec: {imagePullSecrets: reg}', /needs a list in spec\.imagePullSecrets/],
    ['spec: {imagePullSecrets: [{}]}', /lacks name in spec\.imagePullSecrets\[0\]/],
    ['spec: {nodeSelector: {disk: 1}}', /needs a text: put it in quotes in spec\.nodeSelector\.disk/],
    ['spec: {volumes: [{emptyDir: {}}]}', /lacks name in spec\.volumes\[0\]/],
    ['spec: {volumes: [{name: a, secret: {items: b}}]}', /needs a list in spec\.volumes\[0\]\.secret\.items/],
    ['spec: {securityContext: {runAsUser: me}}', /needs a whole number in spec\.securityContext\.runAsUser/],
    ['spec: {securityContext: []}', /needs keys and values in spec\.securityContext/],
    [
      'kind: Job\nspec:\n  template:\n    spec:\n      tolerations: x',
      /pod\.yml:5 needs a list in spec\.template\.spec\.tolerations/,
    ],
    ['kind: Job\nspec: {}', /needs keys and values in spec\.template/],
  ])('%s is refused', async (text, message) => {
    await expect(templateOf(text)).rejects.toMatchObject({
      code: 'HPO-2489',
      exitCode: 4,
      message: expect.stringMatching(message),
    });
  });
});

/** Anything that YAML can say. */
const { value: anything } = fc.letrec<{ readonly value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, 0, 1.5, '', 'a', '/a'),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('name', 'key', 'mountPath', 'value', 'emptyDir', 'limits', 'cpu'), tie('value'), {
      maxKeys: 2,
    }),
  ),
}));
const keysOf = (...keys: readonly string[]) => fc.dictionary(fc.constantFrom(...keys), anything, { maxKeys: 3 });

test('whatever a pod template says, it is taken or refused with a place', async () => {
  const container = fc.oneof(anything, keysOf('name', 'env', 'volumeMounts', 'resources', 'image'));
  const spec = keysOf('affinity', 'tolerations', 'imagePullSecrets', 'nodeSelector', 'volumes', 'securityContext', 'hostAliases');
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(spec, fc.array(container, { maxLength: 2 }), async (words, containers) => {
      const inputs = { readTemplate: () => Promise.resolve(JSON.stringify({ spec: { ...words, containers } })) };
      const found = await planOf({ yml: 'kubernetes: {podTemplate: pod.yml}\n', inputs }).catch((error: unknown) => error);
      if (found instanceof Error) expect(found).toMatchObject({ code: 'HPO-2489' });
      else taken++;
    }),
    { numRuns: 300 },
  );
  expect(taken).toBeGreaterThan(10);
});

describe('processors of a pod', () => {
  const amounts = (words: string): Partial<ClusterInputs> => ({
    wish: { podTemplate: '/home/me/pod.yml' },
    readTemplate: () => Promise.resolve(`spec: {containers: [{name: trial, resources: {${words}}}]}`),
  });
  const usual: ClusterInputs['usual'] = { cpus: { request: 0.5, limit: 2 }, by: 'the LimitRange a' };
  const both = 'requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: 4}';
  test.each<readonly [string, Case, ClusterSettings['cpus'], readonly RegExp[]]>([
    ['nobody says', {}, undefined, []],
    ['the script says', { directives: ['resources cpus=3'], inputs: { usual } }, undefined, []],
    ['the namespace says', { inputs: { usual } }, usual.cpus, [/cpus=0\.5 to 2, the LimitRange a; .*@hpo\.resources cpus=2/]],
    [
      'the namespace says the same',
      { inputs: { usual: { cpus: { request: 1, limit: 1 }, by: 'the LimitRange a' } } },
      undefined,
      [],
    ],
    ['the template says', { inputs: { ...amounts(both), usual } }, { request: 0.5, limit: 4 }, []],
    ['the template asks', { inputs: amounts('requests: {cpu: 2}') }, { request: 2, limit: null }, []],
    ['the template limits', { inputs: amounts('limits: {cpu: 2}') }, { request: 2, limit: 2 }, []],
    ['the template says other things', { inputs: { ...amounts('limits: {memory: 2Gi}'), usual } }, usual.cpus, [/LimitRange a/]],
    [
      'the script and the template say',
      { directives: ['resources cpus=3 memory=2GB'], inputs: amounts(both) },
      undefined,
      [
        /pod\.yml: cpu .* has no effect: the script says cpus=3$/,
        /pod\.yml: memory .* has no effect: the script says memory=2GB$/,
      ],
    ],
  ])('%s', async (_who, given, cpus, notes) => {
    const plan = await planOf(given);
    expect(plan.settings.cpus).toEqual(cpus);
    expect(plan.notes).toEqual(notes.map((note) => expect.stringMatching(note)));
  });

  test.each(['requests: {cpu: lots}', 'limits: {cpu: 0}'])('no amount: %s', async (words) => {
    await expect(planOf({ inputs: amounts(words) })).rejects.toMatchObject({
      code: 'HPO-2489',
      message: expect.stringMatching(/needs an amount such as 500m or 2 in resources\.\w+\.cpu/),
    });
  });
});

describe('queues that the user may not list', () => {
  test.each<readonly [string, Case, string | null, RegExp | null]>([
    ['are used where they are named', { inputs: { queues: null, wish: { queue: 'x' } } }, 'x', /may not list .* whether x is/],
    ['are said to be unknown', { inputs: { queues: null } }, null, /may not list .* trials wait in none.*--queue NAME/],
    ['do not matter where none is wanted', { inputs: { queues: null, wish: { queue: 'none' } } }, null, null],
    ['are no matter without Kueue', { inputs: { queues: [] } }, null, null],
  ])('%s', async (_what, given, queue, note) => {
    const { settings, notes } = await planOf(given);
    expect(settings.queue).toBe(queue);
    expect(notes).toEqual(note === null ? [] : [expect.stringMatching(note)]);
  });
});

describe('what no cluster can give', () => {
  test.each<readonly [string, Case, string, RegExp]>([
    [
      'a queue that is not there',
      { inputs: { wish: { queue: 'x' }, queues: ['a'] } },
      'HPO-2485',
      /the queue x is not in the namespace ml: there are a/,
    ],
    ['a queue without Kueue', { directives: ['resources queue=x'] }, 'HPO-2485', /has no LocalQueue/],
    ['one of several queues', { inputs: { queues: ['a', 'b'] } }, 'HPO-2485', /has several queues: a, b/],
    ['a pool that nobody describes', { directives: ['resources pool=x'] }, 'HPO-2486', /pool=x: hpo\.yml describes no pool/],
    [
      'no pool for some',
      { yml: 'kubernetes: {pools: [{name: a, when: layers > 4}]}\n' },
      'HPO-2486',
      /every pool \(a\) has a condition/,
    ],
    ['data of this machine', { directives: ['data ./data -> /data ro'] }, 'HPO-2487', /pods of a cluster cannot have it/],
    ['data over the code', { directives: ['data pvc://a -> .'] }, 'HPO-2487', /would hide/],
    ['data over data', { directives: ['data pvc://a -> /d', 'data pvc://b -> /d/'] }, 'HPO-2487', /two volumes at \/d/],
    [
      'a store that is none',
      { directives: ['checkpoint dir=c/'], inputs: { profile: { ...profile, checkpoints: '/tmp' } } },
      'HPO-2488',
      /the profile prod keeps/,
    ],
  ])('%s', async (_what, given, code, message) => {
    await expect(planOf(given)).rejects.toMatchObject({ code, exitCode: 4, message: expect.stringMatching(message) });
  });
});

describe('credentials that a project asks for', () => {
  const template = (pod: object): Partial<ClusterInputs> => ({
    readTemplate: () => Promise.resolve(JSON.stringify({ spec: pod })),
  });
  const secretVolume = { volumes: [{ name: 'a', secret: { secretName: 'team' } }] };
  const env = (name: string) => ({
    containers: [{ name: 'trial', env: [{ name: 'K', valueFrom: { secretKeyRef: { name, key: 'k' } } }] }],
  });
  const yml = 'kubernetes: {podTemplate: pod.yml}\n';
  const store = 's3://bucket/p?secret=keys&endpoint=https://s3.example.com&image=python';
  const stored = { directives: [`checkpoint dir=ckpt store=${store}`] };
  test.each<readonly [string, Case, readonly string[]]>([
    ['no template', {}, []],
    ['one without secrets', { yml, inputs: template({ volumes: [{ name: 'a', emptyDir: {} }] }) }, []],
    ['a volume', { yml, inputs: template(secretVolume) }, ['team']],
    ['a variable', { yml, inputs: template(env('team')) }, ['team']],
    ['one that is named twice', { yml, inputs: template({ ...secretVolume, ...env('team') }) }, ['team']],
    [
      'a driver of others',
      { yml, inputs: template({ volumes: [{ name: 'a', csi: { driver: 'vault', nodePublishSecretRef: { name: 'key' } } }] }) },
      ['key', 'csi:vault'],
    ],
    ['what its template pulls images by', { yml, inputs: template({ imagePullSecrets: [{ name: 'reg' }] }) }, ['pull:reg']],
    ['what it pulls images by itself', { yml: 'kubernetes: {pullSecrets: [reg, more]}\n' }, ['pull:reg', 'pull:more']],
    [
      'both',
      {
        yml: 'kubernetes: {podTemplate: pod.yml, pullSecrets: [reg]}\n',
        inputs: template({ imagePullSecrets: [{ name: 'reg' }] }),
      },
      ['pull:reg'],
    ],
    [
      'what the profile pulls images by',
      {
        yml: 'kubernetes: {podTemplate: pod.yml, pullSecrets: [reg]}\n',
        inputs: { ...template({ imagePullSecrets: [{ name: 'reg' }] }), profile: { ...profile, pullSecrets: ['reg'] } },
      },
      [],
    ],
    [
      "what the user's own template pulls images by",
      { inputs: { ...template({ imagePullSecrets: [{ name: 'reg' }] }), wish: { podTemplate: '/home/me/pod.yml' } } },
      [],
    ],
    ["the user's own template", { inputs: { ...template(secretVolume), wish: { podTemplate: '/home/me/pod.yml' } } }, []],
    ['a store of the script', stored, [store]],
    [
      'a store of the profile',
      { directives: ['checkpoint dir=ckpt'], inputs: { profile: { ...profile, checkpoints: store } } },
      [],
    ],
    ['the same in both', { ...stored, inputs: { profile: { ...profile, checkpoints: store } } }, []],
    ['a volume claim', { directives: ['checkpoint dir=ckpt store=pvc://claim/p'] }, []],
  ])('%s', async (_what, given, words) => {
    const { asked } = await planOf(given);
    expect(asked.map(({ word }) => word)).toEqual(words);
    if (words.includes(store)) expect(asked[0]?.what).toMatch(/bucket at https.*Secret keys, in a container of the image python/);
  });

  test.each<readonly [string, object]>([
    ['the login of the registry', { volumes: [{ name: 'a', secret: { secretName: 'hpo-registry' } }] }],
    ['a secret of another study', env('hpo-abc-study-7')],
    ['the code of another study', { volumes: [{ name: 'a', configMap: { name: 'hpo-abc-study-7-0123' } }] }],
  ])('%s is given to nobody', async (_what, pod) => {
    const refusal = { code: 'HPO-2489', message: expect.stringContaining("the agent's own") };
    await expect(planOf({ yml, inputs: template(pod) })).rejects.toMatchObject(refusal);
    await expect(planOf({ inputs: { ...template(pod), wish: { podTemplate: '/p.yml' } } })).rejects.toMatchObject(refusal);
  });
});
