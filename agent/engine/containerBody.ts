import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import type { ContainerSpec } from './engine.ts';

/**
 * A container as the engine's API takes it. What keeps it in its bounds is written here and depends on no field of the spec, and
 * everything that an image can bring along is overridden: entrypoint, user, working folder, health check, stop signal and volumes.
 */
export function containerBody(spec: ContainerSpec, imageVolumes: readonly string[], engineCpus: number): ContainerCreateOptions {
  const [program = '', ...args] = spec.command;
  return {
    name: spec.name,
    Image: spec.image,
    Entrypoint: [program],
    Cmd: args,
    Env: Object.entries(environmentOf(spec)).map(([name, value]) => `${name}=${value}`),
    WorkingDir: spec.workingDir,
    User: spec.user,
    Labels: { ...spec.labels },
    Tty: false,
    OpenStdin: false,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    StopSignal: 'SIGTERM',
    Healthcheck: { Test: ['NONE'] },
    HostConfig: boundsOf(spec, imageVolumes, engineCpus),
  };
}

/** `CgroupnsMode` is of the API's version 1.41; dockerode's types do not have it. */
type Bounds = HostConfig & { readonly CgroupnsMode: 'private' };

function boundsOf(spec: ContainerSpec, imageVolumes: readonly string[], engineCpus: number): Bounds {
  const targets = new Set([...spec.mounts.map(({ target }) => target), ...Object.keys(spec.tmpfs)]);
  return {
    Privileged: false,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    ReadonlyRootfs: true,
    // Its first process passes signals on and reaps what is left over.
    Init: true,
    NetworkMode: spec.network ? 'default' : 'none',
    PublishAllPorts: false,
    IpcMode: 'private',
    CgroupnsMode: 'private',
    PidsLimit: spec.pids,
    // Without swap: the two being equal is how the API says it.
    ...(spec.memoryBytes === null ? {} : { Memory: spec.memoryBytes, MemorySwap: spec.memoryBytes }),
    // More than the machine has is refused.
    NanoCpus: Math.round(Math.min(spec.cpus, engineCpus) * 1e9),
    ShmSize: spec.shmBytes,
    Tmpfs: Object.fromEntries(
      [
        // An image's VOLUME would be a folder on the engine's disk, writable and without limit.
        ...imageVolumes.filter((path) => !targets.has(path)).map((path) => [path, volumeBytes] as const),
        ...Object.entries(spec.tmpfs),
      ].map(([path, bytes]) => [path, `rw,exec,nosuid,nodev,size=${bytes},mode=1777`]),
    ),
    Mounts: spec.mounts.map(({ source, target, isReadOnly }) => ({
      Type: 'bind',
      Source: source,
      Target: target,
      ReadOnly: isReadOnly,
    })),
    DeviceRequests: spec.gpus === 0 ? [] : [{ Driver: 'nvidia', Count: spec.gpus, Capabilities: [['gpu']] }],
    RestartPolicy: { Name: 'no' },
    AutoRemove: false,
    // Output goes to files of the attempt.
    LogConfig: { Type: 'none', Config: {} },
  };
}

/** Most that a folder holds which the image calls a volume. */
const volumeBytes = 64 * 1024 ** 2;

/** Where NVIDIA's runtime is the default one, a variable of the image would give its containers all GPUs. */
function environmentOf({ environment, gpus }: ContainerSpec): ContainerSpec['environment'] {
  return gpus === 0 ? { ...environment, NVIDIA_VISIBLE_DEVICES: 'void' } : environment;
}
