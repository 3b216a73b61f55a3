import { realpathSync } from 'node:fs';
import { Agent } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type Docker from 'dockerode';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';
import { ask, askStream } from './ask.ts';
import { containerBody } from './containerBody.ts';
import { type Endpoint, socketOf } from './endpoint.ts';
import { describe, engineError, statusOf, wordsOf } from './engineError.ts';
import type {
  BuildRequest,
  ContainerSpec,
  ContainerState,
  ContainerSummary,
  Engine,
  EngineInfo,
  EngineProgress,
  ImageInfo,
  Labels,
} from './engine.ts';
import { limited } from './limited.ts';
import { registryCredentials } from './registryCredentials.ts';
import { splitImageName } from './registryHost.ts';
import { labelFilter, watchEvents } from './watchEvents.ts';

/** Time limits of calls, in ms. */
export interface EngineLimits {
  /** Looking at something. */
  readonly look: number;
  /** Making, starting and removing: an engine with much to do takes its time. */
  readonly change: number;
}

export const usualLimits: EngineLimits = { look: 15_000, change: 60_000 };
const removalPauseMs = 50;

/** The engine at an endpoint, by the Docker API. Nothing is asked of it before it is needed. */
export class DockerEngine implements Engine {
  readonly #docker: Docker;
  readonly #endpoint: Endpoint;
  readonly #limits: EngineLimits;
  /** Volumes of images by id, which say the same for ever. */
  readonly #volumes = new Map<string, readonly string[]>();
  /** Containers that this engine made and nobody has started. */
  readonly #fresh = new Set<string>();
  readonly #watches = new Set<Disposable>();
  #cpus: number | null = null;
  #known: { readonly version: string; readonly podman: string | null } | null = null;

  constructor(docker: Docker, endpoint: Endpoint, limits: EngineLimits) {
    this.#docker = docker;
    this.#endpoint = endpoint;
    this.#limits = limits;
  }

  async info(): Promise<EngineInfo> {
    const { version, podman } = await this.#kind();
    const info = await this.#look('what it has', (abortSignal) => ask<unknown>(this.#docker, '/info', abortSignal));
    const { NCPU, MemTotal, Architecture, SecurityOptions, Runtimes, DiscoveredDevices } = infoSchema.parse(info);
    this.#cpus = NCPU;
    return {
      name: podman === null ? `Docker ${version}` : `Podman ${podman}`,
      endpoint: describe(this.#endpoint),
      architecture: architectures.get(Architecture) ?? Architecture,
      cpus: NCPU,
      memoryBytes: MemTotal,
      isRootless: SecurityOptions?.some((option) => option.startsWith('name=rootless')) ?? false,
      hasGpus:
        Object.keys(Runtimes ?? {}).some((name) => name.includes('nvidia')) ||
        (DiscoveredDevices?.some(({ ID }) => ID.startsWith('nvidia.com/gpu')) ?? false),
    };
  }

  async createContainer(spec: ContainerSpec): Promise<'created' | 'exists'> {
    this.#refuseOwnSocket(spec);
    const [volumes, cpus] = [await this.#imageVolumes(spec.image), this.#cpus ?? (await this.info()).cpus];
    const body = containerBody(spec, volumes, cpus);
    try {
      await this.#change(`making the container ${spec.name}`, (abortSignal) =>
        this.#docker.createContainer({ ...body, abortSignal }),
      );
    } catch (error) {
      const { cause } = error as HpoError;
      if (statusOf(cause) === 409) return 'exists';
      // Podman's word for a name that is taken.
      if (statusOf(cause) === 500 && /name .* is (?:already )?in use/.test(wordsOf(cause))) return 'exists';
      if (statusOf(cause) === 404) throw noImage(spec.image, cause);
      throw error;
    }
    this.#fresh.add(spec.name);
    return 'created';
  }

  async startContainer(name: string): Promise<boolean> {
    // One that has run would be run again.
    if (!this.#fresh.delete(name)) {
      const state = await this.inspectContainer(name);
      if (state === null) return false;
      if (state.status !== 'created') return true;
    }
    const answer = await this.#change(`starting the container ${name}`, (abortSignal) =>
      forgiving([304, 404], this.#docker.getContainer(name).start({ abortSignal })),
    );
    return answer !== 404;
  }

  async inspectContainer(name: string): Promise<ContainerState | null> {
    const found = await this.#look(`the state of ${name}`, (abortSignal) =>
      missing(this.#docker.getContainer(name).inspect({ abortSignal })),
    );
    if (found === null) return null;
    const { Id: id, Config, State } = found;
    const status = statusNames.get(State.Status) ?? 'exited';
    return {
      id,
      labels: Config.Labels,
      status,
      exitCode: status === 'exited' ? State.ExitCode : null,
      isOutOfMemory: State.OOMKilled,
      error: State.Error,
      pid: State.Pid > 0 ? State.Pid : null,
    };
  }

  async signalContainer(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<boolean> {
    const container = this.#docker.getContainer(name);
    const status = (await this.inspectContainer(name))?.status;
    if (status !== 'running' && status !== 'paused') return false;
    return this.#change(`sending ${signal} to ${name}`, async (abortSignal) => {
      if (status === 'paused') await forgiving([404, 409, 500], container.unpause({ abortSignal }));
      try {
        return (await forgiving([404, 409], container.kill({ signal, abortSignal }))) === null;
      } catch (error) {
        // Podman's word for one that has just ended.
        if (/can only kill running containers/.test(wordsOf(error))) return false;
        throw error;
      }
    });
  }

