import { HpoError } from '../protocol/errors.ts';

/**
 * The steps whose effect outlives the agent, each with a place before and after it at which a fault can be injected:
 * by `HPO_FAILPOINTS` in a real agent (`hpo torture`), by the seed in a simulated one.
 */
export const failpointNames = [
  /** The transaction that makes events durable. */
  'journal.append',
  'journal.checkpoint',
  /** Taking over the journal: one more epoch. */
  'journal.epoch',
  /** Subscribers, acknowledgements: after the append, before the world follows. */
  'turn.tell',
  /** The attempt's folder, the code spliced in, its checkpoint. */
  'attempt.folder',
  /** What tells whose the process is: the arguments and the environment of the shim. */
  'attempt.label',
  'attempt.spawn',
  'attempt.stop',
  /** Writing down, in the shim's place, that an attempt vanished. */
  'attempt.loss',
  'study.prepare',
  'study.clean',
  'study.delete',
  /** How clients find the agent. */
  'agent.discovery',
] as const;
export type FailpointName = (typeof failpointNames)[number];

/**
 * `kill`: SIGKILL of the agent itself; `stop`: SIGSTOP, and it goes on there when it is continued; `error`: EIO; `full`: ENOSPC;
 * `short`: a part of what is to be written, then ENOSPC.
 */
export const failpointActions = ['kill', 'stop', 'error', 'full', 'short'] as const;
export type FailpointAction = (typeof failpointActions)[number];

/** Stands at the durable steps. */
export interface Failpoints {
  /** Runs the step, or what a fault makes of it. The same for synchronous and asynchronous steps. */
  step<T>(name: FailpointName, work: () => T): T;
  /** What is written of `text`; shorter than it where a short write is injected, which `step` then answers with ENOSPC. */
  written(name: FailpointName, text: string): string;
}

/** No faults: every agent that nobody torments. */
export const noFailpoints: Failpoints = { step: (_name, work) => work(), written: (_name, text) => text };

/** A fault for `Failpoints` that come from outside: the n-th time that a place is passed. */
export interface InjectedFault {
  readonly name: FailpointName;
  readonly when: 'before' | 'after';
  readonly action: FailpointAction;
  /** From 1. */
  readonly at: number;
  /** Every time from then on, not that once. */
  readonly isLasting: boolean;
}

/**
 * Reads `HPO_FAILPOINTS`: faults such as `journal.append.after=kill@3` (the third time; without `@` the first) or
 * `attempt.spawn.before=error@2+` (from the second on), with commas between. Throws HPO-5015 for anything else.
 */
export function parseFaults(text: string): readonly InjectedFault[] {
  return text.split(',').map((part) => {
    const [, place = '', when, word = '', at = '1', lasting] =
      /^\s*([\w.]+)\.(before|after)=(\w+)(?:@([1-9]\d{0,8})(\+)?)?\s*$/.exec(part) ?? [];
    const name = failpointNames.find((known) => known === place);
    const action = failpointActions.find((known) => known === word);
    if (name === undefined || action === undefined || (when !== 'before' && when !== 'after')) {
      throw new HpoError(
        'HPO-5015',
        `HPO_FAILPOINTS has "${part.trim()}", which is no fault`,
        `write PLACE.before=ACTION@N or PLACE.after=ACTION@N; places: ${failpointNames.join(', ')}; actions: ${failpointActions.join(', ')}`,
        { exitCode: 2 },
      );
    }
    return { name, when, action, at: Number(at), isLasting: lasting !== undefined };
  });
}

/** Injects faults into this very process. */
export class ProcessFailpoints implements Failpoints {
  readonly #faults: readonly InjectedFault[];
  readonly #passed = new Map<FailpointName, number>();
  /** Places at which the next write is to be cut short. */
  readonly #short = new Set<FailpointName>();

  constructor(faults: readonly InjectedFault[]) {
    this.#faults = faults;
  }

  /** How often each place was passed. */
  get passed(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#passed);
  }

  step<T>(name: FailpointName, work: () => T): T {
    const count = (this.#passed.get(name) ?? 0) + 1;
    this.#passed.set(name, count);
    const due = this.#faults.filter((fault) => fault.name === name && (fault.isLasting ? count >= fault.at : count === fault.at));
    if (due.length === 0) return work();
    if (due.some(({ action }) => action === 'short')) this.#short.add(name);
    strike(due, 'before', name);
    const result = work();
    if (!(result instanceof Promise)) {
      strike(due, 'after', name);
      return result;
    }
    // The result is a promise, so this one has its type.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return result.then((value: unknown) => {
      strike(due, 'after', name);
      return value;
    }) as T;
  }

  written(name: FailpointName, text: string): string {
    return this.#short.delete(name) ? text.slice(0, text.length / 2) : text;
  }
}

/** A short write shows after the part that was written, wherever it was asked for. */
function strike(faults: readonly InjectedFault[], when: InjectedFault['when'], name: FailpointName): void {
  for (const { action, when: asked } of faults) {
    if ((action === 'short' ? 'after' : asked) !== when) continue;
    if (action === 'kill') process.kill(process.pid, 'SIGKILL');
    else if (action === 'stop') process.kill(process.pid, 'SIGSTOP');
    else throw injectedError(action === 'error' ? 'EIO' : 'ENOSPC', `injected at ${name}`);
  }
}

/** As Node says it, and with SQLite's primary code for the same, so that the journal takes it for one of its own. */
function injectedError(code: 'EIO' | 'ENOSPC', message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code, errcode: code === 'EIO' ? 10 : 13 });
}

/** The faults of `HPO_FAILPOINTS`; none where that is not set. */
export function failpointsOf(text: string | undefined): Failpoints {
  return text === undefined || text === '' ? noFailpoints : new ProcessFailpoints(parseFaults(text));
}
