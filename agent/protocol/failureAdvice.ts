import type { Failure } from './study.ts';
import type { StudyView } from './view.ts';

/**
 * Where what failed can be mended. A study keeps the copy of the code, the interpreter and the limits that it began with: what is
 * mended in those has to be tuned again, what is mended elsewhere lets the study go on.
 */
export type Remedy = 'again' | 'resume' | 'either' | 'wait';

const remedies: Readonly<Record<string, Remedy>> = {
  // No objective, one that is NaN or infinite, the limits of time and output.
  'HPO-3003': 'again',
  'HPO-3004': 'again',
  'HPO-3005': 'again',
  'HPO-3008': 'again',
  // What a container gets, and its image.
  'HPO-3016': 'again',
  'HPO-3017': 'again',
  'HPO-3018': 'again',
  'HPO-3019': 'again',
  'HPO-3021': 'again',
  'HPO-3023': 'again',
  // The machine, its disk, and packages that are installed into the same interpreter.
  'HPO-3007': 'resume',
  'HPO-3009': 'resume',
  'HPO-3010': 'resume',
  'HPO-3011': 'resume',
  'HPO-3012': 'resume',
  // The container engine.
  'HPO-3020': 'wait',
  // The cluster.
  'HPO-3022': 'wait',
};

/** What runs trials elsewhere gives no answer. */
const clusterAway = 'HPO-3022';

/** Out of memory where no other trial of the study ran beside it: fewer at once would help nothing. */
const memoryAlone = 'HPO-3015';
/** Nor does it where each has a limit of its own. */
const memoryLimit = 'HPO-3019';

/** Whether fewer trials at once may be all that it takes. */
export function isForFewer({ kind, code }: Failure): boolean {
  return kind === 'outOfMemory' && code !== memoryAlone && code !== memoryLimit;
}

export function remedyOf({ code }: Failure): Remedy {
  return remedies[code] ?? 'either';
}

/** How to go on with a study that paused itself, in a sentence or two. */
export function adviceOf(failure: Failure): string {
  const remedy = remedyOf(failure);
  switch (remedy) {
    case 'again':
      return 'A study keeps the code and the limits that it began with: change them, and tune again.';
    case 'resume':
      return 'When that is mended, resume the study.';
    case 'wait':
      return `The study goes on by itself as soon as the ${failure.code === clusterAway ? 'cluster' : 'engine'} can be used.`;
    case 'either':
      if (failure.code === memoryAlone)
        return 'Narrow the parameters that need memory and tune again: a study keeps the code that it began with. If other programs took it, free it and resume the study.';
      return isForFewer(failure)
        ? 'Let fewer trials run at once and resume the study, or narrow the parameters and tune again: a study keeps the code that it began with.'
        : 'If the cause is in the script, mend it and tune again: a study keeps the code that it began with. If it is elsewhere (data, packages, a service), mend it there and resume the study.';
    default:
      throw new TypeError(`unhandled remedy ${JSON.stringify(remedy satisfies never)}`);
  }
}

/** The text of a failure without how long things took: equal for failures with one cause. */
export function withoutDurations(message: string): string {
  return message.replaceAll(/(?<![\w.-])\d+(?:\.\d+)? (?:ms|s|min|h)\b/g, '#');
}

/** The newest trial that met the failure for which the study paused itself: its log says more. Null where there is none. */
export function failedTrial({ trials, failure }: StudyView): number | null {
  if (failure === null) return null;
  const found = trials.findLast(
    (trial) => trial.failure?.code === failure.code || trial.attempts.at(-1)?.failure?.code === failure.code,
  );
  return found?.number ?? null;
}
