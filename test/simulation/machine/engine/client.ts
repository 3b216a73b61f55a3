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
} from '../../../../agent/engine/engine.ts';
import type { AgentProcess } from '../agentProcess.ts';
import { type EngineDaemon, noAnswer, refused, type Service } from './daemon.ts';

/** How long it may take to greet, to look, to change something and to make an image, in ms. */
const limits = { hello: 5_000, look: 15_000, change: 60_000, make: 600_000 } as const;
/** How late an event can be, in ms. */
const lateMs = 2_000;

/** The engine of a machine as one agent has it: requests and answers take their time, and faults come where the seed says. */
export class SimulatedEngine implements Engine {
  readonly #daemon: EngineDaemon;
  readonly #agent: AgentProcess;
  readonly #watches = new Set<Disposable>();
  /** Containers that this client made and has not started. */
  readonly #fresh = new Set<string>();

  constructor(daemon: EngineDaemon, agent: AgentProcess) {
    this.#daemon = daemon;
    this.#agent = agent;
  }

  /** Rejects where it cannot be used; whoever connects asks first. */
  hello(): Promise<void> {
    return this.#ask('hello', this.#daemon.hello(), limits.hello);
  }

  info(): Promise<EngineInfo> {
    return this.#ask('info', this.#daemon.info());
  }

  async createContainer(spec: ContainerSpec): Promise<'created' | 'exists'> {
    const result = await this.#ask('create', this.#daemon.create(spec), limits.change);
    if (result === 'created') this.#fresh.add(spec.name);
    return result;
  }

  /** As `DockerEngine` does it: the engine itself would run again what has run. */
  async startContainer(name: string): Promise<boolean> {
    if (!this.#fresh.delete(name)) {
      const state = await this.inspectContainer(name);
      if (state === null) return false;
      if (state.status !== 'created') return true;
    }
    return await this.#ask('start', this.#daemon.start(name), limits.change);
  }

  inspectContainer(name: string): Promise<ContainerState | null> {
    return this.#ask('inspect', this.#daemon.inspect(name));
  }

  signalContainer(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<boolean> {
    return this.#ask('signal', this.#daemon.signal(name, signal), limits.change);
  }

  removeContainer(name: string): Promise<void> {
    this.#fresh.delete(name);
    return this.#ask('remove', this.#daemon.remove(name), limits.change);
  }

  listContainers(labels: Labels): Promise<readonly ContainerSummary[]> {
    return this.#ask('list', this.#daemon.list(labels));
  }

  watchContainers(labels: Labels, onChange: (name: string) => void): Disposable {
    const watch = this.#daemon.watch({
      labels,
      onEvent: (name) => {
        const fault = this.#agent.hear('engine.event');
        const tell = (): void => onChange(name);
        if (fault === 'no answer' || fault === 'no answer, done') return;
        this.#agent.later(fault === 'slow' ? lateMs : 1, tell);
        if (fault === 'broken off, done') this.#agent.later(lateMs, tell);
      },
    });
    this.#watches.add(watch);
    return {
      [Symbol.dispose]: () => {
        this.#watches.delete(watch);
        watch[Symbol.dispose]();
      },
    };
  }

  inspectImage(name: string): Promise<ImageInfo | null> {
    return this.#ask('inspectImage', this.#daemon.inspectImage(name));
  }

  listImages(labels: Labels): Promise<readonly ImageInfo[]> {
    return this.#ask('listImages', this.#daemon.listImages(labels));
  }

  pullImage(name: string, progress: EngineProgress): Promise<void> {
    return this.#ask('pull', this.#daemon.pull(name, this.#heard(progress)), limits.make);
  }

  buildImage(request: BuildRequest, progress: EngineProgress): Promise<string> {
    return this.#ask('build', this.#daemon.build(request, this.#heard(progress)), limits.make);
  }

  async *saveImage(name: string): AsyncGenerator<Uint8Array> {
    yield await this.#ask('saveImage', this.#daemon.save(name), limits.make);
  }

  removeImage(name: string): Promise<boolean> {
    return this.#ask('removeImage', this.#daemon.removeImage(name), limits.change);
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches) watch[Symbol.dispose]();
    return Promise.resolve();
  }

  #ask<T>(name: string, service: Service<T>, limitMs: number = limits.look): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#agent.ask(`engine.${name}`, {
      limitMs,
      send: (ms, answer) => this.#daemon.receive(ms, service, answer),
      resolve,
      reject,
      noAnswer,
      refused,
    });
    return promise;
  }

  #heard({ onProgress }: EngineProgress): EngineProgress {
    return { onProgress: (line) => this.#agent.deliver(() => onProgress(line)) };
  }
}
