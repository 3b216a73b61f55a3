import { PassThrough, Writable } from 'node:stream';
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import semver from 'semver';
import type { Cluster } from '../cluster/cluster.ts';
import { boundingPolicies } from '../cluster/networkBounds.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { whyWaits } from '../cluster/whyWaits.ts';
import { HpoError } from '../protocol/errors.ts';
import { networkLabel, restrictedContainer } from './manifests.ts';
import { claimMount, lookAtCheckpoints } from './testCheckpoints.ts';
import { clusterPermissions, type Permission, permissions, queuePermissions, resourceName } from './permissions.ts';

/** The oldest whose Jobs tell a disruption from a failure without an extra switch. */
const leastVersion = '1.31.0';

export interface Check {
  /** One word, such as `may` or `pulls`. */
  readonly check: string;
  /** Null: it could not be looked at, or does without. */
  readonly isOk: boolean | null;
  readonly what: string;
  readonly next?: string;
}

export interface TestOptions {
  readonly cluster: Cluster;
  readonly profile: Pick<ClusterProfile, 'queue' | 'pullSecrets' | 'registry' | 'checkpoints'>;
  /** Of which the pod is made; has a POSIX shell. With a registry it is pushed there first, with a layer of ours. */
  readonly image: string;
  /** Resolves with the image as nodes pull it; null where nothing is pushed. */
  readonly push: (() => Promise<string>) | null;
  /** Distinguishes this test from others; of small letters and digits. */
  readonly id: string;
  readonly delay: (ms: number) => Promise<void>;
  readonly onProgress: (text: string) => void;
}

/** How often a pod is looked at, and how often before it is given up: 3 minutes, as images are large. */
const lookMs = 250;
const maxLooks = 720;
/** As much as code has in one ConfigMap. */
const largeBytes = 900_000;

/**
 * Does on a cluster what a study does there, each step by itself: asks for every permission, brings data to a pod, pushes and pulls an
 * image, runs a Job, reads its log, runs a command in it. Leaves nothing there.
 */
export async function testCluster(options: TestOptions): Promise<readonly Check[]> {
  const { cluster, profile } = options;
  const checks: Check[] = [await checkVersion(cluster)];
  if (checks.some(({ isOk }) => isOk === false)) return checks;
  checks.push(...(await checkPermissions(cluster, profile.queue !== null)), await checkNamespace(cluster));
  checks.push(await checkNetwork(cluster));
  if (profile.queue !== null) checks.push(await checkQueue(cluster, profile.queue));
  let image = options.image;
  if (options.push !== null) {
    const { push } = options;
    const pushed = await attempt('pushes', async () => {
      options.onProgress('pushes an image');
      image = await push();
      return image;
    });
    checks.push(pushed);
    if (pushed.isOk !== true) return checks;
  }
  const kept = await lookAtCheckpoints(cluster, profile);
  checks.push(...kept.checks, ...(await checkPod(options, image, kept.claim)));
  return checks;
}

export async function checkVersion(cluster: Cluster): Promise<Check> {
  return await attempt('reaches', async () => `Kubernetes ${await requireVersion(cluster)} at ${cluster.place.server}`);
}

/** Resolves with the version; rejects with HPO-2497 where it is too old. */
export async function requireVersion(cluster: Cluster): Promise<string> {
  const version = await cluster.version();
  const parsed = semver.coerce(version);
  if (parsed !== null && semver.lt(parsed, leastVersion)) {
    throw new HpoError(
      'HPO-2497',
      `${cluster.place.server} is Kubernetes ${version}; studies need ${leastVersion.slice(0, -2)} at least`,
      'use a newer cluster',
    );
  }
  return version;
}

/** Each permission that studies need, and those that only make it show more. */
export async function checkPermissions(cluster: Cluster, hasQueue: boolean): Promise<readonly Check[]> {
  const needed = [...permissions, ...(hasQueue ? queuePermissions : [])];
  const minor = await minorOf(cluster);
  const asked = needed.filter(({ since }) => since === undefined || minor === null || Number(since.split('.')[1]) <= minor);
  return await Promise.all([
    ...asked.map((permission) => checkOne(cluster, permission, true)),
    ...clusterPermissions.map((permission) => checkOne(cluster, permission, false)),
  ]);
}

async function minorOf(cluster: Cluster): Promise<number | null> {
  return semver.coerce(await cluster.version())?.minor ?? null;
}

async function checkOne(cluster: Cluster, permission: Permission, isNeeded: boolean): Promise<Check> {
  const { verb, purpose } = permission;
  const where = isNeeded ? '' : ' of the whole cluster';
  const what = `${verb} ${resourceName(permission)}${where}: ${purpose}`;
  try {
    if (await cluster.may(verb, permission)) return { check: 'may', isOk: true, what };
    if (!isNeeded) return { check: 'may', isOk: null, what: `not ${what}; all else works without` };
    return {
      check: 'may',
      isOk: false,
      what: `not ${what}`,
      next: 'have the Role bound to you that hpo cluster create --dry-run prints',
    };
  } catch (error) {
    return failed('may', error);
  }
}

