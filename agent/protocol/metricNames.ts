/** What a name in a script's output means. Shared by what reads the output and by what foretells from the source what will be read. */

/**
 * Names that every object has, such as `constructor`: no metric and no parameter may be called so, as one that has no
 * value would be taken for one that has.
 */
export function isReservedName(name: string): boolean {
  return name in Object.prototype;
}

/** Words that name the data rather than the metric: `Val Loss: 0.3` is `Val_Loss`. */
export const dataSetWords: readonly string[] = ['train', 'training', 'val', 'valid', 'validation', 'test', 'eval', 'dev'];

/** Counters and clocks, which stand beside metrics in most output and are none. Told by what follows the last `.` or `/`. */
export function isCounterOrClock(name: string): boolean {
  return countersAndClocks.has(name.slice(Math.max(name.lastIndexOf('.'), name.lastIndexOf('/')) + 1).toLowerCase());
}

const countersAndClocks = new Set(
  `epoch epochs step steps iter iters iteration iterations round rounds global_step
   time eta elapsed remaining duration seconds secs sec ms timestamp ts date asctime created lineno pid cuda`.split(/\s+/),
);
