import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import type { MountPlan } from './mountPlan.ts';

/** Files above this are beside the code, with links to them, so that copying the code for each attempt stays quick. */
export const largeFileBytes = 1024 * 1024;

/** In an image: the code, and the large files of it. */
export const layerPlaces = { code: '/hpo/code', large: '/hpo/large' } as const;

type Entry =
  | { readonly type: 'directory'; readonly name: string }
  | { readonly type: 'symlink'; readonly name: string; readonly target: string }
  | { readonly type: 'file'; readonly name: string; readonly path: string; readonly size: number; readonly mode: number };

/**
 * Stored code as a layer of an image: a tar that is the same for the same code, byte for byte, whatever the machine, the user and the
 * time. What is linked stays where it is and is left out. Everybody may read it; it is root's.
 */
export function codeLayer(plan: MountPlan): () => AsyncIterable<Uint8Array> {
  return async function* () {
    const entries = await entriesOf(plan);
    const pack = tar.pack();
    const writing = write(pack, entries);
    writing.catch((error: Error) => pack.destroy(error));
    yield* pack as AsyncIterable<Buffer>;
    await writing;
  };
}

async function write(pack: tar.Pack, entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    const { name } = entry;
    const common = { name, mtime: new Date(0), uid: 0, gid: 0 };
    if (entry.type === 'directory') pack.entry({ ...common, type: 'directory', mode: 0o755 });
    else if (entry.type === 'symlink') pack.entry({ ...common, type: 'symlink', linkname: entry.target, mode: 0o777 });
    else await pipeline(createReadStream(entry.path), pack.entry({ ...common, size: entry.size, mode: entry.mode }));
  }
  pack.finalize();
}

/** Outer folders first, else by name. */
async function entriesOf({ filesDir, links, folders }: MountPlan): Promise<readonly Entry[]> {
  const elsewhere = new Set(links.map(({ path }) => path));
  const own = new Set(folders);
  const entries: Entry[] = [];
  const large: Entry[] = [];
  const largeFolders = new Set<string>();
  const nameOf = (place: string, path: string): string => posix.join(place, path).slice(1);
  const walk = async (folder: string): Promise<void> => {
    for (const name of (await readdir(join(filesDir, folder))).sort()) {
      const path = posix.join(folder, name);
      if (elsewhere.has(path)) continue;
      const place = join(filesDir, path);
      const stats = await lstat(place);
      if (stats.isDirectory()) {
        entries.push({ type: 'directory', name: nameOf(layerPlaces.code, path) });
        if (!own.has(path)) await walk(path);
      } else if (stats.isSymbolicLink()) {
        entries.push({ type: 'symlink', name: nameOf(layerPlaces.code, path), target: await readlink(place) });
      } else if (stats.size > largeFileBytes) {
        const target = posix.join(layerPlaces.large, path);
        entries.push({ type: 'symlink', name: nameOf(layerPlaces.code, path), target });
        for (let at = posix.dirname(target); at !== layerPlaces.large && !largeFolders.has(at); at = posix.dirname(at))
          largeFolders.add(at);
        large.push({ type: 'file', name: target.slice(1), path: place, size: stats.size, mode: modeOf(stats.mode) });
      } else {
        entries.push({
          type: 'file',
          name: nameOf(layerPlaces.code, path),
          path: place,
          size: stats.size,
          mode: modeOf(stats.mode),
        });
      }
    }
  };
  await walk('.');
  const folder = (name: string): Entry => ({ type: 'directory', name });
  return [
    folder('hpo'),
    folder(layerPlaces.code.slice(1)),
    ...entries,
    ...(large.length === 0 ? [] : [folder(layerPlaces.large.slice(1))]),
    ...[...largeFolders].sort().map((path) => folder(path.slice(1))),
    ...large,
  ];
}

/** As it is stored, whatever the umask of whoever stored it. */
function modeOf(mode: number): number {
  return (mode & 0o100) === 0 ? 0o444 : 0o555;
}
