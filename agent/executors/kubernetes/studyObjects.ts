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
  const values = secretsOf(study.container, options.environment);
  const names = Object.keys(values);
  if (names.length > 0) {
    const data = Object.fromEntries(names.map((key) => [key, Buffer.from(values[key] ?? '').toString('base64')]));
    const secret = { metadata: { name, labels: { ...labels }, ownerReferences: [owner] }, type: 'Opaque', data };
    // They may be others by now. Nothing is read for it, which would take the right to read all secrets of the namespace.
    if ((await cluster.patch('Secret', name, { data })) === null) await cluster.create('Secret', secret);
  }
  const code = codeIn === 'objects' ? await codeObjects(disk, await snapshots.mountPlan(study.snapshot)) : null;
  const inputs = studyInputs(place, code);
  for (const configMap of inputs.configMaps) await cluster.create('ConfigMap', configMap);
  return { place, inputs, secrets: { names, secret: name } };
}

function ownerOf(name: string, uid: string | undefined): V1OwnerReference {
  if (uid === undefined) throw new HpoError('HPO-2482', `the cluster made ${name} without a uid`, 'start the study again');
  return { apiVersion: 'v1', kind: 'ConfigMap', name, uid };
}
