import { createHash } from 'node:crypto';
import type { Rng } from '../../../../agent/core/math/index.ts';
import type {
  BuildRequest,
  ContainerSpec,
  ContainerState,
  ContainerSummary,
  EngineInfo,
  EngineProgress,
  ImageInfo,
  Labels,
} from '../../../../agent/engine/engine.ts';
import type { ImageReference } from '../../../../agent/protocol/study.ts';
import { HpoError } from '../../../../agent/protocol/errors.ts';
import { Container, type ContainerHost } from './container.ts';
import { savedImage } from './savedImage.ts';

/** What an engine does for one request: yields the milliseconds that it works, returns the answer. It can die at each yield. */
export type Service<T> = Generator<number, T, undefined>;

/** Who waits for an answer. */
export interface Waiting<T> {
  readonly resolve: (answer: T) => void;
  readonly reject: (error: Error) => void;
}

export interface Watcher {
  readonly labels: Labels;
  readonly onEvent: (name: string) => void;
}

interface Image {
  readonly id: string;
  readonly names: Set<string>;
  readonly labels: Labels;
  readonly createdAt: number;
  readonly environment: readonly string[];
}

export const endpoint = 'unix:///var/run/docker.sock';

/**
 * The engine's own process on a machine: containers and images that many agents, and users, see and change. It can be stopped,
 * hang, and be closed to its users for a while; what its containers do meanwhile is the machine's.
 */
export class EngineDaemon {
  /** Whether containers go on when it ends. */
  readonly keepsContainers: boolean;
  readonly #host: ContainerHost;
  readonly #rng: Rng;
  readonly #containers = new Map<string, Container>();
  readonly #images = new Map<string, Image>();
  readonly #watchers = new Set<Watcher>();
  /** What came while it hangs; null while it does not. */
  #held: (() => void)[] | null = null;
  /** Requests that have not reached it. */
  #nOnTheirWay = 0;
  #isDown = false;
  #isDenied = false;
  /** Requests that it works on. */
  readonly #served = new Set<(error: Error) => void>();
  #life = 0;
  #nContainers = 0;
  /** What a step makes anew is not the same bytes; what is in the cache is. */
  #cache = 0;

  constructor(host: ContainerHost, rng: Rng) {
    this.#host = host;
    this.#rng = rng;
    this.keepsContainers = rng.next() < 0.4;
  }

  // Requests

