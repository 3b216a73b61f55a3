import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentProcess } from '../load/agentProcess.mjs';
import { commandLine } from './starts.mjs';

/** An agent with a study of empty trials, in containers or as processes: its memory at most, its processor time, and what the study took. */
export async function measureAgent({ dist, base, image, executor, trials, slots }) {
  const home = join(base, 'home');
  const script = join(base, 'project', 'empty.py');
  mkdirSync(home, { recursive: true });
  mkdirSync(join(base, 'project'));
  writeFileSync(script, `# @hpo.objective loss min\n# @hpo.image ${image}\nx = 0.5  # @hpo float(0, 1)\nprint(f"loss={x}")\n`);
  const hpo = commandLine(dist, home);
  const agent = new AgentProcess(dist, home);
  await agent.start();
  try {
    const limits = ['-n', String(trials), '--parallel', String(slots), '--search', 'random', '--env', 'current'];
    const { events } = await hpo.run(['tune', script, '--on', executor, ...limits, '--json']);
    const end = events.at(-1);
    if (end?.trials?.complete !== trials) throw new Error(`expected ${trials} complete trials: ${JSON.stringify(end)}`);
    const last = events.findLast(({ type }) => type === 'trialEnded');
    const wallMs = last.at - events.find(({ type }) => type === 'studyCreated').at;
    const cpuMs = agent.cpuMs();
    await hpo.deleteAll();
    return { maxMb: agent.maxMb, cpuMsPerTrial: cpuMs / trials, slotMsPerTrial: (wallMs * slots) / trials };
  } finally {
    await agent.client?.[Symbol.asyncDispose]();
    await agent.stop();
  }
}
