import type { V1ConfigMap, V1Job, V1OwnerReference, V1PodSpec, V1VolumeProjection } from '@kubernetes/client-node';
import { posix } from 'node:path';
import type { Cluster, Labels } from '../../cluster/cluster.ts';
import { isFinished } from '../../cluster/jobStatus.ts';
import type { RegistryPlace } from '../../cluster/profile.ts';
import { whyWaits } from '../../cluster/whyWaits.ts';
import { redactor } from '../../engine/redact.ts';
import type { RegistryCredentials } from '../../engine/registryCredentials.ts';
import type { ImageRecipe } from '../../packaging/image/recipe.ts';
import { maxObjectBytes } from '../../packaging/codeTravel.ts';
import { HpoError } from '../../protocol/errors.ts';
import { type Clock, sleep } from '../../system/clock.ts';

/** BuildKit without root; another image of it, such as a mirror's, is named by HPO_BUILDKIT_IMAGE. */
export const usualBuildkitImage = 'docker.io/moby/buildkit:v0.25.2-rootless';

export interface ClusterBuild {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly recipe: ImageRecipe;
  /** `linux/` is before it. */
  readonly architecture: string;
  readonly registry: RegistryPlace;
  /** As the nodes reach it, with its tag. */
  readonly name: string;
  /** For the registry to push to, and those of the bases, by host. */
  readonly credentials: Readonly<Record<string, RegistryCredentials>>;
  /** Package settings of this machine, by the ids of build secrets. */
  readonly secrets: Readonly<Record<string, Uint8Array>>;
  readonly homeMark: string;
  readonly buildkitImage: string;
  /** Secrets of the namespace by which BuildKit's own image is pulled. */
  readonly pullSecrets: readonly string[];
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const second = 1_000;
const buildSeconds = 2 * 3_600;
/** For what nothing but a change of the namespace or the image mends. */
const faultPatienceMs = 60 * second;
const startPatienceMs = 30 * 60 * second;
/** For pods of a build before, which have no time of grace. */
const gonePatienceMs = 3 * 60 * second;
const pauseMs = second;
/** Lines of its output that are told of a build that failed. */
const keptLines = 25;
/** The rootless image's user. */
const buildUser = 1_000;
const container = 'build';
const settingsFile = 'buildkitd.toml';
const places = { input: '/hpo/in', context: '/hpo/context', secrets: '/hpo/secrets', docker: '/hpo/docker' } as const;

/**
 * Builds an image by a Job in the cluster and pushes it from there. Nothing of the Job stays. Rejects with HPO-2477 where the namespace
 * has no such pods, HPO-2478 where the build fails, HPO-2479 where its files are too many for objects of the cluster.
 */
export async function buildInCluster(build: ClusterBuild): Promise<void> {
  const { cluster, recipe, homeMark } = build;
  const jobName = `hpo-${homeMark}-build-${recipe.key}`.slice(0, 63);
  const labels: Labels = { 'hpo.home': homeMark, 'hpo.build': recipe.key };
  // What a build before this one left is not gone on with.
  await cluster.remove('Job', jobName, { graceSeconds: 0 });
  await cluster.remove('ConfigMap', jobName);
  await whenGone(build, labels);
  const root = await cluster.create('ConfigMap', {
    metadata: { name: jobName, labels: { ...labels } },
    data: { [settingsFile]: settingsOf(build) },
  });
  try {
    const { uid = '' } = root.object.metadata ?? {};
    const owner: V1OwnerReference = { apiVersion: 'v1', kind: 'ConfigMap', name: jobName, uid };
    const metadata = (suffix: string): NonNullable<V1ConfigMap['metadata']> => ({
      name: `${jobName.slice(0, 57)}-${suffix}`,
      labels: { ...labels },
      ownerReferences: [owner],
    });
    const settings = { configMap: { name: jobName, items: [{ key: settingsFile, path: settingsFile }] } };
    const sources = [settings, ...(await makeContext(build, metadata))];
    const secret = {
      ...Object.fromEntries(Object.entries(build.secrets).map(([id, bytes]) => [id, Buffer.from(bytes).toString('base64')])),
      'config.json': Buffer.from(dockerConfig(build.credentials)).toString('base64'),
    };
    await cluster.create('Secret', { metadata: metadata('s'), type: 'Opaque', data: secret });
    const spec = podSpec(build, sources, metadata('s').name ?? '');
    build.onProgress(`building the image in the cluster, by ${build.buildkitImage}`);
    await cluster.create('Job', jobOf(jobName, labels, owner, spec));
    await follow(build, jobName, labels);
  } finally {
    await cluster.remove('Job', jobName, { graceSeconds: 0 });
    await cluster.remove('ConfigMap', jobName);
  }
}

/** Rejects with HPO-2477 where pods of an earlier build do not go, as on a node that is away. */
async function whenGone(build: ClusterBuild, labels: Labels): Promise<void> {
  const { cluster, clock, signal } = build;
  const until = clock.monotonic() + gonePatienceMs;
  for (;;) {
    const [pod] = await cluster.list('Pod', { labels });
    if (pod === undefined) return;
    signal?.throwIfAborted();
    if (clock.monotonic() > until) throw notHere(build, `the pod ${pod.metadata?.name ?? ''} of a build before does not end`);
    await sleep(clock, pauseMs);
  }
}

/** The files of the context as ConfigMaps, with their paths. */
async function makeContext(
  { cluster, recipe }: ClusterBuild,
  metadata: (suffix: string) => NonNullable<V1ConfigMap['metadata']>,
): Promise<readonly V1VolumeProjection[]> {
  const files = recipe.build?.context ?? [];
  const parts: { data: Record<string, string>; items: { key: string; path: string; mode: number }[]; size: number }[] = [];
  for (const { path, content, isExecutable } of files) {
    if (content.length > maxObjectBytes) throw tooLarge(`${path} has ${content.length} bytes`);
    let part = parts.at(-1);
    if (part === undefined || part.size + content.length > maxObjectBytes) parts.push((part = { data: {}, items: [], size: 0 }));
    const key = `f${part.items.length}`;
    part.data[key] = Buffer.from(content).toString('base64');
    part.items.push({ key, path: posix.join('context', path), mode: isExecutable ? 0o555 : 0o444 });
    part.size += content.length;
  }
  if (parts.length > 10) throw tooLarge(`its files have more than ${(10 * maxObjectBytes) / 1e6} MB`);
  for (const [i, { data }] of parts.entries())
    await cluster.create('ConfigMap', { metadata: metadata(`c${i}`), immutable: true, binaryData: data });
  return parts.map(({ items }, i) => ({ configMap: { name: metadata(`c${i}`).name ?? '', items } }));
}

function jobOf(name: string, labels: Labels, owner: V1OwnerReference, spec: V1PodSpec): V1Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels: { ...labels }, ownerReferences: [owner] },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: buildSeconds,
      ttlSecondsAfterFinished: 3_600,
      template: { metadata: { labels: { ...labels } }, spec },
    },
  };
}

