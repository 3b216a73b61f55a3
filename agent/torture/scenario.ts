import type { InvariantName, Violation } from '../audit/invariants.ts';

/** A fault that is done to real agents, and what must hold afterwards. */
export interface Scenario {
  /** Unique: `agent killed at random`. */
  readonly name: string;
  /** What the table sums up: `kill -9 of the agent`. */
  readonly kind: string;
  /** Why it cannot be done on this machine, or null. */
  missing(): Promise<string | null>;
  /** Runs once, on a home of its own; everything it starts has ended when it resolves. Rejects where the fault could not be injected. */
  run(context: TortureContext): Promise<Outcome>;
}

export interface TortureContext {
  /** An empty folder of this run alone. */
  readonly folder: string;
  readonly seed: number;
  /** The agent's bundle and the Node that runs it. */
  readonly agentMain: string;
  readonly node: string;
}

export interface Outcome {
  /** Faults that were injected. */
  readonly faults: number;
  /** How often each invariant was checked. */
  readonly checks: ReadonlyMap<InvariantName, number>;
  readonly violations: readonly Violation[];
}
