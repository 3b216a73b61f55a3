import type { V1OwnerReference } from '@kubernetes/client-node';
import type { Cluster } from '../../cluster/cluster.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { SnapshotStore } from '../../packaging/snapshot.ts';
import type { Files } from '../../system/files.ts';
import { secretsOf } from '../attempt/containerEnvironment.ts';
import { codeObjects } from './codeObjects.ts';
import { type InputObjects, type ObjectPlace, studyInputs } from './inputObjects.ts';
import { ownerLabels, studyAnnotation, studyLabels, studyName } from './names.ts';
import type { ClusterStudy } from './studyFile.ts';

/** What all attempts of a study share on the cluster. */
export interface StudyObjects {
  readonly place: ObjectPlace;
  readonly inputs: InputObjects;
  readonly secrets: { readonly names: readonly string[]; readonly secret: string };
}

interface MakeOptions {
  readonly cluster: Cluster;
  readonly studyId: string;
  readonly study: ClusterStudy;
  readonly snapshots: Pick<SnapshotStore, 'mountPlan'>;
  readonly disk: Files;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Makes what is not there of: the owner of all that the study has there, its secrets, its scripts and its code. */
export async function makeStudyObjects(options: MakeOptions): Promise<StudyObjects> {
  const { cluster, studyId, study, disk, snapshots } = options;
  const { home, codeIn } = study.cluster;
  const name = studyName(home, studyId);
  const labels = studyLabels(home, studyId);
  const annotations = { [studyAnnotation]: studyId };
  const made = await cluster.create('ConfigMap', {
    metadata: { name, labels: { ...labels, ...ownerLabels(home) }, annotations },
    data: { study: studyId },
  });
  const owner = ownerOf(name, made.object.metadata?.uid);
  const place = { studyName: name, labels, owner };
  await refuseFenced(cluster, studyId, study);
  await makeFence(cluster, study, place);
  const names = await makeSecret(options, place);
  const code = codeIn === 'objects' ? await codeObjects(disk, await snapshots.mountPlan(study.snapshot)) : null;
  const inputs = studyInputs(place, code);
  for (const configMap of inputs.configMaps) await cluster.create('ConfigMap', configMap);
  return { place, inputs, secrets: { names, secret: name } };
}

/**
 * Rejects with HPO-2518 where an agent has taken the study over without this one, which was taken for lost: each agent that acts on a study
 * leaves the number of its move there.
 */
export async function refuseFenced(
  cluster: Cluster,
  studyId: string,
  { cluster: { home }, moves = 0 }: ClusterStudy,
): Promise<void> {
  if (moves === 0 || (await cluster.get('ConfigMap', fenceName(studyName(home, studyId), moves + 1))) === null) return;
  throw new HpoError(
    'HPO-2518',
    `the study ${studyId} was taken over by another agent (hpo move --force) while this one was away: what this one has of it counts no more`,
    `remove it here: hpo delete ${studyId}; the study itself is at the other agent`,
  );
}

/** From now on an agent that had the study before this one does nothing with it, wherever the study has anything on the cluster. */
export async function fenceStudy(cluster: Cluster, studyId: string, study: ClusterStudy): Promise<void> {
  const { home } = study.cluster;
  const name = studyName(home, studyId);
  await refuseFenced(cluster, studyId, study);
  const uid = (await cluster.get('ConfigMap', name))?.metadata?.uid;
  if (uid !== undefined)
    await makeFence(cluster, study, { studyName: name, labels: studyLabels(home, studyId), owner: ownerOf(name, uid) });
}

async function makeFence(
  cluster: Cluster,
  { moves = 0 }: ClusterStudy,
  { studyName: name, labels, owner }: ObjectPlace,
): Promise<void> {
  if (moves === 0) return;
  const metadata = { name: fenceName(name, moves), labels: { ...labels }, ownerReferences: [owner] };
  await cluster.create('ConfigMap', { metadata, data: { moves: String(moves) } });
}

function fenceName(name: string, moves: number): string {
  return `${name}-m${moves}`;
}

/**
 * The names of the study's secrets, all of which are in its Secret then: those of this agent's environment as they are now, and the others
 * as an agent has brought them there from which the study has moved. Rejects with HPO-2516 where one is in neither: a program that
 * needs it never runs without. Nothing is read for it, which would take the right to read all secrets of the namespace: who changes an
 * object is told what it is.
 */
async function makeSecret(
  { cluster, studyId, study, environment }: MakeOptions,
  { studyName: name, labels, owner }: ObjectPlace,
): Promise<readonly string[]> {
  const { secrets: names } = study.container;
  if (names.length === 0) return [];
  const values = Object.entries(secretsOf(study.container, environment));
  const data = Object.fromEntries(values.map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  const there = await cluster.patch('Secret', name, { data });
  const known = there?.data ?? data;
  const missing = names.filter((key) => known[key] === undefined);
  if (missing.length > 0) throw withoutSecrets(studyId, missing);
  const secret = { metadata: { name, labels: { ...labels }, ownerReferences: [owner] }, type: 'Opaque', data };
  if (there === null) await cluster.create('Secret', secret);
  return names;
}

function withoutSecrets(studyId: string, names: readonly string[]): HpoError {
  return new HpoError(
    'HPO-2516',
    `the study ${studyId} needs the secrets ${names.join(', ')} (@hpo.secret), which neither this agent's environment nor the cluster has: its trials do not run without`,
    `set them where the agent is started (export NAME=…, then hpo agent stop), or move the study to an agent that has them: hpo move ${studyId} --to local`,
  );
}

function ownerOf(name: string, uid: string | undefined): V1OwnerReference {
  if (uid === undefined) throw new HpoError('HPO-2482', `the cluster made ${name} without a uid`, 'start the study again');
  return { apiVersion: 'v1', kind: 'ConfigMap', name, uid };
}
