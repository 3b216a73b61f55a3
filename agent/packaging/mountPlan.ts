import { chmod, lstat, mkdir, readlink, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { HpoError } from '../protocol/errors.ts';
import { forEachLimited } from './forEachLimited.ts';
import type { SnapshotEntry } from './selectFiles.ts';

/**
 * How a container gets a stored snapshot without a copy: `filesDir` can be mounted as a whole, or each entry of `topLevel` over the
 * attempt's work folder, then `links` and `folders` over that. Paths are relative to the work folder, with `/`.
 */
export interface MountPlan {
  /**
   * Absolute. Besides the stored files it holds the symbolic links, and an empty file or folder where a link or a folder is to be
   * mounted, as no mount point can be made in what is read-only. Everybody may read it.
   */
  readonly filesDir: string;
  /** Names directly in `filesDir` that hold stored files; no symbolic links, and no places that are only mounted over. */
  readonly topLevel: readonly { readonly name: string; readonly isFolder: boolean }[];
  /** Those at the top: to be made in the work folder where the entries are mounted one by one, since a mount follows them. */
  readonly symlinks: readonly { readonly path: string; readonly target: string }[];
  /** What stays where it is; `target` is the absolute real path, to be mounted read-only. */
  readonly links: readonly { readonly path: string; readonly target: string; readonly isFolder: boolean }[];
  /** Writable folders, each attempt's own. */
  readonly folders: readonly string[];
  /** Files that are programs. */
  readonly executables: readonly string[];
}

type Linked = Extract<SnapshotEntry, { type: 'link' }>;

/**
 * The plan for a snapshot whose files are in `filesDir`, once `completeFiles` has been there. Throws an HpoError when what is linked
 * is gone; a file that became a folder, or the other way round, gets the place that fits.
 */
export async function planMounts(filesDir: string, entries: readonly SnapshotEntry[]): Promise<MountPlan> {
  const stored = new Map<string, boolean>();
  for (const { path, type } of entries) {
    const [name = path] = path.split('/');
    if (path.includes('/')) stored.set(name, true);
    else if (type === 'file') stored.set(name, false);
  }
  const links = await Promise.all(
    entries.filter((entry) => entry.type === 'link').map(async (entry) => await placeLink(filesDir, entry)),
  );
  return {
    filesDir,
    topLevel: [...stored].map(([name, isFolder]) => ({ name, isFolder })),
    symlinks: entries.flatMap((entry) => (entry.type === 'symlink' && !entry.path.includes('/') ? [entry] : [])),
    links,
    folders: entries.flatMap((entry) => (entry.type === 'folder' ? [entry.path] : [])),
    executables: entries.flatMap((entry) => (entry.type === 'file' && entry.isExecutable ? [entry.path] : [])),
  };
}

/** Adds to stored files what mounting needs, whatever is there already, and makes all of it readable whatever the umask. */
export async function completeFiles(
  filesDir: string,
  entries: readonly SnapshotEntry[],
  folders: readonly string[],
): Promise<void> {
  for (const folder of ['', ...folders]) {
    await mkdir(join(filesDir, folder), { recursive: true });
    await chmod(join(filesDir, folder), 0o755);
  }
  await forEachLimited(entries, async (entry) => {
    const place = join(filesDir, entry.path);
    if (entry.type === 'file') await chmod(place, fileMode(entry));
    else if (entry.type === 'link') await makePlace(place, await isFolderAt(entry.target));
    else if (entry.type === 'symlink' && (await readlink(place).catch(() => null)) !== entry.target) {
      await rm(place, { force: true, recursive: true });
      await symlink(entry.target, place).catch(ignoreExisting);
    }
  });
}

/** Read-only for its owner too: code that runs is not changed by accident. */
export function fileMode({ isExecutable }: { readonly isExecutable: boolean }): number {
  return isExecutable ? 0o555 : 0o444;
}

async function placeLink(filesDir: string, { path, target }: Linked): Promise<MountPlan['links'][number]> {
  const real = await realpath(target).catch((cause: unknown) => {
    throw new HpoError(
      'HPO-2441',
      `${path} is linked to ${target}, which is not there any more`,
      'bring it back, or start the study again without it',
      { cause, exitCode: 3 },
    );
  });
  const isFolder = (await stat(real)).isDirectory();
  await makePlace(join(filesDir, ...path.split(posix.sep)), isFolder);
  return { path, target: real, isFolder };
}

async function makePlace(place: string, isFolder: boolean): Promise<void> {
  const there = await lstat(place).catch(() => null);
  if (there !== null && there.isDirectory() === isFolder) return;
  if (there !== null) await rm(place, { recursive: true });
  if (isFolder) {
    await mkdir(place).catch(ignoreExisting);
    await chmod(place, 0o755);
  } else {
    await writeFile(place, '', { flag: 'wx' }).catch(ignoreExisting);
    await chmod(place, 0o444);
  }
}

/** Where nothing is, a folder: that is what data mostly is. */
async function isFolderAt(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? true;
}

/** Two studies may complete the same snapshot at once. */
function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