async function checkNamespace(cluster: Cluster): Promise<Check> {
  const { namespace } = cluster.place;
  try {
    const found = await cluster.get('Namespace', namespace);
    if (found === null)
      return {
        check: 'namespace',
        isOk: false,
        what: `there is no namespace ${namespace}`,
        next: 'make it: hpo cluster create -f cluster.yml; or name another: hpo cluster connect --namespace N',
      };
    const level = found.metadata?.labels?.['pod-security.kubernetes.io/enforce'];
    const what = `${namespace}, Pod Security ${level ?? 'of the whole cluster, as the namespace does not say'}`;
    return { check: 'namespace', isOk: true, what };
  } catch (error) {
    if (error instanceof HpoError && error.code === 'HPO-2464')
      return {
        check: 'namespace',
        isOk: null,
        what: `${namespace}; its Pod Security may not be read, and pods of studies pass every level`,
      };
    return failed('namespace', error);
  }
}

/** That something bounds pods without network, as far as it can be asked; studies run without that. */
export async function checkNetwork(cluster: Pick<Cluster, 'list' | 'place'>): Promise<Check> {
  const check = 'network';
  try {
    const policies = await boundingPolicies(cluster);
    const { namespace } = cluster.place;
    if (policies === null)
      return {
        check,
        isOk: null,
        what: `whether ${namespace} keeps pods from the network is not known: its networkpolicies may not be listed`,
      };
    if (policies.length > 0)
      return {
        check,
        isOk: true,
        what: `${policies.join(', ')} keeps pods without network from it, where the cluster enforces policies`,
      };
    return {
      check,
      isOk: null,
      what: `${namespace} has no NetworkPolicy for pods with ${networkLabel}=no: nothing keeps trials from the network`,
      next: 'make one, as hpo cluster create --dry-run prints it',
    };
  } catch (error) {
    return failed(check, error);
  }
}

async function checkQueue(cluster: Cluster, queue: string): Promise<Check> {
  return await attempt('queue', async () => {
    const found = (await cluster.list('LocalQueue')).find(({ metadata }) => metadata?.name === queue);
    if (found === undefined)
      throw new HpoError(
        'HPO-2499',
        `${cluster.place.namespace} has no LocalQueue ${queue}`,
        'make it in the namespace, or connect with another: hpo cluster connect --queue NAME',
      );
    return `${queue} on ${found.spec?.clusterQueue ?? ''}`;
  });
}

async function checkPod(options: TestOptions, image: string, claim: string | null): Promise<readonly Check[]> {
  const { cluster, id, onProgress } = options;
  const name = `hpo-test-${id}`;
  const checks: Check[] = [];
  try {
    const stored = await attempt('stores', async () => {
      await cluster.create('ConfigMap', {
        metadata: { name, labels: { 'app.kubernetes.io/managed-by': 'hpo', 'hpo.test': id } },
        binaryData: { large: Buffer.alloc(largeBytes, 7).toString('base64') },
        data: { word: id },
      });
      return `a ConfigMap of ${largeBytes} bytes`;
    });
    checks.push(stored);
    if (stored.isOk !== true) return checks;
    onProgress('runs a pod');
    let pod = '';
    const ran = await attempt('runs', async () => {
      await cluster.create('Job', testJob(options, name, image, claim));
      pod = await runningPod(options, name);
      return `a pod of ${image} that passes Pod Security restricted`;
    });
    checks.push(ran);
    if (ran.isOk !== true) return checks;
    if (claim !== null) checks.push({ check: 'checkpoints', isOk: true, what: `the pod has the claim ${claim}` });
    checks.push(await checkMount(cluster, pod, id), await checkExec(cluster, pod), await checkEnd(options, name));
    return checks;
  } finally {
    await Promise.allSettled([cluster.remove('Job', name), cluster.remove('ConfigMap', name)]);
  }
}

/** Waits for `/tmp/end`, which is made by a command from outside, so that all of it is seen to work. */
const program = `
wc -c </hpo/test/large
cat /hpo/test/word
echo
n=0
while [ ! -e /tmp/end ] && [ $n -lt 120 ]; do n=$((n + 1)); sleep 1; done
[ -e /tmp/end ]
`;