/**
 * What BuildKit needs to run steps without root: user namespaces, and so no seccomp or AppArmor profile that forbids them. On
 * its node it is an ordinary user.
 */
function podSpec(build: ClusterBuild, sources: readonly V1VolumeProjection[], secret: string): V1PodSpec {
  const { recipe, architecture, buildkitImage, secrets, pullSecrets } = build;
  const options = {
    frontend: ['dockerfile.v0'],
    progress: ['plain'],
    local: [`context=${places.context}`, `dockerfile=${places.context}`],
    opt: [`filename=${recipe.build?.dockerfile ?? 'Dockerfile'}`, `platform=linux/${architecture}`],
    output: [`type=image,name=${build.name},push=true${build.registry.isPlain ? ',registry.insecure=true' : ''}`],
    secret: Object.keys(secrets).map((id) => `id=${id},src=${places.secrets}/${id}`),
  };
  const args = Object.entries(options).flatMap(([name, values]) => values.flatMap((value) => [`--${name}`, value]));
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    activeDeadlineSeconds: buildSeconds,
    nodeSelector: { 'kubernetes.io/arch': architecture },
    imagePullSecrets: pullSecrets.map((name) => ({ name })),
    securityContext: { runAsUser: buildUser, runAsGroup: buildUser, runAsNonRoot: true, fsGroup: buildUser },
    volumes: [
      { name: 'input', projected: { sources: [...sources], defaultMode: 0o444 } },
      { name: 'secrets', secret: { secretName: secret, defaultMode: 0o440 } },
      { name: 'context', emptyDir: {} },
      { name: 'state', emptyDir: {} },
    ],
    containers: [
      {
        name: container,
        image: buildkitImage,
        // The files of a volume of objects are links; a context has none of them.
        command: [
          'sh',
          '-c',
          `cp -RL ${places.input}/context/. ${places.context} && exec buildctl-daemonless.sh build "$@"`,
          'sh',
        ],
        args,
        env: [
          { name: 'BUILDKITD_FLAGS', value: `--oci-worker-no-process-sandbox --config ${places.input}/${settingsFile}` },
          { name: 'DOCKER_CONFIG', value: places.docker },
          // Of a node with much to do; the pauses between them grow.
          { name: 'BUILDCTL_CONNECT_RETRIES_MAX', value: '60' },
        ],
        volumeMounts: [
          { name: 'input', mountPath: places.input, readOnly: true },
          { name: 'secrets', mountPath: places.secrets, readOnly: true },
          { name: 'secrets', mountPath: `${places.docker}/config.json`, subPath: 'config.json', readOnly: true },
          { name: 'context', mountPath: places.context },
          { name: 'state', mountPath: '/home/user/.local/share/buildkit' },
        ],
        securityContext: {
          seccompProfile: { type: 'Unconfined' },
          appArmorProfile: { type: 'Unconfined' },
          // Maps the users of the steps, by newuidmap.
          allowPrivilegeEscalation: true,
        },
      },
    ],
  };
}

