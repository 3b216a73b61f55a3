import { writeFileSync } from 'node:fs';
import { follow, openWorld } from './realStudy.mjs';

/** Prints a report every three seconds, and ends when a file is there. */
const program = `i=0
while [ ! -e "$HOLD" ]; do
  i=$((i + 1))
  echo "step $i loss=$X"
  sleep 3
done
`;

/** So many trials at once; the agent is killed and started again; then all of them end. */
export async function runAtOnce({ dist, base, trials }) {
  const hold = `${base}/release`;
  const world = await openWorld({
    dist,
    base,
    name: 'once',
    program: program.replace('$HOLD', hold),
    fileName: 'trial.sh',
    command: ['sh', 'trial.sh'],
  });
  const { agent } = world;
  const begun = performance.now();
  const studyId = await world.create(trials, trials);
  const reported = new Set();
  await follow(agent.client, studyId, 0, (entries) => {
    for (const { event } of entries) if (event.type === 'metricReported') reported.add(event.number);
    return reported.size >= trials;
  });
  const allRunMs = performance.now() - begun;
  const { studies } = await agent.client.request('study/list', {});
  const nRunning = studies[0].trials.running;
  // Half a minute in which they report, to see what that costs.
  const cpuBefore = agent.cpuMs();
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const cpuShare = (agent.cpuMs() - cpuBefore) / 10_000;
  await agent.kill();
  const killed = performance.now();
  const readyMs = await agent.start();
  const readyCpuMs = agent.cpuMs();
  const { seq: known } = await agent.client.views();
  const again = new Set();
  // Whoever reports has been adopted; what each printed meanwhile is read at once.
  await follow(agent.client, studyId, known, (entries) => {
    for (const { event } of entries) if (event.type === 'metricReported') again.add(event.number);
    return again.size >= trials;
  });
  const adoptedMs = performance.now() - killed;
  writeFileSync(hold, '');
  let ended = null;
  const attempts = new Map();
  await follow(agent.client, studyId, 0, (entries) => {
    for (const { event } of entries) {
      if (event.type === 'attemptRequested') attempts.set(event.number, (attempts.get(event.number) ?? 0) + 1);
      if (event.type === 'studyEnded') ended = event;
    }
    return ended !== null;
  });
  const [study] = (await agent.client.request('study/list', {})).studies;
  await agent.stop();
  return {
    trials,
    nRunning,
    allRunMs,
    cpuShare,
    readyMs,
    readyCpuMs,
    adoptedMs,
    complete: study.trials.complete,
    repeated: [...attempts.values()].filter((n) => n > 1).length,
    maxMb: agent.maxMb,
    samples: agent.samples,
  };
}
