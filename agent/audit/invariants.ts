/** What must hold of every study at all times, whatever dies; checked by simulation, `hpo torture` and `hpo doctor`. */
export const invariants = {
  durable: 'what was acknowledged is in the journal',
  chain: 'no recorded event was changed',
  toldOnce: 'a report is told once per study, trial, attempt and step',
  noRepeat: 'no point is tried twice unless the sampler says so',
  oneCounts: 'at most one attempt of a trial counts at a time',
  order: 'every event follows from those before it',
  slots: 'slots in use never exceed what is allowed, and none is in use at the end',
  budget: 'no budget is exceeded, attempts in flight included',
  progress: 'a study ends, or says what it waits for',
  view: 'a view that reconnects is the fold of the journal',
  best: 'the best value is the one in the raw output',
  nothingLeft: 'no process, socket, port or folder is left behind',
} as const;
export type InvariantName = keyof typeof invariants;

export interface Violation {
  readonly invariant: InvariantName;
  /** Null where it is not about one study. */
  readonly studyId: string | null;
  /** What is wrong, with the values seen, for people. */
  readonly what: string;
  /** The event at which it showed; absent where it is not about one. */
  readonly seq?: number;
}
