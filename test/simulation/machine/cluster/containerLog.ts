interface Line {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface LogReader {
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onEnd: () => void;
  /** The connection through which it is read is gone. */
  readonly onBreak: () => void;
}

/** What a node keeps in one file of what is printed, and so all of it that can be read. In bytes. */
const usualMaxBytes = 10 * 2 ** 20;
/** Longer lines are kept as several, each with a time of its own. In bytes. */
const maxLineBytes = 16 * 1024;

/**
 * What a container prints, as its node keeps it: lines with the time of their coming, in a file that is replaced by an empty one when
 * it has grown too large. Readers get what is in the present file; who follows hears of what comes, whichever file it is in.
 *
 * Seen on a real node: `sinceSeconds` cuts between lines; a line that is not ended yet can be read only when it is.
 */
export class ContainerLog {
  maxBytes = usualMaxBytes;
  readonly #now: () => number;
  #lines: Line[] = [];
  #size = 0;
  #open: Uint8Array[] = [];
  #openSize = 0;
  #hasEnded = false;
  readonly #readers = new Set<LogReader>();
  /** A file was full, and is let go of. */
  onRotate: (() => void) | null = null;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** All that can be read, as text. */
  get text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#lines.map(({ bytes }) => bytes)));
  }

  write(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      const newline = bytes.indexOf(0x0a, from);
      const room = maxLineBytes - this.#openSize;
      const isWhole = newline !== -1 && newline - from < room;
      const to = isWhole ? newline + 1 : Math.min(bytes.length, from + room);
      this.#open.push(bytes.slice(from, to));
      this.#openSize += to - from;
      from = to;
      if (isWhole || this.#openSize === maxLineBytes) this.#endLine();
    }
  }

  /** The node starts a new file, and what was in the last one cannot be read any more. */
  rotate(): void {
    if (this.#lines.length === 0) return;
    this.#lines = [];
    this.#size = 0;
    this.onRotate?.();
  }

  end(): void {
    if (this.#openSize > 0) this.#endLine();
    this.#hasEnded = true;
    for (const reader of this.#readers) reader.onEnd();
    this.#readers.clear();
  }

  /** What is there, from so many seconds ago; then, for who follows, what comes. */
  read(
    { sinceSeconds, follow }: { readonly sinceSeconds?: number | undefined; readonly follow: boolean },
    reader: LogReader,
  ): Disposable {
    const from = sinceSeconds === undefined ? -Infinity : this.#now() - sinceSeconds * 1000;
    const found = this.#lines.filter(({ at }) => at >= from);
    if (found.length > 0) reader.onBytes(Buffer.concat(found.map(({ bytes }) => bytes)));
    if (!follow || this.#hasEnded) reader.onEnd();
    else this.#readers.add(reader);
    return { [Symbol.dispose]: () => void this.#readers.delete(reader) };
  }

  /** All who follow are cut off. */
  breakOff(): void {
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const { onBreak } of readers) onBreak();
  }

  #endLine(): void {
    const bytes = Buffer.concat(this.#open);
    this.#open = [];
    this.#openSize = 0;
    if (this.#size + bytes.length > this.maxBytes) this.rotate();
    this.#lines.push({ at: this.#now(), bytes });
    this.#size += bytes.length;
    for (const { onBytes } of this.#readers) onBytes(bytes);
  }
}
