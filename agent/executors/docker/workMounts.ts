import { join, posix } from 'node:path';
import type { ContainerMount } from '../../engine/engine.ts';
import type { MountPlan } from '../../packaging/mountPlan.ts';
import type { Files } from '../../system/files.ts';
import { places } from './places.ts';

/** What is mounted into the work folder over the snapshot; `path` is relative to it. */
export interface Overlay {
  readonly path: string;
  /** Absolute path on this machine. */
  readonly source: string;
  readonly isReadOnly: boolean;
  readonly isFolder: boolean;
}

/** Entries that are mounted one by one; of more, each is a link into one mount of all of them. */
const maxEntries = 200;
/** Podman takes a mount apart as text, so what has one of these in its name is linked too. */
const unmountable = /[,"\n\r]/;

/**
 * The snapshot as a container's work folder: entries read-only, overlays on top of them, and the rest of the folder the attempt's
 * own. Makes in `workDir` what mounts and links need, and returns the mounts.
 */
export async function mountWork(
  disk: Files,
  plan: MountPlan,
  workDir: string,
  overlays: readonly Overlay[],
): Promise<ContainerMount[]> {
  // Of two for one place, the later one.
  const over = new Map(overlays.map((overlay) => [overlay.path, overlay]));
  const mounts: ContainerMount[] = [];
  const hasMany = plan.topLevel.length > maxEntries;
  /** At the top, by name. */
  const linked = new Set<string>();
  /** Folders of the snapshot that are made anew because something in them has no place to be mounted at. */
  const opened = new Set<string>();
  await disk.makeFolder(workDir);

  const isThere = async (path: string): Promise<boolean> => (await disk.stat(join(plan.filesDir, path))) !== null;

  /** Something is to be mounted below the path that the snapshot, where nothing can be made, has no place for. */
  const lacksPlace = async (path: string): Promise<boolean> => {
    for (const inner of over.keys()) {
      if (inner.startsWith(`${path}/`) && !(await isThere(inner))) return true;
    }
    return false;
  };

  const link = async (target: string, path: string): Promise<void> => {
    // An agent before this one may have made it.
    if ((await disk.lstat(join(workDir, path))) === null) await disk.symlink(target, join(workDir, path));
  };

  const addEntry = async (path: string, isFolder: boolean): Promise<void> => {
    if (over.has(path)) return;
    if (isFolder && (await lacksPlace(path))) {
      opened.add(path);
      await disk.makeFolder(join(workDir, path));
      for (const name of await disk.names(join(plan.filesDir, path))) {
        const inner = posix.join(path, name);
        await addEntry(inner, (await disk.stat(join(plan.filesDir, inner)))?.isFolder ?? false);
      }
      return;
    }
    if (!path.includes('/') && (hasMany || unmountable.test(path))) {
      linked.add(path);
      return await link(posix.join(places.code, path), path);
    }
    await makePlace(disk, join(workDir, path), isFolder);
    mounts.push({ source: join(plan.filesDir, path), target: posix.join(places.work, path), isReadOnly: true });
  };

  for (const { name, isFolder } of plan.topLevel) await addEntry(name, isFolder);
  for (const { path, target } of plan.symlinks) if (!over.has(path)) await link(target, path);
  if (linked.size > 0) mounts.push({ source: plan.filesDir, target: places.code, isReadOnly: true });

  const stored = new Set(plan.topLevel.map(({ name }) => name));
  for (const { path, source, isReadOnly, isFolder } of over.values()) {
    const [top = path] = path.split('/');
    const isBelow = path.includes('/') && stored.has(top);
    const hasPlace = isBelow && !opened.has(posix.dirname(path)) && (await isThere(path));
    if (!hasPlace) await makePlace(disk, join(workDir, path), isFolder);
    const base = isBelow && linked.has(top) ? places.code : places.work;
    mounts.push({ source, target: posix.join(base, path), isReadOnly });
  }
  return mounts;
}

/** Where something is to be mounted, something of its kind must be; the engine would make it itself, as root. */
async function makePlace(disk: Files, path: string, isFolder: boolean): Promise<void> {
  if (isFolder) return await disk.makeFolder(path);
  await disk.makeFolder(posix.dirname(path));
  await disk.writeText(path, '');
}
