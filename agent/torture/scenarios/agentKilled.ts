import { inspect } from '../inspect.ts';
import { missingProc } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const kills = 6;
const trials = 10;

/** `kill -9` at random moments, several times a study, while commands come in. */
export const agentKilled: Scenario = {
  name: 'agent killed at random',
  kind: 'kill -9 of the agent',
  missing: () => Promise.resolve(missingProc()),
  async run(context) {
    await using world = new World(context, { program: trialProgram({ steps: 4 }) });
    const studyId = await world.create({ trials, parallel: 3 });
    let nEnqueued = 0;
    let parallel = 3;
    for (let kill = 0; kill < kills; kill++) {
      await world.pause(700);
      const choice = world.rng.int(4);
      if (choice === 0 && nEnqueued < 3)
        nEnqueued += Number(await world.command(studyId, { type: 'enqueue', params: { x: 1000 + kill } }));
      if (choice === 1) {
        // Never the number that it has: that would be no change to record.
        parallel = (parallel % 4) + 1;
        await world.command(studyId, { type: 'scale', parallel });
      }
      if (choice === 2 && (await world.command(studyId, { type: 'pause' }))) {
        if (world.rng.int(2) === 0) world.findings.injected(await world.killAgents());
        await world.command(studyId, { type: 'resume' });
      }
      world.checkPorts();
      world.findings.injected(await world.killAgents());
      if (world.rng.int(2) === 0) await world.client();
    }
    await inspect(world, { complete: trials });
    return world.findings.outcome();
  },
};
