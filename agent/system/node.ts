import { type Failpoints, noFailpoints } from './failpoints.ts';
import { nodeClock } from './nodeClock.ts';
import { nodeFiles } from './nodeFiles.ts';
import { nodeProcesses } from './nodeProcesses.ts';
import type { System } from './system.ts';

/** The machine that this process runs on. */
export function nodeSystem(failpoints: Failpoints = noFailpoints): System {
  return { clock: nodeClock, files: nodeFiles, processes: nodeProcesses, failpoints };
}
