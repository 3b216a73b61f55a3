import { Disk, type FileNode } from '../disk.ts';
import { consolePath, MountedDisk } from '../engine/mountedDisk.ts';
import { Kernel, type Process } from '../kernel.ts';
import { type Program, type ProgramDisk, type ProgramTime, runProgram } from '../program.ts';
import { ContainerLog } from './containerLog.ts';
import type { KubeObjects, ObjectStore } from './objectStore.ts';
import { podProgramOf, runPodProgram } from './podProgram.ts';

type Pod = KubeObjects['Pod'];
type PodSpec = NonNullable<Pod['spec']>;
type Container = PodSpec['containers'][number];
type Volume = NonNullable<PodSpec['volumes']>[number];

/** What a pod needs of the node under it. */
export interface PodHost {
  readonly timeline: ProgramTime;
  readonly kernel: Kernel;
  readonly wallTime: () => number;
  readonly store: ObjectStore;
  /** What is kept in volume claims: a folder for each. */
  readonly claims: Disk;
  readonly program: (command: readonly string[]) => Program | null;
  /** How long one step of a shell takes, in ms. */
  readonly stepMs: () => number;
}

/** How the first process of a container ended. */
export interface ContainerEnd {
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly finishedAt: Date;
}

const maxMessageBytes = 4_096;
const messagePath = '/dev/termination-log';

/** A pod as it is on its node, whatever its kubelet and the API server do meanwhile: what runs in it is the kernel's. */
export class PodRun {
  readonly pod: Pod;
  readonly kernel: Kernel;
  readonly log: ContainerLog;
  /** As its program sees it; null until it has begun. */
  disk: MountedDisk | null = null;
  startedAt: Date | null = null;
  end: ContainerEnd | null = null;
  /** The kernel said that memory was short. */
  isOutOfMemory = false;
  onEnd: (() => void) | null = null;
  readonly #host: PodHost;
  #main: Process | null = null;
  #nKills = 0;

  constructor(pod: Pod, host: PodHost) {
    this.pod = pod;
    this.#host = host;
    this.kernel = new Kernel(host.timeline, host.kernel);
    this.log = new ContainerLog(host.wallTime);
  }

  get name(): string {
    return this.pod.metadata?.name ?? '';
  }

  get uid(): string {
    return this.pod.metadata?.uid ?? '';
  }

  get isRunning(): boolean {
    return this.startedAt !== null && this.end === null;
  }

  get container(): Container {
    const [container] = this.pod.spec?.containers ?? [];
    if (container === undefined) throw new RangeError(`${this.name} has no container`);
    return container;
  }

  /** What its container is told, with the values of Secrets. */
  get environment(): Readonly<Record<string, string>> {
    const entries = (this.container.env ?? []).map(({ name, value, valueFrom }): [string, string] => {
      const field = valueFrom?.fieldRef?.fieldPath;
      if (field !== undefined) return [name, field === 'metadata.uid' ? this.uid : this.name];
      const secret = valueFrom?.secretKeyRef;
      if (secret === undefined) return [name, literal(value ?? '')];
      return [name, decode(this.#host.store.get('Secret', secret.name ?? '')?.data?.[secret.key] ?? '')];
    });
    return { PATH: '/usr/bin', ...Object.fromEntries(entries) };
  }

  /** A ConfigMap or Secret that it needs and that is not there; null when all are. */
  get missing(): string | null {
    const { store } = this.#host;
    for (const volume of this.pod.spec?.volumes ?? [])
      for (const { kind, name } of objectsOf(volume))
        if (store.get(kind, name) === null) return `${kind.toLowerCase()} "${name}" not found`;
    for (const { valueFrom } of this.container.env ?? []) {
      const name = valueFrom?.secretKeyRef?.name;
      if (name !== undefined && store.get('Secret', name) === null) return `secret "${name}" not found`;
    }
    return null;
  }

  start(): void {
    const { timeline, program, stepMs } = this.#host;
    const disk = this.#mount();
    this.disk = disk;
    this.startedAt = this.#now();
    const { command = [], args = [] } = this.container;
    const line = [...command, ...args].map(literal);
    const environment = this.environment;
    const ours = podProgramOf(line);
    if (ours === null) {
      const folder = this.container.workingDir ?? '/';
      this.#main = this.#runPlain(program(line), line, folder, disk, environment);
    } else {
      this.#main = runPodProgram(this.kernel, timeline, disk, {
        args: ours,
        environment,
        program,
        stepMs,
        messagePath,
        print: (bytes) => this.log.write(bytes),
        kills: () => this.#nKills,
      });
    }
    this.#main.onEnd = (code) => this.#ended(code);
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.isRunning && this.#main !== null) this.kernel.send(this.#main.pid, signal);
  }

  /** The kernel kills for want of memory what takes the most of it. */
  runOutOfMemory(victim: Process): void {
    this.isOutOfMemory = true;
    this.#nKills++;
    this.kernel.send(victim.pid, 'SIGKILL');
  }

  /** All ends without a word; the kubelet finds so when it is back, and knows no exit code. */
  cutPower(): void {
    if (!this.isRunning) return;
    this.kernel.cutPower();
    this.log.breakOff();
    this.end = {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was terminated',
      finishedAt: this.#now(),
    };
  }

