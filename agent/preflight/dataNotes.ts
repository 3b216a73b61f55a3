import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hiddenPlaces } from '../packaging/hiddenPlaces.ts';
import type { SnapshotEntry } from '../packaging/selectFiles.ts';
import type { ContainerSettings } from '../protocol/study.ts';

const maxNamed = 5;

/**
 * What people are told of data that containers are given in its place: what of it no container can read, and that it is not frozen.
 * Throws HPO-2455 for data with more secrets in it than can be hidden.
 */
export async function dataNotes(
  entries: readonly SnapshotEntry[],
  mounts: ContainerSettings['mounts'],
): Promise<readonly string[]> {
  const linked = entries.flatMap((entry) => (entry.type === 'link' ? [{ name: entry.path, source: entry.target }] : []));
  const hidden: string[] = [];
  const unseen: string[] = [];
  for (const { name, source } of [...linked, ...mounts.map((mount) => ({ name: mount.source, source: mount.source }))]) {
    const real = await realpath(source).catch(() => null);
    if (real === null || !(await stat(real)).isDirectory()) continue;
    const { places, isComplete } = await hiddenPlaces(basename(real), async (path) =>
      (await readdir(join(real, path), { withFileTypes: true }).catch(() => [])).map((entry) => ({
        name: entry.name,
        isFolder: entry.isDirectory(),
      })),
    );
    hidden.push(...places.map(({ path }) => join(name, path)));
    if (!isComplete) unseen.push(name);
  }
  const frozen = linked.map(({ name }) => name);
  return [
    ...(hidden.length === 0 ? [] : [`has the name of a secret, and is empty in containers: ${listed(hidden)}`]),
    ...(unseen.length === 0 ? [] : [`too large to look all of it through for names of secrets: ${listed(unseen)}`]),
    ...(frozen.length === 0 ? [] : [`not frozen, so that trials see what changes there during the study: ${listed(frozen)}`]),
  ];
}

function listed(names: readonly string[]): string {
  const rest = names.length - maxNamed;
  return `${names.slice(0, maxNamed).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
