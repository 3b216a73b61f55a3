import type { Clock } from './clock.ts';
import type { Failpoints } from './failpoints.ts';
import type { Files } from './files.ts';
import type { Processes } from './processes.ts';

/** The machine below the agent. `node.ts` has the real one, the simulation one on which time, disk and processes follow from a seed. */
export interface System {
  readonly clock: Clock;
  readonly files: Files;
  readonly processes: Processes;
  readonly failpoints: Failpoints;
}
