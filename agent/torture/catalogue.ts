import type { Scenario } from './scenario.ts';
import { agentKilled } from './scenarios/agentKilled.ts';
import { clock } from './scenarios/clock.ts';
import { damage } from './scenarios/damage.ts';
import { diskFull } from './scenarios/diskFull.ts';
import { failpoints } from './scenarios/failpoints.ts';
import { fenced } from './scenarios/fenced.ts';
import { flood } from './scenarios/flood.ts';
import { manyAgents } from './scenarios/manyAgents.ts';
import { outOfMemory } from './scenarios/outOfMemory.ts';
import { stubborn } from './scenarios/stubborn.ts';
import { programKilled, shimKilled } from './scenarios/trialKilled.ts';

/** Everything that is done to agents. */
export const scenarios: readonly Scenario[] = [
  agentKilled,
  shimKilled,
  programKilled,
  ...stubborn,
  ...fenced,
  manyAgents,
  diskFull,
  clock,
  outOfMemory,
  flood,
  ...damage,
  ...failpoints,
];
