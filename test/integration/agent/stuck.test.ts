import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AgentClient, connectAgent } from '../../../agent/client/index.ts';
import { Hpo } from '../../support/hpo.ts';

const agentMain = join(import.meta.dirname, '..', '..', '..', 'dist', 'agent.cjs');
const script = `# @hpo.objective loss min
import time
x = 0.5  # @hpo float(0, 1)
for epoch in range(1, 30):
    print(f"epoch {epoch} loss={x}", flush=True)
    time.sleep(0.1)
`;

function connect(hpo: Hpo): Promise<AgentClient> {
  const env = { HPO_CACHE: join(hpo.folder, 'cache') };
  return connectAgent({
    home: hpo.home,
    agentMain,
    node: process.execPath,
    env,
    client: 'test',
    version: '0.0.1',
    silenceMs: 1_000,
  });
}

function stateOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] ?? '';
}

describe.runIf(process.platform === 'linux')('an agent that is stopped', () => {
  it('is named to whoever asks it, and killed by force; the next one takes over, and the trial has gone on', async () => {
    await using hpo = new Hpo();
    await using client = await connect(hpo);
    const { pid } = await client.request('agent/status', {});
    const { studyId } = await client.request('study/create', { script: hpo.write('train.py', script), trials: 1 });
    await expect
      .poll(async () => (await client.request('study/view', { studyId })).trials[0]?.state, { timeout: 20_000 })
      .toBe('running');
    process.kill(pid, 'SIGSTOP');
    await expect.poll(() => stateOf(pid)).toBe('T');
    const stuck = {
      code: 'HPO-5016',
      message: expect.stringMatching(`process ${pid}.*stopped`),
      next: expect.stringMatching('--force'),
    };
    // One that waits for an answer, and one that only listens.
    await expect(client.request('study/list', {})).rejects.toMatchObject(stuck);
    await client.closed;
    await expect(connect(hpo)).rejects.toMatchObject(stuck);
    expect(await hpo.run('agent', 'stop')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/HPO-5016[\s\S]*hpo agent stop --force/),
    });
    expect(await hpo.run('agent', 'stop', '--force')).toMatchObject({
      code: 0,
      stdout: `killed process ${pid}; running trials go on\n`,
    });
    expect(await hpo.run('agent', 'stop', '--force')).toMatchObject({ code: 0, stdout: 'no agent is running\n' });
    await hpo.ended(studyId);
    const [trial] = await hpo.json<{ state: string; attempts: number }>('trials', studyId);
    expect(trial).toMatchObject({ state: 'complete', attempts: 1 });
  });

  it('that says nothing while it is only slow is not given up before its time', async () => {
    await using hpo = new Hpo();
    await using client = await connect(hpo);
    const { pid } = await client.request('agent/status', {});
    // Silent for less than is waited for: stopped agents are noticed sooner, so this one is busy.
    const answers = Promise.all(Array.from({ length: 50 }, () => client.request('study/list', {})));
    expect(await answers).toHaveLength(50);
    // And one that is quiet for long because nobody asks is not stuck.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect((await client.request('agent/status', {})).pid).toBe(pid);
  });
});
