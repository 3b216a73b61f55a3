import { posix } from 'node:path';
import type { V1Container } from '@kubernetes/client-node';
import type { CheckpointStore, ClusterSettings } from '../../protocol/study.ts';
import type { AttemptStart } from '../executor.ts';
import { literal } from './literal.ts';
import { podPlaces } from './places.ts';
import { storeProgram } from './storeProgram.ts';

export type ObjectStore = Extract<CheckpointStore, { readonly type: 's3' }>;

/** Null where no object store keeps them. */
export function objectStore({ checkpoints }: Pick<ClusterSettings, 'checkpoints'>): ObjectStore | null {
  return checkpoints?.type === 's3' ? checkpoints : null;
}

/** What a container needs that asks the store: its program, and the keys, which no other container of the pod has. */
type StoreContainer = Pick<V1Container, 'image' | 'command' | 'env'>;

/** Beside the program of an attempt, from before its beginning until after its end. */
export function keepsCheckpoint(
  store: ObjectStore,
  { home }: Pick<ClusterSettings, 'home'>,
  { key, checkpointFrom }: Pick<AttemptStart, 'key' | 'checkpointFrom'>,
  image: string,
): StoreContainer {
  const study = studyPrefix(store, home, key.studyId);
  const parent = checkpointFrom === null ? '' : `${study}${checkpointFrom}/`;
  return storeContainer(store, image, ['keep', `${study}${key.trial}/`, parent, String(key.attempt)]);
}

/** Removes all that a study keeps there. */
export function removesCheckpoints(store: ObjectStore, home: string, studyId: string, image: string): StoreContainer {
  return storeContainer(store, image, ['remove', studyPrefix(store, home, studyId)]);
}

/** Begins the names of all objects of a study. */
export function studyPrefix({ prefix }: ObjectStore, home: string, studyId: string): string {
  return `${posix.join(prefix, `hpo-${home}`, studyId)}/`;
}

/** Whoever waits for it is told where its image lacks what it needs. */
const starter = `command -v python3 >/dev/null 2>&1 && exec python3 -I -c "$@"
[ "$5" = keep ] || exit 1
cd ${podPlaces.store}
echo "the image $0 has no python3, which brings checkpoints from an object store: name one that has it, store=s3://...&image=NAME" >begun.new
mv begun.new begun
trap 'exit 0' TERM
sleep 2000000 &
wait`;

function storeContainer(store: ObjectStore, image: string, task: readonly string[]): StoreContainer {
  const { region, bucket, secret } = store;
  const endpoint = store.endpoint ?? `https://s3.${region}.amazonaws.com`;
  const used = store.image ?? image;
  const keys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'].map((name) => ({
    name,
    valueFrom: { secretKeyRef: { name: secret, key: name } },
  }));
  const token = 'AWS_SESSION_TOKEN';
  return {
    image: used,
    command: ['/bin/sh', '-c', starter, used, storeProgram, endpoint, region, bucket, ...task].map(literal),
    env: [...keys, { name: token, valueFrom: { secretKeyRef: { name: secret, key: token, optional: true } } }],
  };
}
