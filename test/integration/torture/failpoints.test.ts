import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { failpointNames } from '../../../agent/system/failpoints.ts';
import { runningAttempts } from '../../../agent/torture/attempts.ts';
import { until } from '../../../agent/torture/machine.ts';
import { trialProgram } from '../../../agent/torture/program.ts';
import { World } from '../../../agent/torture/world.ts';

const agentMain = join(import.meta.dirname, '..', '..', '..', 'dist', 'agent.cjs');
const waitMs = 60_000;

it.runIf(process.platform === 'linux')(
  'every failpoint is passed by a study with a lost and a stopped trial that is deleted in the end',
  async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-t-')));
    try {
      // A fault that never comes: only with one are the steps counted.
      const environment = { HPO_FAILPOINTS: 'turn.tell.after=error@100000000' };
      const program = trialProgram({ steps: 30, pauseSeconds: 0.1 });
      await using world = new World({ folder, seed: 1, agentMain, node: process.execPath }, { environment, program });
      const studyId = await world.create({ trials: 2, parallel: 2 });
      await expect.poll(() => runningAttempts(world, studyId).length, { timeout: waitMs }).toBe(2);
      const lost = runningAttempts(world, studyId).find(({ trial }) => trial === 0);
      process.kill(lost?.shim ?? 0, 'SIGKILL');
      await world.command(studyId, { type: 'stopTrial', trial: 1 });
      expect(await world.settled(studyId, waitMs)).toBe(true);
      await world.command(studyId, { type: 'delete' });
      await until(async () => (await world.request('study/list', {})).studies.length === 0, waitMs);
      await world.stopAgent();
      const last = readFileSync(join(world.home, 'agent.log'), 'utf8').trim().split('\n').at(-1) ?? '';
      const { failpoints } = JSON.parse(last) as { failpoints: Record<string, number> };
      expect(failpointNames.filter((name) => !((failpoints[name] ?? 0) > 0))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
