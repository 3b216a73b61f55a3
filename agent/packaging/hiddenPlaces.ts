import { posix } from 'node:path';
import { HpoError } from '../protocol/errors.ts';
import { secretReason } from './denyList.ts';

/** Something in a folder; links are not followed. */
export interface Listed {
  readonly name: string;
  readonly isFolder: boolean;
}

export interface HiddenPlaces {
  /** What has the name of a secret, relative to the folder; a folder stands for all that is in it. */
  readonly places: readonly { readonly path: string; readonly isFolder: boolean }[];
  /** Whether all of the folder was looked at. */
  readonly isComplete: boolean;
}

/** Outer folders are looked at first, where settings and keys mostly are; large data is large further in. */
const maxNames = 100_000;
/** Each takes a mount of its own. */
const maxHidden = 100;

/**
 * What of mounted data no container may read: the names are those that never enter a snapshot. `base` is the name of the folder itself.
 * @throws HpoError HPO-2455 for more places than an engine is asked to hide
 */
export async function hiddenPlaces(base: string, list: (path: string) => Promise<readonly Listed[]>): Promise<HiddenPlaces> {
  const places: { path: string; isFolder: boolean }[] = [];
  const folders = [''];
  let names = 0;
  for (const folder of folders) {
    if (names > maxNames) return { places, isComplete: false };
    for (const { name, isFolder } of await list(folder)) {
      names++;
      const path = posix.join(folder, name);
      if (secretReason(path) !== null || secretReason(posix.join(base, path)) !== null) places.push({ path, isFolder });
      else if (isFolder) folders.push(path);
    }
    if (places.length > maxHidden) {
      throw new HpoError(
        'HPO-2455',
        `the data ${base} is not mounted: it holds more than ${maxHidden} files and folders with names of secrets, such as ${places[0]?.path ?? ''}`,
        'name the folder or file with the data itself: # @hpo.data',
        { exitCode: 4 },
      );
    }
  }
  return { places, isComplete: true };
}
