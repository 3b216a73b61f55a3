import { HpoError } from '../protocol/errors.ts';

/** A snapshot that copies more than this is asked for. */
export const askedSnapshotBytes = 100 * 1024 * 1024;
/** The most that one snapshot copies, whatever the user agrees to. */
export const maxSnapshotBytes = 2 * 1024 * 1024 * 1024;
export const maxSnapshotFiles = 10_000;

type SizedEntry = { readonly type: string; readonly path: string; readonly bytes?: number };

/** Throws when the files to be copied are too many or too large together, whatever the user agrees to. */
export function checkLimits(entries: readonly SizedEntry[], root: string): void {
  const files = entries.filter((entry) => entry.type === 'file');
  if (files.length > maxSnapshotFiles) {
    throw tooManyFiles(
      files.map(({ path }) => path),
      root,
    );
  }
  if (copiedBytes(entries) > maxSnapshotBytes) throw tooLarge(entries, root, maxSnapshotBytes);
}

/** What a snapshot would copy; the folders with the most first, for people. Null up to `askedSnapshotBytes`. */
export function largeSnapshot(entries: readonly SizedEntry[], root: string): HpoError | null {
  return copiedBytes(entries) > askedSnapshotBytes ? tooLarge(entries, root, askedSnapshotBytes) : null;
}

function copiedBytes(entries: readonly SizedEntry[]): number {
  return entries.reduce((sum, { type, bytes = 0 }) => (type === 'file' ? sum + bytes : sum), 0);
}

function tooLarge(entries: readonly SizedEntry[], root: string, limit: number): HpoError {
  const largest = largestFolders(
    entries.flatMap(({ type, path, bytes = 0 }) => (type === 'file' ? [[path, bytes] as const] : [])),
  );
  const mayAgree = limit === askedSnapshotBytes ? '; or store it all the same: --allow-large' : '';
  return new HpoError(
    'HPO-2201',
    `a snapshot of ${root} would copy ${megabytes(copiedBytes(entries))} (at most ${megabytes(limit)}): ${largest.map(([folder, bytes]) => `${folder} ${megabytes(bytes)}`).join(', ')}`,
    `${advice(largest[0]?.[0] ?? '')}${mayAgree}`,
  );
}

export function tooManyFiles(paths: readonly string[], root: string): HpoError {
  const largest = largestFolders(paths.map((path) => [path, 1]));
  const count = paths.length.toLocaleString('en');
  return new HpoError(
    'HPO-2201',
    `a snapshot of ${root} would copy ${count} files or more (at most ${maxSnapshotFiles.toLocaleString('en')}): ${largest.map(([folder, files]) => `${folder} ${files.toLocaleString('en')} files`).join(', ')}`,
    advice(largest[0]?.[0] ?? ''),
  );
}

function advice(folder: string): string {
  if (folder === './') return 'put the script into a folder of its own, or list what it does not need in .hpoignore';
  const name = folder.replace(/\/$/, '');
  return `if the script reads it, link it: # @hpo.data ${name} -> ${name}; if not, add the line "${folder}" to .hpoignore`;
}

/** The three top folders with the most; files beside them count as `./`. */
function largestFolders(sizes: readonly (readonly [path: string, size: number])[]): [folder: string, size: number][] {
  const total = new Map<string, number>();
  for (const [path, size] of sizes) {
    const folder = path.includes('/') ? `${path.slice(0, path.indexOf('/'))}/` : './';
    total.set(folder, (total.get(folder) ?? 0) + size);
  }
  return [...total].sort((a, b) => b[1] - a[1]).slice(0, 3);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(bytes < 10 * 1024 * 1024 ? 1 : 0)} MB`;
}
