import { homedir } from 'node:os';
import { join } from 'node:path';

/** `~/data` as a path of this machine; any other path as it is. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}
