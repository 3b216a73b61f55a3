/** What is looked at, in this order. */
export const checkNames = [
  'program',
  'home',
  'disk',
  'agent',
  'journal',
  'tables',
  'history',
  'views',
  'values',
  'processes',
  'containers',
  'clusters',
  'ports',
  'folders',
  'remains',
  'python',
] as const;
export type CheckName = (typeof checkNames)[number];

/** What one look found. */
export interface Finding {
  readonly check: CheckName;
  /** `unknown`: it could not be looked at, and `what` says why. */
  readonly state: 'ok' | 'wrong' | 'unknown';
  /** What is so and, where it is wrong, why that matters; for people. */
  readonly what: string;
  /** What to do about it; with `wrong` and `unknown`, where there is something to do. */
  readonly next?: string;
  readonly studyId?: string;
  /** Puts it right, where this program can, and says what was done. Only while no agent runs. */
  readonly mend?: () => Promise<string> | string;
}

/** What people are told to do about what `--repair` mends. */
export const repairCommand = 'hpo doctor --repair';
