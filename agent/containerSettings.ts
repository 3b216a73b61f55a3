import { realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, posix, relative, resolve, sep } from 'node:path';
import { secretReason } from './packaging/denyList.ts';
import { HpoError } from './protocol/errors.ts';
import type { ScriptSpec } from './protocol/space.ts';
import type { ContainerSettings, ImageReference } from './protocol/study.ts';
import { countOf, sizeBytes, wholeOf } from './studySpec.ts';

/** Where the project is in a container; data with a relative target is placed in it. */
const workFolder = '/hpo/work';
/** Of a container where nothing is said. Memory that is not used costs nothing. */
const usualShmBytes = 1024 ** 3;
const usualPids = 4_096;

export interface ContainerInputs {
  readonly script: ScriptSpec;
  /** Absolute path of the project. */
  readonly root: string;
  /** Folder of the agent's state, which no container gets. */
  readonly home: string;
  readonly image: ImageReference;
}

/**
 * What the containers of a study get, by its annotations: where nothing is said, no network, no GPU, no data and no secret. A number that
 * is none throws HPO-4012 or HPO-4014, data that no container may have HPO-2455.
 */
export async function containerSettings({ script, root, home, image }: ContainerInputs): Promise<ContainerSettings> {
  const { resources } = script;
  const memoryBytes = sizeBytes(resources['memory']);
  // Shared memory counts as memory: more of it than there is would only look like room.
  const usualShm = memoryBytes === null ? usualShmBytes : Math.min(usualShmBytes, Math.floor(memoryBytes / 2));
  return {
    image,
    mounts: await Promise.all(script.data.map((data) => mountOf(data, root, home))),
    network: /^(?:yes|true)$/.test(resources['network'] ?? 'no'),
    memoryBytes,
    shmBytes: sizeBytes(resources['shm']) ?? usualShm,
    pids: countOf(resources['pids']) ?? usualPids,
    gpus: wholeOf(resources['gpus'], 'gpus=1') ?? 0,
    secrets: [...new Set(script.secrets)],
  };
}

async function mountOf(
  { from, to, readOnly }: ScriptSpec['data'][number],
  root: string,
  home: string,
): Promise<ContainerSettings['mounts'][number]> {
  const words = `@hpo.data ${from} -> ${to}`;
  const source = await realpath(resolve(root, from)).catch((cause: unknown) => {
    throw new HpoError(
      'HPO-2202',
      `${words} names ${from}, which is not at ${resolve(root, from)}`,
      'correct the path, or remove the annotation',
      { cause, exitCode: 3 },
    );
  });
  const target = targetOf(to);
  const refusal = (await sourceRefusal(source, root, home)) ?? targetRefusal(target);
  if (refusal !== null) {
    throw new HpoError('HPO-2455', `${words} is not mounted: ${refusal}`, 'name the folder or file with the data itself', {
      exitCode: 4,
    });
  }
  return { source, target, readOnly };
}

function targetOf(to: string): string {
  const target = posix.isAbsolute(to) ? posix.normalize(to) : posix.join(workFolder, to);
  return target.length > 1 ? target.replace(/\/$/, '') : target;
}

/** Folders of the system, by which a container would hold the machine itself. */
const systemFolders = [
  '/',
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/lib',
  '/lib64',
  '/proc',
  '/root',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var',
];
/** Of these nothing beneath either. */
const deviceFolders = ['/boot', '/dev', '/etc', '/proc', '/run', '/sys', '/var/run', '/var/lib/docker', '/var/lib/containers'];

/** Why data of this machine is kept out of containers; null where it is not. */
async function sourceRefusal(source: string, root: string, home: string): Promise<string | null> {
  const info = await stat(source);
  if (!info.isFile() && !info.isDirectory()) return `${source} is neither a file nor a folder`;
  if (systemFolders.includes(source) || deviceFolders.some((folder) => isIn(source, folder)))
    return `${source} belongs to the system of this machine`;
  if (isIn(source, home) || isIn(home, source)) return `${source} holds the journal and the files of all studies`;
  if (isIn(homedir(), source)) return `${source} holds your keys and settings`;
  const inside = isIn(source, root) ? relative(root, source) : source.slice(1);
  const secret = source === root ? null : secretReason(inside.split(sep).join('/'));
  return secret === null ? null : `${source} ${secret}`;
}

/** Of the container; the folder of the project in it takes data, the rest of ours does not. */
const keptTargets = ['/proc', '/sys', '/dev', '/hpo'];

function targetRefusal(target: string): string | null {
  if (target.startsWith(`${workFolder}/`)) return null;
  if (target === '/' || target === workFolder) return `${target} would hide the system or the code of the container`;
  const kept = keptTargets.find((folder) => target === folder || target.startsWith(`${folder}/`));
  return kept === undefined ? null : `${target} is in ${kept}, which the container needs itself`;
}

function isIn(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!isAbsolute(way) && way !== '..' && !way.startsWith(`..${sep}`));
}
