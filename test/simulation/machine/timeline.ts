interface Happening {
  readonly at: number;
  readonly order: number;
  act: (() => void) | null;
}

/** Virtual time: what is to happen, in the order of time, and of being planned where that is the same. */
export class Timeline {
  /** Milliseconds since the machine was switched on. */
  now = 0;
  /** A binary heap. */
  readonly #heap: Happening[] = [];
  #order = 0;

  after(ms: number, act: () => void): Disposable {
    const happening: Happening = { at: this.now + Math.max(0, ms), order: this.#order++, act };
    this.#push(happening);
    return {
      [Symbol.dispose]: () => {
        happening.act = null;
      },
    };
  }

  /** When the next happening is due; Infinity when there is none. */
  get next(): number {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.act !== null) return top.at;
      this.#pop();
    }
    return Infinity;
  }

  /** Lets the next happening happen; false when there is none. */
  step(): boolean {
    if (this.next === Infinity) return false;
    const happening = this.#pop();
    this.now = Math.max(this.now, happening.at);
    happening.act?.();
    return true;
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(happening);
    while (i > 0) {
      const above = (i - 1) >> 1;
      const parent = at(heap, above);
      if (isBefore(parent, happening)) break;
      heap[i] = parent;
      i = above;
    }
    heap[i] = happening;
  }

  #pop(): Happening {
    const heap = this.#heap;
    const first = at(heap, 0);
    const last = at(heap, heap.length - 1);
    heap.pop();
    if (heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let below = 2 * i + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(at(heap, below + 1), at(heap, below))) below++;
      if (isBefore(last, at(heap, below))) break;
      heap[i] = at(heap, below);
      i = below;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function at(heap: readonly Happening[], index: number): Happening {
  const happening = heap[index];
  if (happening === undefined) throw new RangeError('nothing is planned');
  return happening;
}
