import type { ContainerMount, ContainerSpec } from '../../engine/engine.ts';
import type { ContainerSettings } from '../../protocol/study.ts';
import type { Owner } from '../../system/files.ts';
import type { AttemptStart } from '../executor.ts';
import type { StudyFolders } from '../attempt/studyFolders.ts';
import { containerEnvironment, secretsOf } from '../attempt/containerEnvironment.ts';
import { outputFileNames } from '../attempt/outputFile.ts';
import { attemptLabels, containerName } from './containerName.ts';
import { places } from './places.ts';

export interface ContainerParts {
  readonly attempt: AttemptStart;
  readonly settings: ContainerSettings;
  readonly image: string;
  readonly user: Owner;
  readonly mounts: readonly ContainerMount[];
  readonly files: StudyFolders;
  /** The agent's own environment, of which only the secrets are handed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Most that a folder in memory holds; it counts as memory of the container. */
const tmpfsBytes = 1024 ** 3;

/** The container of an attempt: the shim, with the same records and limits as for a process of this machine. */
export function containerSpec(parts: ContainerParts): ContainerSpec {
  const { attempt, settings, files } = parts;
  const memory =
    settings.tmpBytes ??
    (settings.memoryBytes === null ? tmpfsBytes : Math.min(tmpfsBytes, Math.floor(settings.memoryBytes / 2)));
  return {
    name: containerName(files.homeMark, attempt.key),
    labels: attemptLabels(files.homeMark, attempt.key),
    image: parts.image,
    command: shimCommand(attempt, files),
    environment: environmentOf(parts),
    workingDir: places.work,
    user: `${parts.user.uid}:${parts.user.gid}`,
    mounts: parts.mounts,
    tmpfs: { [places.temporary]: memory, [places.home]: memory },
    network: settings.network,
    cpus: attempt.cpus,
    memoryBytes: settings.memoryBytes,
    shmBytes: settings.shmBytes,
    pids: settings.pids,
    gpus: settings.gpus,
  };
}

/** The shim finds its output where it is started; a container's is no file. */
function shimCommand(attempt: AttemptStart, files: StudyFolders): readonly string[] {
  return [
    '/bin/sh',
    '-c',
    `exec /bin/sh "$0" "$@" >>${places.attempt}/${outputFileNames.out} 2>&1`,
    places.shim,
    places.attempt,
    attempt.timeoutMs === null ? '0' : String(Math.max(1, attempt.timeoutMs) / 1000),
    String(attempt.graceMs / 1000),
    files.mark(attempt.key),
    // Kills for memory are told by the engine.
    '0',
    String(attempt.outputBytes),
    ...attempt.command,
  ];
}

function environmentOf({ attempt, settings, environment }: ContainerParts): Readonly<Record<string, string>> {
  const { usual, own } = containerEnvironment(attempt);
  return { ...usual, ...secretsOf(settings, environment), ...own };
}
