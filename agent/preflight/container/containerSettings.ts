import { readdir, realpath, stat } from 'node:fs/promises';
import { join, posix, relative, resolve, sep } from 'node:path';
import { mountRefusal } from '../../executors/docker/mountGuard.ts';
import { places } from '../../executors/docker/places.ts';
import { expandHome } from '../../packaging/dataPaths.ts';
import { secretReason } from '../../packaging/denyList.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ScriptSpec } from '../../protocol/space.ts';
import type { ContainerSettings, ImageReference } from '../../protocol/study.ts';
import { countOf, sizeBytes, wholeOf } from '../studySpec.ts';

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
  const tmpBytes = sizeBytes(resources['tmp']);
  // Shared memory counts as memory: more of it than there is would only look like room.
  const usualShm = memoryBytes === null ? usualShmBytes : Math.min(usualShmBytes, Math.floor(memoryBytes / 2));
  return {
    image,
    mounts: await refuseNested(refuseDoubles(await Promise.all(script.data.map((data) => mountOf(data, root, home))))),
    network: /^(?:yes|true)$/.test(resources['network'] ?? 'no'),
    memoryBytes,
    shmBytes: sizeBytes(resources['shm']) ?? usualShm,
    ...(tmpBytes === null ? {} : { tmpBytes }),
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
  const source = await realpath(resolve(root, expandHome(from))).catch((cause: unknown) => {
    throw new HpoError(
      'HPO-2202',
      `${words} names ${from}, which is not at ${resolve(root, expandHome(from))}`,
      'correct the path, or remove the annotation',
      { cause, exitCode: 3 },
    );
  });
  const target = targetOf(to);
  const refusal = targetRefusal(target) ?? (await sourceRefusal(source, root, home));
  if (refusal !== null) {
    throw new HpoError('HPO-2455', `${words} is not mounted: ${refusal}`, 'name the folder or file with the data itself', {
      exitCode: 4,
    });
  }
  return { source, target, readOnly };
}

/** An engine takes the first of two for one place, or refuses both with words of its own. */
function refuseDoubles(mounts: ContainerSettings['mounts']): ContainerSettings['mounts'] {
  for (const [i, { source, target }] of mounts.entries()) {
    const first = mounts.findIndex((mount) => mount.target === target);
    if (first === i) continue;
    throw new HpoError(
      'HPO-2455',
      `@hpo.data mounts both ${mounts[first]?.source} and ${source} at ${target}`,
      'give each a place of its own',
      { exitCode: 4 },
    );
  }
  return mounts;
}

/** A place to mount at is made in nothing that is the user's: within other data there is one already, or none. */
async function refuseNested(mounts: ContainerSettings['mounts']): Promise<ContainerSettings['mounts']> {
  for (const inner of mounts) {
    const outer = mounts
      .filter(({ target }) => inner.target.startsWith(`${target}/`))
      .sort((a, b) => b.target.length - a.target.length)[0];
    if (outer === undefined) continue;
    const place = join(outer.source, inner.target.slice(outer.target.length + 1));
    const [there, own] = [await stat(place).catch(() => null), await stat(inner.source)];
    if (there !== null && there.isDirectory() === own.isDirectory()) continue;
    throw new HpoError(
      'HPO-2455',
      `@hpo.data mounts ${inner.source} at ${inner.target}, in what ${outer.source} is mounted at, and that has no ${own.isDirectory() ? 'folder' : 'file'} ${place} to mount it at`,
      `make an empty one there, or mount it at a place outside of ${outer.target}`,
      { exitCode: 4 },
    );
  }
  return mounts;
}

/** Why what is at a real path of this machine is kept out of containers; null where it is not. */
export async function sourceRefusal(source: string, root: string, home: string): Promise<string | null> {
  const info = await stat(source);
  if (!info.isFile() && !info.isDirectory()) return `${source} is neither a file nor a folder`;
  // By one of those a container could speak with an engine, or with what keeps keys.
  const names = info.isDirectory() ? await readdir(source, { withFileTypes: true }).catch(() => []) : [];
  const socket = names.find((entry) => entry.isSocket());
  if (socket !== undefined) return `${source} holds the socket ${socket.name}`;
  const reason = mountRefusal(source, home);
  if (reason !== null) return `${source}: ${reason}`;
  const way = relative(root, source);
  if (way === '' || root.startsWith(`${source}${sep}`)) return `${source} holds the project with its history and its secrets`;
  const keys = names.find((entry) => partsOfHomes.includes(entry.name))?.name;
  if (keys !== undefined) return `${source} holds ${keys}: it is somebody's home folder`;
  const isInside = way !== '..' && !way.startsWith(`..${sep}`);
  const secret = secretReason((isInside ? way : source.slice(1)).split(sep).join('/'));
  return secret === null ? null : `${source} ${secret}`;
}

export function targetOf(to: string): string {
  const path = to.startsWith('~/') ? posix.join(places.home, to.slice(2)) : to;
  const target = posix.isAbsolute(path) ? posix.normalize(path) : posix.join(places.work, path);
  return target.length > 1 ? target.replace(/\/$/, '') : target;
}

/** What home folders have, and data does not. */
const partsOfHomes = ['.ssh', '.gnupg', '.aws', '.kube', '.docker', '.netrc', '.bash_history', '.zsh_history'];

/** Of the container; the folder of the project in it takes data, the rest of ours does not. */
const keptTargets = ['/proc', '/sys', '/dev', '/etc', '/run', '/boot', '/bin', '/sbin', '/lib', '/lib64'];
/** Of `/usr`, only these have places for data; nothing else is a program's to read it from. */
const sharedTargets = ['/usr/share/', '/usr/local/share/'];
const hidden = ['/', '/bin', '/hpo', '/lib', '/lib64', '/opt', '/sbin', '/tmp', '/usr', '/var', places.work];
const ownTargets = [places.attempt, places.checkpoint, places.code, places.shim, places.home];

export function targetRefusal(target: string): string | null {
  if (target.startsWith(`${places.work}/`) || target.startsWith(`${places.home}/`)) return null;
  if (hidden.includes(target)) return `${target} would hide the system or the code of the container`;
  if (target.startsWith('/usr/') && !sharedTargets.some((folder) => target.startsWith(folder)))
    return `${target} would hide programs of the container`;
  const kept = [...keptTargets, ...ownTargets].find((folder) => target === folder || target.startsWith(`${folder}/`));
  return kept === undefined ? null : `${target} is in ${kept}, which the container needs itself`;
}
