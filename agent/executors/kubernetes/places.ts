import { places } from '../docker/places.ts';

/** Where things of an attempt are in its pod; what a container of an engine has too is in the same places. */
export const podPlaces = {
  ...places,
  /** What the cluster's objects bring: the scripts, the code, the spliced files. Read-only. */
  input: '/hpo/in',
  sharedMemory: '/dev/shm',
  /** The checkpoints of the trial's attempts, a folder each. */
  attempts: '/hpo/attempts',
  /** Those of another trial, with a copy of the latest of which it begins. */
  fork: '/hpo/fork',
  /** What the program of the pod and the container that asks the object store tell each other. */
  store: '/hpo/store',
} as const;

/** Below `input`. */
export const inputs = {
  shim: 'shim.sh',
  program: 'pod.sh',
  code: 'code',
  setup: 'setup.sh',
  spliced: 'spliced',
  /** Of spliced files that no one object holds, and what joins them. */
  pieces: 'pieces',
  join: 'join.sh',
} as const;
