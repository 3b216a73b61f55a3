import { follow, openWorld } from './realStudy.mjs';

/** So many short local trials in one study, as fast as they go. */
export async function runMany({ dist, base, trials, parallel }) {
  const world = await openWorld({
    dist,
    base,
    name: 'many',
    program: 'echo "loss=$X"\n',
    fileName: 'trial.sh',
    command: ['sh', 'trial.sh'],
  });
  const { agent } = world;
  const started = performance.now();
  const studyId = await world.create(trials, parallel);
  let seq = 0;
  let nEnded = 0;
  let nLive = 0;
  let busyMs = 0;
  let lastAt = 0;
  const states = {};
  // Slots in use over time, by the times that the journal has.
  await follow(agent.client, studyId, 0, (entries) => {
    for (const { seq: at, event } of entries) {
      seq = at;
      if (lastAt !== 0) busyMs += nLive * (event.at - lastAt);
      lastAt = event.at;
      if (event.type === 'attemptRequested') nLive++;
      if (event.type === 'attemptEnded') nLive--;
      if (event.type === 'trialEnded') {
        nEnded++;
        states[event.state] = (states[event.state] ?? 0) + 1;
      }
      if (event.type === 'studyEnded') return true;
    }
    return false;
  });
  const wallMs = performance.now() - started;
  const cpuMs = agent.cpuMs();
  await agent.stop();
  return {
    trials: nEnded,
    states,
    events: seq,
    wallMs,
    rate: (nEnded / wallMs) * 1000,
    busy: busyMs / (parallel * wallMs),
    cpuMsPerTrial: cpuMs / nEnded,
    maxMb: agent.maxMb,
    samples: agent.samples,
  };
}