  async removeContainer(name: string): Promise<void> {
    this.#fresh.delete(name);
    await this.#change(`removing the container ${name}`, async (abortSignal) => {
      const container = this.#docker.getContainer(name);
      const answer = await forgiving([404, 409], container.remove({ force: true, v: true, abortSignal }));
      // Another removal is under way.
      if (answer !== 409) return;
      while ((await missing(container.inspect({ abortSignal }))) !== null)
        await sleep(removalPauseMs, undefined, { signal: abortSignal });
    });
  }

  async listContainers(labels: Labels): Promise<readonly ContainerSummary[]> {
    const found = await this.#look('its containers', (abortSignal) =>
      this.#docker.listContainers({ all: true, filters: { label: labelFilter(labels) }, abortSignal }),
    );
    return found.map(({ Names, Labels: own, State }) => ({
      name: (Names[0] ?? '').replace(/^\//, ''),
      labels: own,
      isRunning: State === 'running' || State === 'paused',
      isPaused: State === 'paused',
    }));
  }

  watchContainers(labels: Labels, onChange: (name: string) => void): Disposable {
    const watch = watchEvents(this.#docker, labels, onChange);
    this.#watches.add(watch);
    return {
      [Symbol.dispose]: () => {
        this.#watches.delete(watch);
        watch[Symbol.dispose]();
      },
    };
  }

  async inspectImage(name: string): Promise<ImageInfo | null> {
    const found = await this.#look(`the image ${name}`, (abortSignal) => missing(this.#image(name, abortSignal)));
    return found === null
      ? null
      : {
          id: found.Id,
          names: namesOf(found.RepoTags, (await this.#kind()).podman !== null),
          labels: found.Config.Labels ?? {},
          bytes: found.Size,
          createdAt: Date.parse(found.Created),
          environment: found.Config.Env ?? [],
        };
  }

  async listImages(labels: Labels): Promise<readonly ImageInfo[]> {
    // Podman finds nothing by several labels at once.
    const found = await this.#look('its images', (abortSignal) => this.#docker.listImages({ abortSignal }));
    const meant = found.filter(({ Labels: own }) => labelFilter(labels).every((label) => labelFilter(own ?? {}).includes(label)));
    const images = await Promise.all(meant.map(({ Id }) => this.inspectImage(Id)));
    return images.filter((image) => image !== null);
  }

  async pullImage(name: string, { onProgress, signal }: EngineProgress): Promise<void> {
    const { registry, reference } = pullReference(name);
    const credentials = await registryCredentials(registry);
    const authconfig =
      credentials === null
        ? undefined
        : credentials.username === ''
          ? { identitytoken: credentials.secret, serveraddress: registry }
          : { username: credentials.username, password: credentials.secret, serveraddress: registry };
    try {
      const stream = await this.#docker.pull(reference, { authconfig, abortSignal: signal });
      let said = '';
      for await (const line of createInterface({ input: stream })) {
        const { error, status, id } = pullSchema.parse(JSON.parse(line));
        if (error !== undefined) throw new Error(error);
        const text = id === undefined ? `${status}` : `${id}: ${status}`;
        if (status !== undefined && text !== said) onProgress((said = text));
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Error && 'code' in error && statusOf(error) === null)
        throw engineError(error, this.#endpoint, `pulling ${name}`);
      throw new HpoError(
        'HPO-2407',
        `the image ${name} could not be pulled: ${wordsOf(error)}`,
        'check its name, the network, and docker login for a private one; an image that is built here can be named too',
        { cause: error },
      );
    }
  }

  async buildImage(request: BuildRequest, progress: EngineProgress): Promise<string> {
    // With all that a build alone needs.
    const { buildImage } = await import('./build.ts');
    try {
      return await buildImage(this.#docker, request, progress);
    } catch (error) {
      progress.signal?.throwIfAborted();
      throw engineError(error, this.#endpoint, `building ${request.name}`);
    }
  }

  async *saveImage(name: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      // Of one that is not there, some versions begin an archive all the same.
      if ((await this.inspectImage(name)) === null) throw noImage(name, undefined);
      const archive = await askStream(this.#docker, `/images/${name}/get`, signal);
      for await (const chunk of archive as AsyncIterable<Buffer>) yield chunk;
    } catch (error) {
      signal?.throwIfAborted();
      throw engineError(error, this.#endpoint, `saving the image ${name}`);
    }
  }

  async removeImage(name: string): Promise<boolean> {
    const answer = await this.#change(`removing the image ${name}`, (abortSignal) =>
      forgiving([404, 409], this.#docker.getImage(name).remove({ abortSignal })),
    );
    return answer !== 409;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#watches.clear();
    return Promise.resolve();
  }

  /** Whoever can talk to the engine can do anything to the machine. */
  #refuseOwnSocket({ mounts }: ContainerSpec): void {
    const socket = socketOf(this.#endpoint);
    if (socket === null) return;
    for (const { source } of mounts) {
      if (!isWithin(realPath(source), realPath(socket)) && !isWithin(source, socket)) continue;
      throw new HpoError(
        'HPO-2405',
        `a container must not get the socket of the engine that it runs on: ${source} has it`,
        'mount a folder without it',
      );
    }
  }

  async #imageVolumes(image: string): Promise<readonly string[]> {
    const known = this.#volumes.get(image);
    if (known !== undefined) return known;
    const found = await this.#look(`the image ${image}`, (abortSignal) => missing(this.#image(image, abortSignal)));
    if (found === null) throw noImage(image, undefined);
    const volumes = Object.keys(found.Config.Volumes ?? {});
    if (image.startsWith('sha256:')) this.#volumes.set(image, volumes);
    return volumes;
  }

  /** Versions; `podman` is null for Docker. */
  async #kind(): Promise<{ readonly version: string; readonly podman: string | null }> {
    if (this.#known !== null) return this.#known;
    const answer = await this.#look('what it is', (abortSignal) => ask<unknown>(this.#docker, '/version', abortSignal));
    const { Version: version, Components } = versionSchema.parse(answer);
    this.#known = { version, podman: Components?.find(({ Name }) => Name.startsWith('Podman'))?.Version ?? null };
    return this.#known;
  }

  #image(name: string, signal: AbortSignal): Promise<Docker.ImageInspectInfo> {
    return ask(this.#docker, `/images/${name}/json`, signal);
  }

  #look<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#ask(what, this.#limits.look, work);
  }

  #change<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#ask(what, this.#limits.change, work);
  }

  /** Rejects with an HpoError whose cause is what the client said. */
  async #ask<T>(what: string, limitMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await limited(limitMs, work);
    } catch (error) {
      throw engineError(error, this.#endpoint, what);
    }
  }
}

/** A client for the endpoint. Dockerode is loaded only now: an agent whose studies are local never needs it. */
export async function openClient({ url, tls }: Endpoint): Promise<Docker> {
  const { default: Client } = await import('dockerode');
  const socketPath = socketOf({ url });
  const nowhere = { host: undefined, port: undefined, socketPath: undefined, protocol: undefined };
  // An idle connection that the engine closed meanwhile would fail the next call, and a new one costs next to nothing.
  if (socketPath !== null) return new Client({ ...nowhere, socketPath, agent: new QuietAgent({ keepAlive: false }) } as object);
  const { hostname, port, protocol } = new URL(url.replace(/^tcp:/, 'http:'));
  const isSecure = tls !== null || protocol === 'https:';
  return new Client({
    ...nowhere,
    host: hostname,
    port: port === '' ? (isSecure ? 2376 : 2375) : Number(port),
    protocol: isSecure ? 'https' : 'http',
    ...tls,
  } as object);
}

/**
 * Before each request the client writes all that belongs to it as text, for a debug log that nobody reads: with the agent's
 * connections and queues that would be most of the processor time that a container costs.
 */
class QuietAgent extends Agent {
  [inspect.custom](): string {
    return 'Agent';
  }
}

const infoSchema = z.object({
  NCPU: z.number(),
  MemTotal: z.number(),
  Architecture: z.string(),
  SecurityOptions: z.nullish(z.array(z.string())),
  Runtimes: z.nullish(z.record(z.string(), z.unknown())),
  DiscoveredDevices: z.nullish(z.array(z.object({ ID: z.string() }))),
});

const versionSchema = z.object({
  Version: z.string(),
  Components: z.nullish(z.array(z.object({ Name: z.string(), Version: z.string() }))),
});

const pullSchema = z.object({ error: z.optional(z.string()), status: z.optional(z.string()), id: z.optional(z.string()) });

/** The kernel's names, and those of images. */
const architectures: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
  ['armv7l', 'arm'],
]);

