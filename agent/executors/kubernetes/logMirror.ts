import { join, posix } from 'node:path';
import type { OutputStream } from '../../protocol/events.ts';
import type { System } from '../../system/system.ts';
import { outputFileNames } from '../attempt/outputFile.ts';
import { podPlaces } from './places.ts';
import { type PodEndRecord, type PodFrame, PodLogReader } from './podLog.ts';

export interface MirrorOptions {
  readonly system: System;
  /** The attempt's folder. */
  readonly dir: string;
  /** Uid of the pod. */
  readonly nonce: string;
  /** Whose bytes are kept: nothing else that is in a log becomes a file. */
  readonly streams: ReadonlySet<OutputStream>;
  /** Most bytes of one. */
  readonly maxBytes: number;
  readonly onBegin: () => void;
  readonly onOutput: () => void;
  /** Nothing more is to be read. */
  readonly onEnd: () => void;
  /** Bytes of a file in the pod, as many as there are; null where they cannot be had. */
  readonly fetch: (path: string, from: number, count: number) => Promise<Uint8Array | null>;
}

/** Bytes that are read and not written yet, above which it is better to read them again later. */
const maxWaiting = 64 * 1024 * 1024;
const pieceBytes = 4 * 1024 * 1024;
const newline = 0x0a;

/**
 * The files of an attempt as its pod has them, from the pod's log: what was read before is skipped, and what is missing is fetched from
 * the pod. What cannot be had any more is said in its place, in as many bytes, so that all others stay where they belong.
 */
export class LogMirror {
  /** The end that the pod told, once all before it is written. */
  end: PodEndRecord | null = null;
  /** Why the pod could not begin the program. */
  fault: string | null = null;
  hasBegun = false;
  /** Bytes that the log lacks and that may be in an earlier part of it: it is to be read from its beginning. */
  lacksEarlier = false;
  readonly #options: MirrorOptions;
  readonly #sizes = new Map<OutputStream, number>();
  #reader: PodLogReader | null = null;
  #isWhole = false;
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Bytes of files from which metrics are read that cannot be had any more. */
  #lostReports = 0;
  #failure: unknown;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** Whether nothing more comes. */
  get isOver(): boolean {
    return this.end !== null || this.fault !== null;
  }

  /** Whether reading should stop for now and go on later from here. */
  get isFull(): boolean {
    return this.#waiting > maxWaiting || this.#failure !== undefined;
  }

  /** Another reading of the log; a whole one begins where the log does. */
  begin(isWhole: boolean): void {
    this.#isWhole = isWhole;
    this.lacksEarlier = false;
    this.#failure = undefined;
    // What an earlier one still has to write is of the same bytes.
    this.#reader = new PodLogReader(this.#options.nonce, (frame) => this.#add(frame));
  }

  push(bytes: Uint8Array): void {
    this.#reader?.push(bytes);
  }

  /** Resolves when all that was read is written; rejects where the disk takes it not. */
  async settled(): Promise<void> {
    await this.#work;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Where there is no log any more: what is missing is lost, but for the ends of output and metrics. */
  async complete(
    { out, metrics }: PodEndRecord,
    { tail, reported }: { readonly tail: string; readonly reported: string },
  ): Promise<void> {
    await this.settled();
    this.#tellBegin();
    const { maxBytes } = this.#options;
    for (const [stream, to, last] of [
      ['out', out, tail],
      ['metrics', metrics, reported],
    ] as const) {
      const size = await this.#size(stream);
      const end = Math.min(to, maxBytes);
      if (size >= end) continue;
      const known = to === end ? new TextEncoder().encode(last).slice(-(end - size)) : new Uint8Array();
      if (end - known.length > size) await this.#fill(stream, size, end - known.length);
      await this.#write(stream, end - known.length, known);
    }
    await this.#tellLost();
  }

  /** Before the first byte of it is there. */
  #tellBegin(): void {
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.#options.onBegin();
  }