/** Mounts the claim, which is where studies keep their checkpoints, and leaves it as it is. */
export function testJob(
  { profile, id }: Pick<TestOptions, 'profile' | 'id'>,
  name: string,
  image: string,
  claim: string | null,
): V1Job {
  const labels = {
    'app.kubernetes.io/managed-by': 'hpo',
    'hpo.test': id,
    ...(profile.queue === null ? {} : { 'kueue.x-k8s.io/queue-name': profile.queue }),
  };
  return {
    metadata: { name, labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: 300,
      ttlSecondsAfterFinished: 300,
      ...(profile.queue === null ? {} : { suspend: true }),
      template: {
        metadata: { labels: { ...labels, [networkLabel]: 'no' } },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 1,
          imagePullSecrets: profile.pullSecrets.map((secret) => ({ name: secret })),
          containers: [
            {
              name: 'trial',
              image,
              command: ['/bin/sh', '-c', program],
              securityContext: restrictedContainer,
              resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
              volumeMounts: [
                { name: 'test', mountPath: '/hpo/test', readOnly: true },
                { name: 'tmp', mountPath: '/tmp' },
                ...(claim === null ? [] : [{ name: 'kept', mountPath: claimMount }]),
              ],
            },
          ],
          volumes: [
            { name: 'test', configMap: { name } },
            { name: 'tmp', emptyDir: {} },
            ...(claim === null ? [] : [{ name: 'kept', persistentVolumeClaim: { claimName: claim } }]),
          ],
        },
      },
    },
  };
}

/** Name of the Job's pod, once its program runs. */
async function runningPod({ cluster, delay, onProgress }: TestOptions, name: string): Promise<string> {
  let said = '';
  for (let looks = 0; ; looks++) {
    const [pod] = await cluster.list('Pod', { labels: { 'batch.kubernetes.io/job-name': name } });
    if (pod?.status?.phase === 'Running') return pod.metadata?.name ?? '';
    const job = await cluster.get('Job', name);
    const isOver = pod?.status?.phase === 'Failed' || job === null;
    const events = await cluster.list('Event', { fields: `involvedObject.name=${pod?.metadata?.name ?? name}` });
    const why =
      job === null
        ? 'its Job was removed'
        : whyEnded(pod) || (whyWaits(job, pod ?? null, { events })?.reason.message ?? 'its pod is about to be made');
    if (why !== said) onProgress(why);
    said = why;
    if (
      isOver ||
      looks >= maxLooks ||
      /cannot be pulled: .*(?:not found|denied|unauthorized)|violates PodSecurity|has no volume claim/.test(why)
    )
      throw new HpoError('HPO-2498', `no pod ran: ${why}`, 'see to that, then: hpo cluster test');
    await delay(lookMs);
  }
}

/** Empty for one that has not ended. */
function whyEnded(pod: V1Pod | undefined): string {
  const ended = pod?.status?.containerStatuses?.[0]?.state?.terminated;
  if (ended === undefined) return '';
  return `its program ended at once with ${ended.exitCode}: ${ended.message ?? ended.reason ?? 'it needs a shell at /bin/sh'}`;
}

async function checkMount(cluster: Cluster, pod: string, id: string): Promise<Check> {
  return await attempt('logs', async () => {
    let text = '';
    await cluster.log(pod, { container: 'trial', follow: false, signal: AbortSignal.timeout(30_000) }, (bytes) => {
      text += Buffer.from(bytes).toString();
    });
    const [size, word] = text.trim().split(/\s+/);
    if (size !== String(largeBytes) || word !== id)
      throw new HpoError(
        'HPO-2498',
        `the pod read ${JSON.stringify(text)} of its ConfigMap`,
        'look at the cluster, then: hpo cluster test',
      );
    return `what the pod read of its ConfigMap came back in its log, ${size} bytes`;
  });
}

async function checkExec(cluster: Cluster, pod: string): Promise<Check> {
  return await attempt('exec', async () => {
    let errors = '';
    const stderr = new Writable({
      write(chunk: Buffer, _encoding, done) {
        errors += chunk.toString();
        done();
      },
    });
    const code = await cluster.exec(pod, 'trial', ['/bin/sh', '-c', 'echo >/tmp/end'], {
      stdout: new PassThrough().resume(),
      stderr,
    });
    if (code !== 0)
      throw new HpoError(
        'HPO-2498',
        `a command in the pod ended with ${code}: ${errors}`,
        'look at the cluster, then: hpo cluster test',
      );
    return 'a command ran in the pod';
  });
}

async function checkEnd({ cluster, delay }: TestOptions, name: string): Promise<Check> {
  return await attempt('ends', async () => {
    for (let looks = 0; looks < maxLooks; looks++) {
      const status = (await cluster.get('Job', name))?.status;
      if ((status?.succeeded ?? 0) > 0) return 'the Job ended well, and is removed';
      if ((status?.failed ?? 0) > 0) break;
      await delay(lookMs);
    }
    throw new HpoError('HPO-2498', 'the Job did not end well', 'look at the cluster, then: hpo cluster test');
  });
}

async function attempt(check: string, act: () => Promise<string>): Promise<Check> {
  try {
    return { check, isOk: true, what: await act() };
  } catch (error) {
    return failed(check, error);
  }
}

function failed(check: string, error: unknown): Check {
  if (!(error instanceof HpoError)) throw error;
  return { check, isOk: false, what: `${error.code}: ${error.message}`, next: error.next };
}
