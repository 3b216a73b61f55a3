import type { WaitReason } from '../protocol/study.ts';
import type { Clock } from '../system/clock.ts';

/** Most attempts begin sooner: then there is nothing to say. */
const firstMs = 2_000;
/** The words of a scheduler change with every pod that comes and goes. */
const nextMs = 15_000;

/** What is told of an attempt that waits: what lasts, and not each change of it. */
export class Waits implements Disposable {
  readonly #clock: Clock;
  readonly #tell: (reason: WaitReason | null) => void;
  #last: WaitReason | null = null;
  #told: WaitReason | null = null;
  #hasTold = false;
  #timer: Disposable | null = null;

  constructor(clock: Clock, tell: (reason: WaitReason | null) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** What is known now; told later, unless it is what was told by then. */
  see(reason: WaitReason | null): void {
    this.#last = reason;
    if (isSame(reason, this.#told)) return;
    this.#timer ??= this.#clock.after(this.#hasTold ? nextMs : firstMs, () => {
      this.#timer = null;
      if (isSame(this.#last, this.#told)) return;
      this.#told = this.#last;
      this.#hasTold = true;
      this.#tell(this.#last);
    });
  }

  /** It has begun, or will not: nothing more is told. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }
}

function isSame(a: WaitReason | null, b: WaitReason | null): boolean {
  return a?.kind === b?.kind && a?.message === b?.message;
}
