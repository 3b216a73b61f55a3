import { spawn } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openJournal } from '../../../agent/store/journal.ts';
import { AgentProcess } from './agentProcess.mjs';
import { studySpec, trialEvents } from './studyEvents.mjs';

const nReports = 5;
const studyId = 'bench-1';

/** How long a study of so many trials takes to open, as its users meet it: the agent, commands, and the view of a panel. */
export async function openLarge({ dist, base, trials }) {
  const home = join(base, 'open');
  mkdirSync(home);
  const made = makeJournal(join(home, 'journal.db'), trials);
  const agent = new AgentProcess(dist, home);
  // The first agent has only the journal; those after it find what the one before has put together.
  const firstMs = await agent.start();
  const firstCpuMs = agent.cpuMs();
  await agent.stop();
  const startMs = await agent.start();
  const startCpuMs = agent.cpuMs();
  const statusMs = await command(dist, home, ['status', studyId]);
  const trialsMs = await command(dist, home, ['trials', studyId]);
  const cpuBefore = agent.cpuMs();
  const viewed = performance.now();
  const view = await agent.client.view(studyId);
  const viewMs = performance.now() - viewed;
  const viewCpuMs = agent.cpuMs() - cpuBefore;
  if (view.trials.length !== trials) throw new Error(`${view.trials.length} of ${trials} trials came`);
  await agent.stop();
  const { maxMb, samples } = agent;
  return { ...made, studyId, firstMs, firstCpuMs, startMs, startCpuMs, statusMs, trialsMs, viewMs, viewCpuMs, maxMb, samples };
}

function makeJournal(path, trials) {
  const start = performance.now();
  {
    using journal = openJournal(path, { checkpointMs: null });
    journal.append([{ studyId, event: { type: 'studyCreated', at: Date.now(), spec: studySpec() } }]);
    let group = [];
    for (let number = 0; number < trials; number++) {
      group.push(...trialEvents(number, nReports));
      if (group.length < 5_000) continue;
      journal.append(group.splice(0));
      if (number % 10_000 < 500) journal.checkpoint();
    }
    group.push({ studyId, event: { type: 'studyPaused', at: Date.now(), reason: 'paused by you' } });
    journal.append(group);
  }
  return { path, makeMs: performance.now() - start, events: trials * (nReports + 5) + 2, fileMb: statSync(path).size / 1e6 };
}

function command(dist, home, args) {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(dist, 'cli.cjs'), ...args], {
      env: { ...process.env, HPO_HOME: home },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let bytes = 0;
    child.stdout.on('data', (chunk) => (bytes += chunk.length));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 && bytes > 0
        ? resolve(performance.now() - start)
        : reject(new Error(`hpo ${args.join(' ')} ended with ${code}`)),
    );
  });
}
