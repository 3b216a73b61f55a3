import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { Cluster } from '../../cluster/cluster.ts';
import { amountOf } from '../../cluster/quantity.ts';
import type { AttemptStart } from '../../executors/executor.ts';
import { jobManifest } from '../../executors/kubernetes/jobManifest.ts';
import { attemptLabels, jobName, studyAnnotation, studyName } from '../../executors/kubernetes/names.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ClusterSettings, ContainerSettings } from '../../protocol/study.ts';

/** The first attempt as far as it is known before a start. */
export type Rehearsed = Pick<AttemptStart, 'command' | 'checkpointDir' | 'timeoutMs' | 'graceMs' | 'outputBytes' | 'cpus'>;

/** What the API server says of the study's pods. */
export interface Rehearsal {
  /** Why it would refuse them for good; null where it takes them, or has no room for them now. */
  readonly refusal: HpoError | null;
  /** False where only their Jobs could be asked about: whoever asks may not make pods. */
  readonly isWhole: boolean;
}

/**
 * Sends the Jobs of the study, one for each pool, and their pods as if they were to be made: what schema, Pod Security, limits, quotas
 * and webhooks refuse is known before the start, and not of each trial. `isImageKnown` is false while the image has no digest yet:
 * what webhooks say of it counts later. Rejects (HPO-246x) where the cluster gives no answer.
 */
export async function rehearse(
  cluster: Pick<Cluster, 'place' | 'check'>,
  attempt: Rehearsed,
  settings: { readonly container: ContainerSettings; readonly cluster: ClusterSettings },
  isImageKnown: boolean,
): Promise<Rehearsal> {
  let isWhole = true;
  for (const { name } of settings.cluster.pools) {
    const job = jobOf({ ...attempt, pool: name }, settings);
    const { template } = job.spec ?? {};
    const metadata = Object.assign({}, template?.metadata, { name: job.metadata?.name });
    const pod: V1Pod = Object.assign({}, template, { metadata });
    const asked = [
      ['jobs', () => cluster.check('Job', job)],
      ['pods', () => cluster.check('Pod', pod)],
    ] as const;
    for (const [what, check] of asked) {
      const error = await check().then(
        () => null,
        (reason: unknown) => reason,
      );
      if (error === null) continue;
      if (!(error instanceof HpoError)) throw error;
      if (error.code === 'HPO-2464' && what === 'pods') isWhole = false;
      else if (error.code !== 'HPO-2466') throw error;
      else {
        const words = wordsOf(error);
        const isAboutImage = /admission webhook|ValidatingAdmissionPolicy/i.test(words) && /image|digest|signature/i.test(words);
        if (!(isAboutImage && !isImageKnown) && !fitsLater(words)) return { refusal: refusalOf(cluster, words, error), isWhole };
      }
    }
  }
  return { refusal: null, isWhole };
}

function jobOf(
  { pool, ...attempt }: Rehearsed & Pick<AttemptStart, 'pool'>,
  { container, cluster }: { readonly container: ContainerSettings; readonly cluster: ClusterSettings },
): V1Job {
  const key = { studyId: 'preflight', trial: 0, attempt: 1 };
  const owner = studyName(cluster.home, key.studyId);
  return jobManifest({
    name: jobName(cluster.home, key),
    attempt: { ...attempt, pool, key, snapshot: '', environment: {}, files: [], checkpointFrom: null, metricFiles: [] },
    container,
    cluster,
    labels: attemptLabels(cluster.home, key),
    annotations: { [studyAnnotation]: key.studyId },
    owner: { apiVersion: 'v1', kind: 'ConfigMap', name: owner, uid: 'preflight' },
    inputs: [{ configMaps: [], sources: [{ configMap: { name: owner } }] }],
    mark: key.studyId,
    secrets: { names: container.secrets, secret: owner },
  });
}

/** The server's own. */
function wordsOf({ message }: HpoError): string {
  return message.replace(/^the cluster .*? refuses: create \S+(?: \S+)? in the namespace \S+: /, '');
}

/** Of a quota that others use up now: what is asked for is not more than all of it. */
function fitsLater(words: string): boolean {
  const [, requested, limited] = /exceeded quota: .*?requested: (.*?), used: .*?, limited: (.*)$/s.exec(words) ?? [];
  if (requested === undefined || limited === undefined) return false;
  const most = amounts(limited);
  return [...amounts(requested)].every(([name, amount]) => amount <= (most.get(name) ?? 0));
}

/** `limits.cpu=4,requests.memory=1Gi` */
function amounts(text: string): ReadonlyMap<string, number> {
  return new Map(
    text.split(',').map((part) => {
      const [name = '', amount] = part.split('=');
      return [name.trim(), amountOf(amount)];
    }),
  );
}

/** What to do about which words of the server, the first that fits. */
const ways: readonly (readonly [RegExp, string])[] = [
  [
    /^namespaces? "[^"]*" not found|metadata\.namespace: |could not find the requested resource/,
    'name one that is there, or make it: hpo cluster create -f cluster.yml',
  ],
  [
    /must specify/,
    'say what it wants to be told: memory by # @hpo.resources memory=2GB, all else by resources of the container in the pod template; or ask who runs the namespace for a LimitRange with usual amounts',
  ],
  [/PodSecurity/, 'take out of the pod template what it names, or ask who runs the namespace to allow it'],
  [
    /quota/,
    'ask for less (# @hpo.resources cpus=1 memory=2GB, and limits in the pod template), or ask who runs the namespace for a larger quota',
  ],
  [
    /(?:maximum|minimum) \S+ (?:usage )?per|limit to request ratio/,
    'ask for what the namespace lets a container have: # @hpo.resources cpus=1 memory=2GB, and resources in the pod template',
  ],
  [/PriorityClass/, 'name one that is there: # @hpo.resources priority=NAME, or none'],
  [/RuntimeClass/, 'name one that is there, or none, in the pod template (runtimeClassName)'],
  [
    /admission webhook|ValidatingAdmissionPolicy/,
    'give the pods what it wants by a pod template (--pod-template FILE), or ask who runs it',
  ],
  [
    /volumeMounts/,
    'let the pod template mount what is among its volumes, of a kind that pods may have: a claim, a config map, a secret',
  ],
];

function refusalOf({ place }: Pick<Cluster, 'place'>, words: string, cause: HpoError): HpoError {
  const [, way = 'mend what it names in the pod template, the annotations or hpo.yml'] =
    ways.find(([sign]) => sign.test(words)) ?? [];
  return new HpoError(
    'HPO-2520',
    `the cluster ${place.context} would refuse the pods of this study in the namespace ${place.namespace}: ${words}`,
    `${way}; or choose another namespace: --namespace NAME`,
    { cause, exitCode: 4 },
  );
}
