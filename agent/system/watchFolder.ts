import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { watch } from 'chokidar';
import type { Watch, WatchOptions } from './files.ts';

/** What changes more often than this between two polls is not watched any more: the polls are enough for it. */
const loudEvents = 200;

/**
 * The file system's events come at once but can be lost or missing (network mounts, a full inotify table), so sizes are
 * compared at each poll as well.
 */
export function watchFolder({ folder, ignored, polled, onChange }: WatchOptions): Watch {
  const left = new Set(ignored.map((name) => join(folder, name)));
  const watcher = watch(folder, {
    depth: 0,
    followSymlinks: false,
    ignoreInitial: true,
    atomic: false,
    ignorePermissionErrors: true,
    ignored: (path) => left.has(path),
  });
  let nEvents = 0;
  let lastSize = 0;
  watcher.on('all', onChange);
  // The polls go on without it.
  watcher.on('error', () => void watcher.close());
  watcher.on('raw', () => {
    if (++nEvents > loudEvents) void watcher.close();
  });
  return {
    poll: () => {
      let size = 0;
      for (const name of polled) size += lstatSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
      nEvents = 0;
      if (size === lastSize) return;
      lastSize = size;
      onChange();
    },
    [Symbol.asyncDispose]: () => watcher.close(),
  };
}
