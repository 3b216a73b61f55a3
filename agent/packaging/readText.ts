import { readFile, stat } from 'node:fs/promises';

/** Larger than any list of requirements or of patterns that people write. */
const maxBytes = 2 * 1024 * 1024;

/**
 * Text of a small file of a project; empty where there is none, and for what is no file: a device or a pipe that a
 * project has in its place would never end.
 */
export async function readText(path: string): Promise<string> {
  const info = await stat(path).catch(() => null);
  return info?.isFile() === true && info.size <= maxBytes ? await readFile(path, 'utf8').catch(() => '') : '';
}
