/**
 * Places in which attempts run, numbered from 0. The numbers name CPU sets and GPUs, so a place is one attempt's alone;
 * the lowest free one is taken first, which keeps the numbers of a small study small.
 *
 * `taken` holds the trial number of each place, or null where it is free. Places beyond `size` are being drained: they
 * stay until their attempt ends and are not given out again.
 */
export interface Slots {
  readonly size: number;
  readonly taken: readonly (number | null)[];
}

/** `size` free places. */
export function createSlots(size: number): Slots {
  return { size, taken: [] };
}

/** The lowest free place, or null when all are taken, drained ones counted. */
export function freeSlot(slots: Slots): number | null {
  if (nTaken(slots) >= slots.size) return null;
  const index = slots.taken.indexOf(null);
  return index === -1 ? slots.taken.length : index;
}

/** @throws RangeError when the place is taken: two attempts in one place is a bug of the caller. */
export function takeSlot(slots: Slots, slot: number, trial: number): Slots {
  const holder = slots.taken[slot] ?? null;
  if (holder !== null) throw new RangeError(`slot ${slot} is held by trial ${holder}, trial ${trial} cannot take it`);
  const taken = slots.taken.slice();
  while (taken.length < slot) taken.push(null);
  taken[slot] = trial;
  return { size: slots.size, taken };
}

/** A place that is free already stays free. */
export function releaseSlot(slots: Slots, slot: number): Slots {
  if ((slots.taken[slot] ?? null) === null) return slots;
  const taken = slots.taken.slice();
  taken[slot] = null;
  while (taken.at(-1) === null) taken.pop();
  return { size: slots.size, taken };
}

/** More or fewer places; attempts in places that are no longer there run on. */
export function scaleSlots(slots: Slots, size: number): Slots {
  return { size, taken: slots.taken };
}

export function nTaken(slots: Slots): number {
  let count = 0;
  for (const trial of slots.taken) if (trial !== null) count++;
  return count;
}
