import { posix } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';

/** Where a program expects its checkpoint, relative to the work folder. Throws HPO-2302 for a place outside of it. */
export function checkpointPlace(checkpointDir: string): string {
  const path = posix.normalize(checkpointDir).replace(/\/$/, '');
  if (isInside(path) && path !== '.') return path;
  throw new HpoError(
    'HPO-2302',
    `the checkpoint folder ${checkpointDir} is outside the project`,
    'name a folder inside it: # @hpo.checkpoint dir=ckpt/',
  );
}

export function isInside(path: string): boolean {
  return !posix.isAbsolute(path) && posix.normalize(path) !== '..' && !posix.normalize(path).startsWith('../');
}
