import { posix } from 'node:path';
import type { ClusterSettings } from '../../protocol/study.ts';
import type { AttemptStart } from '../executor.ts';
import { podPlaces } from './places.ts';

/** Where studies of this home keep theirs, a folder each; null where no volume keeps them. */
export function checkpointVolume({ home, checkpoints }: Pick<ClusterSettings, 'home' | 'checkpoints'>): {
  readonly claim: string;
  readonly folder: string;
} | null {
  if (checkpoints?.type !== 'volume') return null;
  return { claim: checkpoints.claim, folder: posix.join(checkpoints.path, `hpo-${home}`) };
}

/**
 * The folder of an attempt on a volume, that of its trial, which has those of all its attempts, and that of the trial that it begins
 * with; null where no volume keeps them. Each attempt has its own, as a node that is cut off may go on running the one before it: the
 * program of the pod begins it with a copy of the latest that is whole (`podProgram.ts`).
 */
export function checkpointMounts(
  cluster: ClusterSettings,
  { key, checkpointFrom }: Pick<AttemptStart, 'key' | 'checkpointFrom'>,
): { readonly claim: string; readonly mountPath: string; readonly subPath: string; readonly readOnly?: true }[] | null {
  const volume = checkpointVolume(cluster);
  if (volume === null) return null;
  const { claim } = volume;
  const folder = posix.join(volume.folder, key.studyId);
  return [
    { claim, mountPath: podPlaces.checkpoint, subPath: posix.join(folder, String(key.trial), `a${key.attempt}`) },
    { claim, mountPath: podPlaces.attempts, subPath: posix.join(folder, String(key.trial)) },
    ...(checkpointFrom === null
      ? []
      : [{ claim, mountPath: podPlaces.fork, subPath: posix.join(folder, String(checkpointFrom)), readOnly: true as const }]),
  ];
}
