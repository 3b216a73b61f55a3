import { HpoError } from '../protocol/errors.ts';
import type { ClusterSettings } from '../protocol/study.ts';
import type { SnapshotEntry } from './selectFiles.ts';

/** Of one file in a ConfigMap: the API server takes 1 MiB of one in all. */
export const maxObjectBytes = 900_000;
/** Of the code in ConfigMaps: they are in the memory of the cluster's store, and each node reads them. */
export const maxObjectsBytes = 8_000_000;
/** Each is named in every pod. */
export const maxObjectFiles = 1_000;
/** Of their paths, which are in every Job and its pod: of one of those the API server takes 1.5 MB. */
const maxPathBytes = 250_000;

/**
 * How stored code gets into pods: in objects of the cluster where it is small, else as the last layer of the image, for which a
 * registry is needed. What is linked stays where it is. Throws HPO-2480 where neither can be.
 */
export function howCodeTravels(entries: readonly SnapshotEntry[], hasRegistry: boolean): ClusterSettings['codeIn'] {
  const reason = tooLarge(entries);
  if (reason === null) return 'objects';
  if (hasRegistry) return 'image';
  throw tooLargeForObjects(reason);
}

export function tooLargeForObjects(reason: string): HpoError {
  return new HpoError(
    'HPO-2480',
    `the code is too large to travel without a registry: ${reason}`,
    'connect a registry that the nodes pull from: hpo cluster connect --registry HOST/PREFIX; or leave out what trials do not need, in .hpoignore',
    { exitCode: 4 },
  );
}

/** Why it does not fit into objects; null where it does. */
function tooLarge(entries: readonly SnapshotEntry[]): string | null {
  const files = entries.filter((entry) => entry.type === 'file');
  const largest = files.find(({ bytes }) => bytes > maxObjectBytes);
  if (largest !== undefined) {
    return `${largest.path} has ${megabytes(largest.bytes)}, and an object of the cluster holds ${megabytes(maxObjectBytes)}`;
  }
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > maxObjectsBytes)
    return `it has ${megabytes(total)}, and ${megabytes(maxObjectsBytes)} can travel in objects of the cluster`;
  if (files.length > maxObjectFiles)
    return `it has ${files.length} files, and ${maxObjectFiles} can travel in objects of the cluster`;
  const nPlaces = entries.filter(({ type }) => type === 'folder' || type === 'symlink').length;
  if (nPlaces > maxObjectFiles)
    return `it has ${nPlaces} empty folders and links, and ${maxObjectFiles} can travel in objects of the cluster`;
  const pathBytes = files.reduce((sum, { path }) => sum + Buffer.byteLength(path), 0);
  if (pathBytes > maxPathBytes)
    return `the paths of its files have ${megabytes(pathBytes)}, and ${megabytes(maxPathBytes)} can be named in a pod`;
  return null;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
