import type { OutputStream } from '../../protocol/events.ts';

/**
 * What a pod of ours writes as its log. Beside the shim, which is the same as everywhere and writes the attempt's files in a volume of
 * the pod, a small program (`podProgram.ts`) copies what is new in them: a line that says of which file the next bytes are and where
 * in it they begin, the bytes, and an end of line. So a reader knows of all bytes where they belong, whatever it reads twice or
 * misses: over cut connections, restarts of the agent, and logs that the node rotated.
 *
 * ```
 * ␞hpo NONCE bytes OFFSET LENGTH STREAM↵ BYTES ↵
 * ␞hpo NONCE begin↵            once, when the program is about to start
 * ␞hpo NONCE alive↵            now and then, when there is nothing else to say
 * ␞hpo NONCE fault TEXT↵       the program cannot be started; nothing follows
 * ␞hpo NONCE end {"out":BYTES,"metrics":BYTES,"kills":N,"shim":CODE,"exit":{…}}↵      after all bytes; again and again until it has been read
 * ```
 * NONCE is the uid of the pod, which its program is not told. The first line of the container's termination message is the object of
 * `end` (or `{"fault":TEXT}`). After that of `end` follow a line with a number, so many bytes of whole lines with which the metrics end, and the
 * last bytes of the output, one character for each byte.
 */
export type PodFrame =
  | { readonly type: 'bytes'; readonly stream: OutputStream; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: 'begin' | 'alive' }
  | { readonly type: 'fault'; readonly reason: string }
  | { readonly type: 'end'; readonly end: PodEndRecord };

/** How the shim, or what it ran under, ended. */
export interface PodEndRecord {
  /** Bytes of each that there were. */
  readonly out: number;
  readonly metrics: number;
  /** Kills for want of memory in the container, by the kernel. */
  readonly kills: number;
  /** Exit code of the shim itself. */
  readonly shim: number;
  /** The shim's record as it wrote it; null where it did not live to. */
  readonly exit: Readonly<Record<string, unknown>> | null;
}

const rs = 0x1e;
const lineEnd = 0x0a;
/** Longer than any line of ours, which name a file at most. */
const maxLineBytes = 16_384;
/** As the pod cuts what it sends. */
const maxPieceBytes = 262_144;

/** Finds our frames in a log, from wherever it begins, over whatever else is in it. */
export class PodLogReader {
  readonly #mark: Uint8Array;
  readonly #onFrame: (frame: PodFrame) => void;
  #rest: Uint8Array = new Uint8Array();

  constructor(nonce: string, onFrame: (frame: PodFrame) => void) {
    this.#mark = new TextEncoder().encode(`\u001Ehpo ${nonce} `);
    this.#onFrame = onFrame;
  }

  push(bytes: Uint8Array): void {
    const all = this.#rest.length === 0 ? bytes : joined(this.#rest, bytes);
    let at = 0;
    for (;;) {
      const begin = indexOf(all, this.#mark, at);
      if (begin < 0) {
        // The beginning of a mark may be at the end.
        at = Math.max(at, all.length - this.#mark.length + 1);
        break;
      }
      const next = this.#frame(all, begin);
      if (next === null) {
        at = begin;
        break;
      }
      at = next;
    }
    this.#rest = all.slice(at);
  }

  /** Where to go on after the frame that begins there; null while it is not all there. */
  #frame(all: Uint8Array, begin: number): number | null {
    const from = begin + this.#mark.length;
    const end = all.indexOf(lineEnd, from);
    if (end < 0) return all.length - from > maxLineBytes ? from : null;
    const line = new TextDecoder().decode(all.subarray(from, end));
    const [, offset = '', length = '', stream = ''] = /^bytes (\d{1,15}) (\d{1,6}) (.+)$/.exec(line) ?? [];
    if (stream === '') {
      const frame = readLine(line);
      if (frame !== null) this.#onFrame(frame);
      return end + 1;
    }
    const size = Number(length);
    if (size > maxPieceBytes || !isStream(stream)) return end + 1;
    const after = end + 1 + size;
    if (all.length <= after) return null;
    // Anything else is no whole frame: a part of the log is missing.
    if (all[after] !== lineEnd) return end + 1;
    this.#onFrame({ type: 'bytes', stream, offset: Number(offset), bytes: all.slice(end + 1, after) });
    return after + 1;
  }
}

export function parseEnd(text: string): PodEndRecord | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('exit' in value)) return null;
    const number = (name: string): number => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any object is a record of unknowns
      const found = (value as Readonly<Record<string, unknown>>)[name];
      return typeof found === 'number' && Number.isFinite(found) && found >= 0 ? found : 0;
    };
    const { exit } = value;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- likewise
    const record = typeof exit === 'object' && exit !== null ? (exit as Readonly<Record<string, unknown>>) : null;
    return { out: number('out'), metrics: number('metrics'), kills: number('kills'), shim: number('shim'), exit: record };
  } catch {
    // A program can have written the record that is in it.
    return null;
  }
}

function readLine(line: string): PodFrame | null {
  if (line === 'begin' || line === 'alive') return { type: line };
  if (line.startsWith('fault ')) return { type: 'fault', reason: line.slice('fault '.length) };
  if (!line.startsWith('end ')) return null;
  const end = parseEnd(line.slice('end '.length));
  return end === null ? null : { type: 'end', end };
}

function isStream(text: string): text is OutputStream {
  return text === 'out' || text === 'metrics' || text.startsWith('work/');
}

function indexOf(all: Uint8Array, mark: Uint8Array, from: number): number {
  for (let at = all.indexOf(rs, from); at >= 0; at = all.indexOf(rs, at + 1)) {
    if (at + mark.length > all.length) return -1;
    if (mark.every((byte, i) => all[at + i] === byte)) return at;
  }
  return -1;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