  /** Takes a request that is on its way for so long. */
  receive<T>(ms: number, service: Service<T>, waiting: Waiting<T>): void {
    this.#nOnTheirWay++;
    this.#host.timeline.after(ms, () => {
      this.#nOnTheirWay--;
      this.#serve(service, waiting);
    });
  }

  #serve<T>(service: Service<T>, waiting: Waiting<T>): void {
    if (this.#isDown) return waiting.reject(notRunning());
    if (this.#isDenied) return waiting.reject(denied());
    const life = this.#life;
    this.#served.add(waiting.reject);
    const goOn = (): void => {
      if (life !== this.#life) return;
      if (this.#held !== null) return void this.#held.push(goOn);
      try {
        const { done, value } = service.next();
        if (done !== true) return void this.#host.timeline.after(value, goOn);
        this.#served.delete(waiting.reject);
        waiting.resolve(value);
      } catch (error) {
        this.#served.delete(waiting.reject);
        waiting.reject(error instanceof HpoError ? error : refused(String(error)));
      }
    };
    goOn();
  }

  *hello(): Service<void> {
    yield 0.5;
  }

  *info(): Service<EngineInfo> {
    yield 1;
    return {
      name: 'Docker 28.2',
      endpoint: `${endpoint} (default)`,
      architecture: 'amd64',
      cpus: 4,
      memoryBytes: 16 * 2 ** 30,
      isRootless: false,
      hasGpus: false,
    };
  }

  *create(spec: ContainerSpec): Service<'created' | 'exists'> {
    const { disk } = this.#host;
    yield 1;
    // The name is taken from here on, though nothing else sees the container before it is made.
    if (this.#containers.has(spec.name)) return 'exists';
    const image = this.#imageOf(spec.image);
    if (image === null) throw new HpoError('HPO-2406', `there is no image ${spec.image}`, 'make it again');
    const id = createHash('sha256')
      .update(`${spec.name} ${this.#nContainers++}`)
      .digest('hex');
    const container = new Container(id, spec, this.#host, () => this.#tell(container));
    this.#containers.set(spec.name, container);
    yield this.#tookMs(20);
    if (disk.isFull) {
      this.#containers.delete(spec.name);
      throw refused('mkdir /var/lib/docker: no space left on device');
    }
    const missing = container.missingSource;
    if (missing !== null) {
      this.#containers.delete(spec.name);
      throw refused(`invalid mount config for type "bind": bind source path does not exist: ${missing}`);
    }
    container.isMade = true;
    yield this.#tookMs(2);
    return 'created';
  }

  /** Runs what does not run, also what has run before. */
  *start(name: string): Service<boolean> {
    yield this.#tookMs(60);
    const container = this.#made(name);
    if (container === null) return false;
    if (container.isBeingRemoved) throw refused('container is marked for removal and cannot be started');
    if (container.status === 'paused') throw refused('cannot start a paused container, try unpause instead');
    if (container.status === 'running') return true;
    try {
      container.start(this.#environmentOf(container));
    } catch (error) {
      container.error = String(error);
      throw refused(`failed to create task for container: ${container.error}`);
    }
    yield this.#tookMs(20);
    return true;
  }

  *inspect(name: string): Service<ContainerState | null> {
    yield 0.5;
    return this.#made(name)?.state ?? null;
  }

  *signal(name: string, signal: 'SIGTERM' | 'SIGKILL'): Service<boolean> {
    yield 2;
    return this.#made(name)?.signal(signal) ?? false;
  }

  *remove(name: string): Service<void> {
    yield 1;
    const container = this.#made(name);
    if (container === null) return;
    if (!container.isBeingRemoved) {
      container.isBeingRemoved = true;
      container.signal('SIGKILL');
      yield this.#tookMs(30);
      this.#drop(container);
      return;
    }
    // Somebody else is at it.
    while (this.#containers.get(name) === container) yield 20;
  }

  *list(labels: Labels): Service<readonly ContainerSummary[]> {
    yield 1;
    const found = [...this.#containers.values()].filter(({ isMade, spec }) => isMade && hasLabels(spec.labels, labels));
    return found.map(({ spec, isRunning, status }) => ({
      name: spec.name,
      labels: spec.labels,
      isRunning,
      isPaused: status === 'paused',
    }));
  }

  *inspectImage(name: string): Service<ImageInfo | null> {
    yield 0.5;
    const image = this.#imageOf(name);
    return image === null ? null : infoOf(image);
  }

  *listImages(labels: Labels): Service<readonly ImageInfo[]> {
    yield 2;
    return [...this.#images.values()].filter((image) => hasLabels(image.labels, labels)).map(infoOf);
  }

  /** Whatever is asked for can be had, but for names that say that they are missing. */
  *pull(name: string, progress: EngineProgress): Service<void> {
    progress.onProgress(`pulling ${name}`);
    yield this.#tookMs(400);
    if (name.includes('missing'))
      throw new HpoError('HPO-2407', `pull access denied for ${name}`, 'look at the name of the image');
    this.#tag(name, idOf(name), {}, []);
  }

  *build(request: BuildRequest, progress: EngineProgress): Service<string> {
    const file = request.context.find(({ path }) => path === request.dockerfile);
    const text = new TextDecoder().decode(file?.content);
    for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
      progress.onProgress(line);
      yield this.#tookMs(100);
      if (/^RUN (false|exit [1-9])/.test(line))
        throw new HpoError('HPO-2408', `the image could not be built: ${line}`, 'mend the step that failed');
    }
    if (this.#host.disk.isFull) throw new HpoError('HPO-2408', 'the image could not be built: no space left on device', '');
    if (request.isFresh) this.#cache++;
    const id = buildId(text, request.arguments, this.#cache);
    const variables = [...text.matchAll(/^ENV (\w+)=(\S*)/gm)].map(([, name, value]) => `${name}=${value}`);
    this.#tag(request.name, id, request.labels, variables);
    return id;
  }

  /** An archive of one layer, with what the image is. */
  *save(name: string): Service<Uint8Array> {
    yield this.#tookMs(200);
    const image = this.#imageOf(name);
    if (image === null) throw new HpoError('HPO-2406', `there is no image ${name}`, 'make it again');
    return savedImage(infoOf(image));
  }

  *removeImage(name: string): Service<boolean> {
    yield 5;
    const image = this.#imageOf(name);
    if (image === null) return true;
    if (this.#isUsed(image)) return false;
    this.#untag(image, name);
    return true;
  }

  /** Hears of containers with the labels while the engine runs. */
  watch(watcher: Watcher): Disposable {
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  // What befalls it

  get isDown(): boolean {
    return this.#isDown;
  }

  /** It cannot be asked, or has not come to all that it was asked. */
  get isAway(): boolean {
    return this.#isDown || this.#isDenied || this.#held !== null || this.#served.size > 0 || this.#nOnTheirWay > 0;
  }

  /** It ends, in order or killed, and comes again after a while; `onKill` hears of containers that it then ends. */
  restart(isKilled: boolean, downMs: number, onKill: (container: Container) => void = () => undefined): void {
    if (this.#isDown) return;
    this.#stop();
    if (!this.keepsContainers && !isKilled) for (const container of this.containers) container.signal('SIGTERM');
    this.#host.timeline.after(downMs, () => {
      this.#isDown = false;
      if (this.keepsContainers) return;
      for (const container of this.containers) {
        if (container.isRunning) onKill(container);
        container.signal('SIGKILL');
      }
    });
  }

  /** It takes requests and answers none, until it goes on with all of them. */
  hang(ms: number): void {
    if (this.#held !== null || this.#isDown) return;
    const held: (() => void)[] = [];
    this.#held = held;
    this.#host.timeline.after(ms, () => {
      if (this.#held !== held) return;
      this.#held = null;
      for (const goOn of held) goOn();
    });
  }

  /** Its socket is not the user's any more, for a while. */
  deny(ms: number): void {
    if (this.#isDenied) return;
    this.#isDenied = true;
    this.#host.timeline.after(ms, () => {
      this.#isDenied = false;
    });
  }

  /** With its machine; it is there again some seconds after it. */
  cutPower(): void {
    if (!this.#isDown) {
      this.#stop();
      this.#host.timeline.after(1_000 + 9_000 * this.#rng.next(), () => {
        this.#isDown = false;
      });
    }
    for (const container of this.#containers.values()) container.cutPower();
  }

  /** All that are made, for who looks past every client. */
  get containers(): readonly Container[] {
    return [...this.#containers.values()].filter(({ isMade }) => isMade);
  }

  /** Somebody else removes one. */
  removeAtOnce(container: Container): void {
    container.signal('SIGKILL');
    this.#drop(container);
  }

  get images(): readonly ImageInfo[] {
    return [...this.#images.values()].map(infoOf);
  }

  /** Somebody else makes one. */
  addImage({ name, id }: Pick<ImageReference, 'name' | 'id'>): void {
    this.#tag(name, id, {}, []);
  }

  /** Somebody else removes one by force, whoever uses it. */
  dropImage(id: string): void {
    this.#images.delete(id);
  }

  /** Somebody frees the disk: what is built from here on is not the same bytes as before. */
  dropCache(): void {
    this.#cache++;
  }

  #stop(): void {
    this.#life++;
    this.#isDown = true;
    this.#held = null;
    for (const reject of this.#served) reject(broken());
    this.#served.clear();
    for (const container of this.#containers.values()) {
      if (!container.isMade) this.#containers.delete(container.spec.name);
      container.isBeingRemoved = false;
    }
  }

  #drop(container: Container): void {
    if (this.#containers.get(container.spec.name) !== container) return;
    this.#containers.delete(container.spec.name);
    this.#tell(container);
  }

  #made(name: string): Container | null {
    const container = this.#containers.get(name);
    return container?.isMade === true ? container : null;
  }

  #tell({ spec }: Container): void {
    if (this.#isDown) return;
    for (const { labels, onEvent } of this.#watchers) if (hasLabels(spec.labels, labels)) onEvent(spec.name);
  }

  #imageOf(name: string): Image | null {
    const wanted = tagged(name);
    return [...this.#images.values()].find(({ id, names }) => id === name || names.has(wanted)) ?? null;
  }

  #isUsed({ id }: Image): boolean {
    return [...this.#containers.values()].some(({ spec }) => this.#imageOf(spec.image)?.id === id);
  }

  #tag(name: string, id: string, labels: Labels, environment: readonly string[]): void {
    for (const image of this.#images.values()) image.names.delete(tagged(name));
    const image = this.#images.get(id) ?? { id, names: new Set(), labels, createdAt: this.#host.wallTime(), environment };
    image.names.add(tagged(name));
    this.#images.set(id, image);
  }

  #untag(image: Image, name: string): void {
    image.names.delete(tagged(name));
    if (name === image.id || image.names.size === 0) this.#images.delete(image.id);
  }

  #environmentOf({ spec }: Container): Readonly<Record<string, string>> {
    const own = this.#imageOf(spec.image)?.environment.map((line): [string, string] => {
      const cut = line.indexOf('=');
      return [line.slice(0, cut), line.slice(cut + 1)];
    });
    return { PATH: '/usr/bin', ...Object.fromEntries(own ?? []), ...spec.environment };
  }

  /** Mostly about so long, now and then ten times as long. */
  #tookMs(meanMs: number): number {
    return this.#rng.next() < 0.02 ? 10 * meanMs : 2 * meanMs * this.#rng.next();
  }
}

function infoOf({ id, names, labels, createdAt, environment }: Image): ImageInfo {
  return { id, names: [...names], labels, bytes: 1e8, createdAt, environment };
}

function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

function tagged(name: string): string {
  return name.startsWith('sha256:') || /:[^/]*$/.test(name) ? name : `${name}:latest`;
}

/** Id of the image that a Dockerfile makes; another one each time that the cache was lost. */
export function buildId(dockerfile: string, args: Readonly<Record<string, string>>, cache = 0): string {
  return idOf(`${dockerfile}${JSON.stringify(args)}${cache}`);
}

function idOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

export const notRunning = (): HpoError => new HpoError('HPO-2402', `Docker does not run (${endpoint})`, 'start it');
export const denied = (): HpoError => new HpoError('HPO-2403', `permission denied on ${endpoint}`, 'ask for it');
export const noAnswer = (): HpoError => new HpoError('HPO-2404', `Docker does not answer (${endpoint})`, 'look at it');
export const broken = (): HpoError => new HpoError('HPO-2404', `Docker broke off (${endpoint})`, 'look at it');
export const refused = (why: string): HpoError => new HpoError('HPO-2405', `Docker refused: ${why}`, 'look at it');
