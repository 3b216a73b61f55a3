import { posix } from 'node:path';
import type { ClusterSettings } from '../../protocol/study.ts';
import type { AttemptStart } from '../executor.ts';
import { podPlaces } from './places.ts';

/** Where the checkpoints of a study are on the volume. */
export function studyFolder({ home }: Pick<ClusterSettings, 'home'>, path: string, studyId: string): string {
  return posix.join(path, `hpo-${home}`, studyId);
}

/** The folder of a trial on a volume, and of the trial that it begins with; null where no volume keeps them. */
export function checkpointMounts(
  cluster: ClusterSettings,
  { key, checkpointFrom }: Pick<AttemptStart, 'key' | 'checkpointFrom'>,
): { readonly claim: string; readonly mountPath: string; readonly subPath: string; readonly readOnly?: true }[] | null {
  const store = cluster.checkpoints;
  if (store?.type !== 'volume') return null;
  const folder = studyFolder(cluster, store.path, key.studyId);
  const { claim } = store;
  return [
    { claim, mountPath: podPlaces.checkpoint, subPath: posix.join(folder, String(key.trial)) },
    ...(checkpointFrom === null
      ? []
      : [{ claim, mountPath: podPlaces.fork, subPath: posix.join(folder, String(checkpointFrom)), readOnly: true as const }]),
  ];
}
