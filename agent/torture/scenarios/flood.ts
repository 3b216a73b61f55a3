import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from '../inspect.ts';
import { missingProc } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const trials = 4;
const limitBytes = 1024 * 1024;
/** What may come until the flood is noticed and stopped: a fraction of what the program would print. */
const slackBytes = 2 * 1024 * 1024 * 1024;

/** Every second trial prints without end, as fast as it can. */
export const flood: Scenario = {
  name: 'output flood',
  kind: 'output flood',
  missing: () => Promise.resolve(missingProc()),
  async run(context) {
    const program = trialProgram({ last: 'if [ $((HPO_TRIAL % 2)) = 1 ]; then exec yes "all work and no play loss"; fi' });
    await using world = new World(context, { program, settings: 'resources: { output: 1MB }\n' });
    const studyId = await world.create({ trials, parallel: 2 });
    await world.settled(studyId, 60_000);
    const view = await world.request('study/view', { studyId });
    for (const trial of view.trials) {
      const isFlood = trial.number % 2 === 1;
      world.findings.injected(Number(isFlood));
      const what = `trial ${trial.number} is ${trial.state} (${trial.failure?.message ?? 'no failure'})`;
      world.findings.check('progress', trial.state === (isFlood ? 'failed' : 'complete'), what, studyId);
      for (const { attempt } of trial.attempts) {
        const path = join(world.home, 'studies', studyId, 'trials', String(trial.number), `attempt-${attempt}`, 'out.log');
        const bytes = existsSync(path) ? statSync(path).size : 0;
        world.findings.check('progress', bytes < limitBytes + slackBytes, `its output has ${bytes} bytes`, studyId);
      }
    }
    await inspect(world, { complete: null });
    return world.findings.outcome();
  },
};
