import { inspect } from '../inspect.ts';
import { missingProc, until } from '../machine.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const agents = 20;
const trials = 4;
const settleMs = 60_000;

/** Twenty agents at once, and again at the moment when the one of them dies. */
export const manyAgents: Scenario = {
  name: '20 agents at once',
  kind: 'many agents at once',
  missing: () => Promise.resolve(missingProc()),
  async run(context) {
    await using world = new World(context);
    const { findings } = world;
    for (const round of [1, 2]) {
      if (round === 2) await world.killAgents();
      for (let i = 0; i < agents; i++) world.spawnAgent();
      findings.injected(agents - 1);
      if (round === 1) await world.create({ trials, parallel: 2 });
      const isOne = await until(() => world.agents().length === 1, settleMs, 100);
      findings.check('nothingLeft', isOne, `${world.agents().length} agents run: ${world.agents().join(', ')}`);
      const { pid } = await world.request('agent/status', {});
      findings.check('nothingLeft', world.agents().includes(pid), `the agent that answers (${pid}) is none of those that run`);
      world.checkPorts();
    }
    await inspect(world, { complete: trials });
    return findings.outcome();
  },
};