  #add(frame: PodFrame): void {
    const size = frame.type === 'bytes' ? frame.bytes.length : 0;
    this.#waiting += size;
    this.#work = this.#work.then(async () => {
      this.#waiting -= size;
      if (this.#failure !== undefined || this.lacksEarlier || this.isOver) return;
      await this.#take(frame).catch((error: unknown) => (this.#failure = error));
    });
  }

  async #take(frame: PodFrame): Promise<void> {
    if (frame.type === 'fault') {
      this.fault = frame.reason;
      return this.#options.onEnd();
    }
    this.#tellBegin();
    if (frame.type === 'bytes') await this.#takeBytes(frame.stream, frame.offset, frame.bytes);
    else if (frame.type === 'end') {
      for (const stream of ['out', 'metrics'] as const) {
        await this.#reach(stream, Math.min(frame.end[stream], this.#options.maxBytes));
        if (this.lacksEarlier) return;
      }
      await this.#tellLost();
      this.end = frame.end;
      this.#options.onEnd();
    }
  }

  async #takeBytes(stream: OutputStream, offset: number, bytes: Uint8Array): Promise<void> {
    const { streams, maxBytes } = this.#options;
    if (!streams.has(stream) || offset + bytes.length > maxBytes) return;
    const size = await this.#size(stream);
    if (offset + bytes.length <= size) return;
    await this.#reach(stream, offset);
    if (this.lacksEarlier) return;
    const known = await this.#size(stream);
    await this.#write(stream, known, bytes.subarray(known - offset));
  }

  /** Sees to it that a file has so many bytes. */
  async #reach(stream: OutputStream, to: number): Promise<void> {
    let size = await this.#size(stream);
    if (size >= to) return;
    if (!this.#isWhole) {
      this.lacksEarlier = true;
      return;
    }
    const path = podPath(stream);
    while (size < to) {
      const bytes = await this.#options.fetch(path, size, Math.min(pieceBytes, to - size));
      if (bytes === null || bytes.length === 0) break;
      await this.#write(stream, size, bytes);
      size += bytes.length;
    }
    if (size < to) await this.#fill(stream, size, to);
  }

  async #fill(stream: OutputStream, from: number, to: number): Promise<void> {
    const count = to - from;
    if (stream !== 'out') this.#lostReports += count;
    const said = stream === 'out' ? `\n[hpo: ${count} bytes of output are lost: the node removed this part of the log]\n` : '';
    const text = new TextEncoder().encode(said.length <= count ? said : '');
    for (let at = from; at < to; at += pieceBytes) {
      const piece = new Uint8Array(Math.min(pieceBytes, to - at)).fill(newline);
      if (at === from) piece.set(text.subarray(0, piece.length));
      await this.#write(stream, at, piece);
    }
  }

  /** At the end of the output, as nothing but records can stand in their own place. */
  async #tellLost(): Promise<void> {
    if (this.#lostReports === 0) return;
    const said = `\n[hpo: ${this.#lostReports} bytes of what was reported are lost: the node removed this part of the log]\n`;
    const text = new TextEncoder().encode(said);
    this.#lostReports = 0;
    const size = await this.#size('out');
    if (size + text.length < this.#options.maxBytes) await this.#write('out', size, text);
  }

  async #write(stream: OutputStream, at: number, bytes: Uint8Array): Promise<void> {
    const { files } = this.#options.system;
    const path = this.#path(stream);
    if (stream.includes('/')) await files.makeFolder(posix.dirname(path));
    await files.writeAt(path, at, bytes);
    this.#sizes.set(stream, at + bytes.length);
    this.#options.onOutput();
  }

  async #size(stream: OutputStream): Promise<number> {
    const known = this.#sizes.get(stream) ?? (await this.#options.system.files.stat(this.#path(stream)))?.size ?? 0;
    this.#sizes.set(stream, known);
    return known;
  }

  #path(stream: OutputStream): string {
    return join(this.#options.dir, stream === 'out' || stream === 'metrics' ? outputFileNames[stream] : stream);
  }
}

/** Those whose bytes an attempt's folder has; a path that leaves the work folder names none. */
export function mirroredStreams(metricFiles: readonly string[]): ReadonlySet<OutputStream> {
  const files = metricFiles.filter((path) => posix.join('work', path).startsWith('work/') && !posix.isAbsolute(path));
  return new Set<OutputStream>(['out', 'metrics', ...files.map((path) => `work/${path}` as const)]);
}

function podPath(stream: OutputStream): string {
  if (stream === 'out' || stream === 'metrics') return posix.join(podPlaces.attempt, outputFileNames[stream]);
  return posix.join(podPlaces.work, stream.slice('work/'.length));
}