const statusNames: ReadonlyMap<string, ContainerState['status']> = new Map([
  ['created', 'created'],
  ['configured', 'created'],
  ['initialized', 'created'],
  ['running', 'running'],
  ['restarting', 'running'],
  ['paused', 'paused'],
]);

/** Without a tag the API would pull every one of them. */
function pullReference(name: string): { readonly registry: string; readonly reference: string } {
  const last = name.slice(name.lastIndexOf('/') + 1);
  return { registry: splitImageName(name).registry, reference: /[:@]/.test(last) ? name : `${name}:latest` };
}

/** Podman names the registry of everything, and one of what was made here. */
function namesOf(tags: readonly string[] | null, isPodman: boolean): readonly string[] {
  return (tags ?? [])
    .filter((tag) => tag !== '<none>:<none>')
    .map((tag) => (isPodman ? tag.replace(/^(?:localhost|docker\.io\/library|docker\.io)\//, '') : tag));
}

function noImage(image: string, cause: unknown): HpoError {
  return new HpoError('HPO-2406', `the image ${image} is not there`, 'start the study again: its image is made or pulled anew', {
    cause,
  });
}

/** Null when it worked; the status where that is one of those that are no fault. */
async function forgiving(statuses: readonly number[], call: Promise<unknown>): Promise<number | null> {
  try {
    await call;
    return null;
  } catch (error) {
    const status = statusOf(error);
    if (status !== null && statuses.includes(status)) return status;
    throw error;
  }
}

async function missing<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
