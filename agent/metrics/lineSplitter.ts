/** Longer lines are skipped: nobody prints a metric there, and no pattern is tried on them. */
export const maxLineBytes = 64 * 1024;

/** What a line contains; a line is only decoded when it has something that is wanted. Every value has a digit or, as nan and inf, an n. */
export const lineHas = { separator: 1, digit: 2, letterN: 4, anything: 8 } as const;

const newline = 0x0a;
const isEndOfLine = 128;

/** Byte → what it means for its line: one look-up decides over the many lines that hold no metric. */
const classes = new Uint8Array(256).fill(lineHas.anything);
for (const byte of [0x3a, 0x3d]) classes[byte] = lineHas.anything | lineHas.separator;
for (const byte of [0x4e, 0x6e]) classes[byte] = lineHas.anything | lineHas.letterN;
for (let byte = 0x30; byte <= 0x39; byte++) classes[byte] = lineHas.anything | lineHas.digit;
// Carriage returns and backspaces begin to draw the line anew.
for (const byte of [newline, 0x0d, 0x08]) classes[byte] = isEndOfLine;

/**
 * `text` is empty for a line that has nothing wanted. `end` is the offset after its last byte (its newline included).
 * `isRedrawn`: it ended in a carriage return or backspace, so what follows replaces it on a terminal.
 */
export type OnLine = (text: string, end: number, isRedrawn: boolean) => void;

/** Cuts a byte stream into lines, in whatever chunks it comes. */
export class LineSplitter {
  readonly #onLine: OnLine;
  readonly #onSkipped: () => void;
  readonly #wanted: number;
  /** The beginning of the line that is not complete yet. */
  #parts: Uint8Array[] = [];
  #length = 0;
  #flags = 0;
  #offset = 0;
  #isAfterRedraw = false;
  skippedLines = 0;

  /** `onSkipped` hears of each line that is too long, just before `onLine`. */
  constructor(onLine: OnLine, options: { readonly wanted: number; readonly onSkipped?: () => void }) {
    this.#onLine = onLine;
    this.#onSkipped = options.onSkipped ?? (() => undefined);
    this.#wanted = options.wanted;
  }

  push(bytes: Uint8Array): void {
    let start = 0;
    let flags = this.#flags;
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index] ?? 0;
      const found = classes[byte] ?? 0;
      if (found !== isEndOfLine) {
        flags |= found;
        continue;
      }
      this.#finish(bytes, start, index, flags, byte !== newline);
      start = index + 1;
      flags = 0;
    }
    this.#keep(bytes.subarray(start));
    this.#flags = flags;
    this.#offset += bytes.length;
  }

  /** Hands out the last line although nothing ended it. */
  end(): void {
    if (this.#length > 0) this.#finish(new Uint8Array(0), 0, -1, this.#flags, false);
    this.#flags = 0;
  }

  #keep(rest: Uint8Array): void {
    if (rest.length === 0) return;
    this.#length += rest.length;
    // The caller may reuse its buffer, hence the copy (the slice of a Buffer would be a view). Of a line that is too long only the length is kept.
    if (this.#length <= maxLineBytes) this.#parts.push(new Uint8Array(rest));
    else this.#parts = [];
  }

  #finish(bytes: Uint8Array, start: number, index: number, flags: number, isRedrawn: boolean): void {
    const length = this.#length + Math.max(0, index - start);
    const parts = this.#parts;
    const isTooLong = length > maxLineBytes;
    if (isTooLong) {
      this.skippedLines++;
      this.#onSkipped();
    }
    const isWanted = !isTooLong && (flags & this.#wanted) !== 0;
    // Of an unwanted line only one thing matters: a newline ends the bar that was drawn before it.
    if (isWanted || isTooLong || (this.#isAfterRedraw && !isRedrawn)) {
      const text = isWanted ? decode(parts, bytes, start, index) : '';
      this.#onLine(text, this.#offset + index + 1, isRedrawn);
    }
    this.#isAfterRedraw = isRedrawn || (this.#isAfterRedraw && index < 0);
    if (this.#length > 0) {
      this.#parts = [];
      this.#length = 0;
    }
  }
}

function decode(parts: Uint8Array[], bytes: Uint8Array, start: number, end: number): string {
  const tail = Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.max(0, end - start));
  return parts.length === 0 ? tail.toString('utf8') : Buffer.concat([...parts, tail]).toString('utf8');
}
