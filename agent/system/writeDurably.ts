import { dirname } from 'node:path';
import type { Files } from './files.ts';

/** Replaces a file, whose folder is made where it is not there: after a power cut at any moment it has the old text or the new one. */
export async function writeDurably(disk: Files, path: string, text: string): Promise<void> {
  const folder = dirname(path);
  await disk.makeFolder(folder);
  await disk.writeText(`${path}.new`, text);
  await disk.flush(`${path}.new`);
  await disk.rename(`${path}.new`, path);
  await disk.flush(folder);
}