/** Tells what the build says, until it has ended. */
async function follow(build: ClusterBuild, jobName: string, labels: Labels): Promise<void> {
  const { cluster, clock, signal } = build;
  const lines: string[] = [];
  const begun = clock.monotonic();
  let [told, heard] = ['', 0];
  for (;;) {
    signal?.throwIfAborted();
    const job = await cluster.get('Job', jobName);
    if (job === null) throw failed(build, 'its Job was removed', lines);
    const [pod = null] = await cluster.list('Pod', { labels });
    const isPending = pod === null || pod.status?.phase === 'Pending';
    const events = isPending
      ? await cluster.list('Event', { fields: `involvedObject.name=${pod?.metadata?.name ?? jobName}` })
      : [];
    const waits = whyWaits(job, pod, { events });
    const waitedMs = clock.monotonic() - begun;
    if (waits !== null && waits.reason.message !== told) build.onProgress((told = waits.reason.message));
    if (waits?.isFault === true && (pod === null || waitedMs > faultPatienceMs)) throw notHere(build, waits.reason.message);
    if (waits !== null && waitedMs > startPatienceMs) throw notHere(build, waits.reason.message);
    const phase = pod?.status?.phase;
    if (pod !== null && (phase === 'Running' || phase === 'Succeeded' || phase === 'Failed'))
      heard = await hear(build, pod.metadata?.name ?? '', heard, lines);
    if (phase === 'Succeeded') return;
    if (phase === 'Failed' || isFinished(job)) throw failed(build, job.status?.conditions?.at(-1)?.message ?? 'it ended', lines);
    await sleep(clock, pauseMs);
  }
}

/** Reads the log from its beginning, and tells of it what was not told before. Returns how many lines that makes. */
async function hear(
  { cluster, secrets, onProgress, signal }: ClusterBuild,
  pod: string,
  heard: number,
  lines: string[],
): Promise<number> {
  const chunks: Uint8Array[] = [];
  try {
    const options = { container, follow: false, signal: signal ?? new AbortController().signal };
    await cluster.log(pod, options, (bytes) => chunks.push(bytes));
  } catch (error) {
    // There is none yet, or it broke off: the next look has all of it.
    if (!(error instanceof HpoError)) throw error;
    return heard;
  }
  const all = Buffer.concat(chunks).toString().split('\n').slice(0, -1);
  const redact = redactor(secrets);
  for (const line of all.slice(heard).map(redact)) {
    if (line.trim() === '') continue;
    lines.push(line);
    onProgress(line);
  }
  lines.splice(0, lines.length - keptLines);
  return Math.max(heard, all.length);
}

/** Of BuildKit's daemon. */
function settingsOf({ registry }: ClusterBuild): string {
  const host = registry.pull.split('/')[0] ?? '';
  return registry.isPlain ? `[registry.${JSON.stringify(host)}]\n  http = true\n` : '';
}

/** As `docker login` writes it. */
function dockerConfig(credentials: ClusterBuild['credentials']): string {
  const auths = Object.fromEntries(
    Object.entries(credentials).map(([host, { username, secret }]) => [
      host === 'docker.io' ? 'https://index.docker.io/v1/' : host,
      username === '' ? { identitytoken: secret } : { auth: Buffer.from(`${username}:${secret}`).toString('base64') },
    ]),
  );
  return JSON.stringify({ auths });
}

function notHere({ cluster }: ClusterBuild, why: string): HpoError {
  const { namespace } = cluster.place;
  return new HpoError(
    'HPO-2477',
    `the image cannot be built in the namespace ${namespace}: ${why}`,
    /violates PodSecurity/.test(why)
      ? `BuildKit without root needs pods without a seccomp profile: let an administrator allow them (kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=privileged --overwrite), start Docker or Podman here, or name an image that nodes can pull: # @hpo.image NAME`
      : 'mend what it says (HPO_BUILDKIT_IMAGE names another image of BuildKit), start Docker or Podman here, or name an image that nodes can pull: # @hpo.image NAME',
    { exitCode: 4 },
  );
}

function failed({ name }: ClusterBuild, why: string, lines: readonly string[]): HpoError {
  const said = lines.map((line) => `\n  ${line}`).join('');
  return new HpoError(
    'HPO-2478',
    `the image ${name} could not be built in the cluster: ${why}${said}`,
    'mend what the last lines tell of, in the manifest or the Dockerfile that it is built from; hpo image SCRIPT --print shows all of it',
    { exitCode: 4 },
  );
}

function tooLarge(why: string): HpoError {
  return new HpoError(
    'HPO-2479',
    `what the image is built of does not fit into objects of the cluster: ${why}`,
    'leave out what the build does not need, in .dockerignore, or start Docker or Podman here',
    { exitCode: 4 },
  );
}
