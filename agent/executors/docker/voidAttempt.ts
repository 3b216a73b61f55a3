import { join } from 'node:path';
import type { Files } from '../../system/files.ts';

/**
 * Takes the shim's place before it: an attempt that was given up is never begun, however late its container comes. False where a
 * shim was there first.
 */
export async function voidAttempt(disk: Files, dir: string): Promise<boolean> {
  const claim = join(dir, claimName);
  try {
    // Unlike a file, a link is only made where nothing is, and a shim that finds it takes the attempt for claimed.
    await disk.symlink('given-up', claim);
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    return await isVoid(disk, dir);
  }
}

/** Whether an attempt that nobody began will never begin. */
export async function isVoid(disk: Files, dir: string): Promise<boolean> {
  return (await disk.lstat(join(dir, claimName)))?.isLink === true;
}

const claimName = 'claim.json';
