import { homedir } from 'node:os';
import { join } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';
import type { Files } from '../../system/files.ts';

/** Neither these, nor anything in them, nor what holds them. */
const systemFolders = ['/boot', '/dev', '/etc', '/proc', '/run', '/sys', '/var/run', '/var/lib/docker', '/var/lib/containers'];
const credentialFolders = [
  '.ssh',
  '.aws',
  '.azure',
  '.kube',
  '.docker',
  '.gnupg',
  '.config/gcloud',
  '.config/gh',
  '.config/containers',
];

/**
 * Refuses data that would let a container reach the machine itself: looked at before every start, as a link can lead elsewhere by now.
 * `what` names the annotation.
 */
export async function guardMount(disk: Files, source: string, what: string, homeDir: string): Promise<void> {
  const real = await disk.realPath(source).catch((cause: unknown) => {
    throw new HpoError('HPO-2452', `${what}: ${source} is not there`, 'bring it back, or start the study again without it', {
      cause,
    });
  });
  for (const path of [source, real]) {
    const reason = mountRefusal(path, homeDir);
    if (reason !== null) {
      throw new HpoError(
        'HPO-2453',
        `${what}: ${path} is never given to a container: ${reason}`,
        'name the folder or file with the data itself',
      );
    }
  }
}

/** Why nothing at a path is given to containers; null where it may be. */
export function mountRefusal(path: string, homeDir: string): string | null {
  const user = homedir();
  if (systemFolders.some((folder) => isIn(path, folder) || isIn(folder, path))) return 'it belongs to the system';
  if (isIn(homeDir, path) || isIn(path, homeDir)) return 'it holds the journal and the files of all studies';
  if (isIn(user, path)) return 'it holds the keys and settings of its user';
  // As ~/.config: what is not there yet may be there when a trial runs.
  const keys = credentialFolders.map((folder) => join(user, folder));
  return keys.some((folder) => isIn(path, folder) || isIn(folder, path)) ? 'it holds keys' : null;
}

function isIn(path: string, folder: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`);
}
