/**
 * A container engine as far as the agent needs one: Docker, or what speaks its API. `docker.ts` has the real one, the simulation one
 * whose containers and faults follow from a seed; one conformance suite (`test/contract/engineSuite.ts`) holds both to this.
 *
 * Every call rejects with an HpoError: HPO-2401 there is no engine, HPO-2402 it is not running, HPO-2403 permission denied,
 * HPO-2404 it does not answer in time or broke off, HPO-2405 anything else that it refuses. Names are the identity: creating
 * what is there and removing what is not are no errors, so that every call can be repeated.
 */
export interface Engine extends AsyncDisposable {
  info(): Promise<EngineInfo>;

  /** Makes a container without starting it. `exists` where one of that name is there: nothing is changed then. HPO-2406 where the image is not there. */
  createContainer(spec: ContainerSpec): Promise<'created' | 'exists'>;
  /** No-op for one that runs or has run. False when it is not there. */
  startContainer(name: string): Promise<boolean>;
  /** Null when it is not there. */
  inspectContainer(name: string): Promise<ContainerState | null>;
  /** Sends a signal to its first process; false when it is not there or does not run. A paused one is continued first, so that it can hear. */
  signalContainer(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<boolean>;
  /** Kills and removes it, with its anonymous volumes. */
  removeContainer(name: string): Promise<void>;
  /** All that carry the labels, whatever their state. */
  listContainers(labels: Labels): Promise<readonly ContainerSummary[]>;
  /** Tells of containers with the labels that started, died or vanished, until disposed: hints that may be late, doubled or missing, also over a restart of the engine. */
  watchContainers(labels: Labels, onChange: (name: string) => void): Disposable;

  /** By name or id; null when it is not there. */
  inspectImage(name: string): Promise<ImageInfo | null>;
  listImages(labels: Labels): Promise<readonly ImageInfo[]>;
  /** HPO-2407 with the engine's words when it cannot be had. */
  pullImage(name: string, progress: EngineProgress): Promise<void>;
  /** HPO-2408 with the last lines of the failed step. Resolves with the id. */
  buildImage(request: BuildRequest, progress: EngineProgress): Promise<string>;
  /** The image as an archive with its layers, as `docker save` writes it; ends early (HPO-2404) where the engine breaks off. HPO-2406 where it is not there. */
  saveImage(name: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Takes the name away, and what no other name or container needs. False when a container uses it. */
  removeImage(name: string): Promise<boolean>;
}

export type Labels = Readonly<Record<string, string>>;

export interface EngineInfo {
  /** `Docker 28.2`, `Podman 4.3`: for people. */
  readonly name: string;
  /** Where it was found and why: `unix:///var/run/docker.sock (context default)`. */
  readonly endpoint: string;
  /** As in image manifests: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** The engine runs without root: its root is this machine's user. */
  readonly isRootless: boolean;
  /** Containers can be given GPUs. */
  readonly hasGpus: boolean;
}

/** What a container is made of. No field can weaken what `docker.ts` always sets: no capability, no new privileges, read-only root, no socket. */
export interface ContainerSpec {
  readonly name: string;
  readonly labels: Labels;
  /** Id of the image, so that the name's meaning cannot change under a study. */
  readonly image: string;
  /** Program and arguments, in place of the image's entrypoint. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** `uid:gid`. */
  readonly user: string;
  readonly mounts: readonly ContainerMount[];
  /** Folders in memory, by path, with the most bytes they can hold. */
  readonly tmpfs: Readonly<Record<string, number>>;
  readonly network: boolean;
  readonly cpus: number;
  /** Null: no limit but the machine's. Swap counts. */
  readonly memoryBytes: number | null;
  readonly shmBytes: number;
  /** Most processes and threads. */
  readonly pids: number;
  readonly gpus: number;
}

export interface ContainerMount {
  /** Absolute path on the machine of the engine. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  readonly isReadOnly: boolean;
}

export interface ContainerState {
  readonly id: string;
  readonly labels: Labels;
  readonly status: 'created' | 'running' | 'paused' | 'exited';
  /** As the shell tells it: 128 + its number for a signal. Null while it has not ended. */
  readonly exitCode: number | null;
  readonly isOutOfMemory: boolean;
  /** Why it could not be started; empty when it could. */
  readonly error: string;
  /** Process on the machine of the engine; null when it does not run. */
  readonly pid: number | null;
}

export interface ContainerSummary {
  readonly name: string;
  readonly labels: Labels;
  /** Also while it is paused. */
  readonly isRunning: boolean;
  readonly isPaused: boolean;
}

export interface ImageInfo {
  /** `sha256:…` of its configuration. */
  readonly id: string;
  readonly names: readonly string[];
  readonly labels: Labels;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Variables that its containers get, as `NAME=value`. */
  readonly environment: readonly string[];
}

export interface BuildRequest {
  readonly name: string;
  readonly labels: Labels;
  /** Path of the Dockerfile in the context. */
  readonly dockerfile: string;
  readonly context: readonly BuildFile[];
  /** Handed to `RUN --mount=type=secret,id=…`, by id; in no layer, no history and no log. */
  readonly secrets: Readonly<Record<string, Uint8Array>>;
  readonly arguments: Readonly<Record<string, string>>;
  readonly platform: string | null;
  /** Builds every step anew. */
  readonly isFresh: boolean;
}

export interface BuildFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly isExecutable: boolean;
}

export interface EngineProgress {
  /** A line for people. */
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}
