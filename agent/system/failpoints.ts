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

/** `kill`: SIGKILL of the agent itself; `error`: EIO; `full`: ENOSPC; `short`: a part of what is to be written, then ENOSPC. */
export const failpointActions = ['kill', 'error', 'full', 'short'] as const;
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
