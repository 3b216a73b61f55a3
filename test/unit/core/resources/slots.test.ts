import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSlots, freeSlot, nTaken, releaseSlot, scaleSlots, takeSlot } from '../../../../agent/core/resources/index.ts';

describe('slots', () => {
  test('the lowest free one is taken first', () => {
    let slots = createSlots(3);
    for (const trial of [7, 8, 9]) slots = takeSlot(slots, freeSlot(slots) ?? NaN, trial);
    expect(slots.taken).toEqual([7, 8, 9]);
    expect(freeSlot(slots)).toBeNull();
    slots = releaseSlot(slots, 1);
    expect(freeSlot(slots)).toBe(1);
  });

  test('after scaling down the surplus drains, and none is given out meanwhile', () => {
    let slots = createSlots(3);
    for (const slot of [0, 1, 2]) slots = takeSlot(slots, slot, slot);
    slots = scaleSlots(slots, 1);
    slots = releaseSlot(slots, 0);
    expect(freeSlot(slots)).toBeNull();
    slots = releaseSlot(releaseSlot(slots, 2), 1);
    expect(freeSlot(slots)).toBe(0);
    expect(slots.taken).toEqual([]);
  });

  test('a taken place is not taken twice, a free one is released without harm', () => {
    const slots = takeSlot(createSlots(2), 1, 5);
    expect(() => takeSlot(slots, 1, 6)).toThrow('slot 1 is held by trial 5');
    expect(releaseSlot(slots, 0)).toBe(slots);
    expect(slots.taken).toEqual([null, 5]);
  });

  test('never more than size are given out, whatever the order', () => {
    const asked = fc.array(
      fc.oneof(fc.constant('take' as const), fc.nat(8), fc.record({ size: fc.integer({ min: 1, max: 6 }) })),
    );
    fc.assert(
      fc.property(asked, (steps) => {
        let slots = createSlots(3);
        for (const step of steps) {
          const before = nTaken(slots);
          if (step === 'take') {
            const slot = freeSlot(slots);
            expect(slot === null).toBe(before >= slots.size);
            if (slot !== null) slots = takeSlot(slots, slot, 1);
          } else if (typeof step === 'number') slots = releaseSlot(slots, step);
          else slots = scaleSlots(slots, step.size);
          expect(nTaken(slots)).toBeLessThanOrEqual(Math.max(before, slots.size));
        }
      }),
    );
  });
});
