import { execFileSync } from 'node:child_process';

/**
 * Arguments of `unshare` with which a small file system can be mounted here, as root or in a user namespace; null where
 * neither is allowed.
 */
export function findUnshare(): readonly string[] | null {
  for (const args of [['-m'], ['-rm']]) {
    try {
      execFileSync('unshare', [...args, 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt'], { stdio: 'ignore' });
      return args;
    } catch {
      continue;
    }
  }
  return null;
}
