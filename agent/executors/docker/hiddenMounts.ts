import { basename, join, posix } from 'node:path';
import type { ContainerMount } from '../../engine/engine.ts';
import { isDataFile } from '../../packaging/denyList.ts';
import { type HiddenPlaces, hiddenPlaces } from '../../packaging/hiddenPlaces.ts';
import type { Files } from '../../system/files.ts';

/** By study and source: the data of a study is looked through once, not for each attempt. */
export type KnownHidden = Map<string, Promise<HiddenPlaces>>;

const maxKnown = 64;

/**
 * Mounts of nothing over what has the name of a secret in mounted data. `sources` are the folders of data among those of `mounts`;
 * `emptyDir` is where an empty file and an empty folder are kept.
 */
export async function hideSecrets(
  disk: Files,
  mounts: readonly ContainerMount[],
  sources: ReadonlySet<string>,
  emptyDir: string,
  { known, studyId }: { readonly known: KnownHidden; readonly studyId: string },
): Promise<ContainerMount[]> {
  const hiding: ContainerMount[] = [];
  for (const { source, target } of mounts) {
    if (!sources.has(source) || (await disk.stat(source))?.isFolder !== true) continue;
    const key = `${studyId} ${source}`;
    const looking = known.get(key) ?? hiddenPlaces(basename(source), (path) => list(disk, join(source, path)));
    known.set(key, looking);
    looking.catch(() => known.delete(key));
    for (const oldest of known.keys()) if (known.size > maxKnown) known.delete(oldest);
    for (const { path, isFolder } of (await looking).places) {
      const place = posix.join(target, path);
      const isOther = mounts.some((mount) => isIn(mount.target, target) && mount.target !== target && isIn(place, mount.target));
      // It has to be there for a mount, and may be gone by now.
      if (isOther || (await disk.lstat(join(source, path)))?.isFolder !== isFolder) continue;
      hiding.push({ source: await emptyPlace(disk, emptyDir, isFolder), target: place, isReadOnly: true });
    }
  }
  return hiding;
}

async function list(disk: Files, folder: string): Promise<{ name: string; isFolder: boolean }[]> {
  return await Promise.all(
    (await disk.names(folder)).map(async (name) => ({
      name,
      // Most of large data is files that their names tell.
      isFolder: !isDataFile(name) && ((await disk.lstat(join(folder, name)))?.isFolder ?? false),
    })),
  );
}

async function emptyPlace(disk: Files, dir: string, isFolder: boolean): Promise<string> {
  const place = join(dir, isFolder ? 'empty-folder' : 'empty-file');
  if (isFolder) await disk.makeFolder(place);
  else if ((await disk.stat(place)) === null) await disk.writeText(place, '', 0o444);
  return place;
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