  #runPlain(
    found: Program | null,
    line: readonly string[],
    folder: string,
    disk: MountedDisk,
    environment: Readonly<Record<string, string>>,
  ): Process {
    const printing: ProgramDisk = {
      stat: (path, followsLast) => disk.stat(path, followsLast),
      readText: (path) => disk.readText(path),
      writeText: (path, text) => disk.writeText(path, text),
      create: (path, keeps) => disk.create(path, keeps),
      rename: (from, to) => disk.rename(from, to),
      truncate: (path, size) => disk.truncate(path, size),
      append: (file: FileNode, text: string, path: string) => {
        if (path === consolePath) this.log.write(new TextEncoder().encode(text));
        else disk.append(file, text, path);
      },
    };
    return runProgram(this.kernel, this.#host.timeline, printing, {
      program: line[2] === 'rm -rf "$0"' ? removing(disk, line[3] ?? '') : (found ?? notFound),
      args: line.slice(1),
      environment,
      folder,
      output: disk.create(consolePath, true),
      outputPath: consolePath,
      mark: '',
      parentGroup: 1,
    });
  }

  /** With its first process all others of its namespace end. */
  #ended(code: number): void {
    this.kernel.endAll();
    this.log.end();
    this.end = {
      exitCode: code,
      reason: this.isOutOfMemory ? 'OOMKilled' : code === 0 ? 'Completed' : 'Error',
      message: this.#message(code),
      finishedAt: this.#now(),
    };
    this.onEnd?.();
  }

  /** Seen on a real node: what is longer than 4,096 bytes is cut off at its end. */
  #message(code: number): string {
    const { disk } = this;
    const written = disk !== null && disk.stat(messagePath) !== null ? disk.readText(messagePath) : '';
    if (written === '' && code !== 0 && this.container.terminationMessagePolicy === 'FallbackToLogsOnError')
      return this.log.text.slice(-2_048);
    return Buffer.from(written).subarray(0, maxMessageBytes).toString();
  }

  /** Its volumes, in the places where its container has them. */
  #mount(): MountedDisk {
    const { timeline, wallTime, claims } = this.#host;
    const own = new Disk(() => timeline.now, wallTime);
    const memory = new Disk(() => timeline.now, wallTime);
    memory.makeFolder('/dev');
    memory.writeText(messagePath, '');
    const mounts = (this.container.volumeMounts ?? []).map(({ name, mountPath, subPath, readOnly }) => {
      const volume = this.pod.spec?.volumes?.find((one) => one.name === name);
      const claim = volume?.persistentVolumeClaim?.claimName;
      const disk = claim === undefined ? own : claims;
      const folder = claim === undefined ? `/volumes/${name}` : `/${claim}`;
      const source = subPath === undefined || subPath === '' ? folder : `${folder}/${subPath}`;
      if (volume !== undefined) this.#fill(own, volume);
      if (disk.stat(source) === null) disk.makeFolder(source);
      const isObject = volume?.configMap !== undefined || volume?.projected !== undefined || volume?.secret !== undefined;
      return { source, target: mountPath, isReadOnly: readOnly === true || isObject, disk };
    });
    return new MountedDisk(own, { mounts, tmpfs: {} }, memory);
  }

  #fill(own: Disk, volume: Volume): void {
    const folder = `/volumes/${volume.name}`;
    if (own.stat(folder) !== null) return;
    own.makeFolder(folder);
    const { store } = this.#host;
    for (const { kind, name, items } of objectsOf(volume)) {
      for (const [key, text] of Object.entries(dataOf(store, kind, name))) {
        const item = items?.find((one) => one.key === key);
        if (items !== undefined && item === undefined) continue;
        const path = `${folder}/${item?.path ?? key}`;
        own.makeFolder(path.slice(0, path.lastIndexOf('/')));
        own.writeText(path, text);
      }
    }
  }

  #now(): Date {
    return new Date(Math.floor(this.#host.wallTime() / 1000) * 1000);
  }
}

interface ObjectSource {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  readonly items: readonly { readonly key: string; readonly path: string }[] | undefined;
}

function objectsOf({ configMap, secret, projected }: Volume): ObjectSource[] {
  const found: ObjectSource[] = [];
  if (configMap !== undefined) found.push({ kind: 'ConfigMap', name: configMap.name ?? '', items: configMap.items });
  if (secret !== undefined) found.push({ kind: 'Secret', name: secret.secretName ?? '', items: secret.items });
  for (const source of projected?.sources ?? []) {
    if (source.configMap !== undefined)
      found.push({ kind: 'ConfigMap', name: source.configMap.name ?? '', items: source.configMap.items });
    if (source.secret !== undefined) found.push({ kind: 'Secret', name: source.secret.name ?? '', items: source.secret.items });
  }
  return found;
}

function dataOf(store: ObjectStore, kind: 'ConfigMap' | 'Secret', name: string): Readonly<Record<string, string>> {
  const decoded = (all: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(Object.entries(all).map(([key, value]) => [key, decode(value)]));
  if (kind === 'Secret') {
    const secret = store.get(kind, name);
    return { ...decoded(secret?.data), ...secret?.stringData };
  }
  const map = store.get(kind, name);
  return { ...map?.data, ...decoded(map?.binaryData) };
}

/** As a kubelet reads arguments and values, where no variable is named in them. */
function literal(text: string): string {
  return text.replaceAll('$$', '$');
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}

/** What sh does that is told to remove a folder. */
function removing(disk: MountedDisk, path: string): Program {
  return function* remove() {
    yield 5;
    disk.remove(path);
    return 0;
  };
}

/** As a container ends whose program is not there. */
// oxlint-disable-next-line require-yield -- it ends at once
const notFound: Program = function* missing() {
  return 128;
};
