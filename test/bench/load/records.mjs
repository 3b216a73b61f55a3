import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openReadOnly } from '../../../agent/store/read.ts';
import { follow, openWorld } from './realStudy.mjs';

/** Reports `RATE` times a second for `SECONDS`, evenly, each with a number of its own and when it was printed; then notes how many. */
const program = `import os, sys, time
rate, seconds = float(os.environ["RATE"]), float(os.environ["SECONDS"])
begin = time.time()
n = 0
while n < rate * seconds:
    due = min(rate * seconds, (time.time() - begin) * rate)
    lines = []
    while n < due:
        n += 1
        lines.append(f"step {n} loss={n} sent={time.time() * 1000:.0f}\\n")
    sys.stdout.write("".join(lines))
    sys.stdout.flush()
    time.sleep(0.05)
with open(os.path.join(os.environ["COUNTS"], str(os.getpid())), "w") as file:
    file.write(f"{n} {time.time() - begin}")
`;

/** So many records a second from several trials for so long; then what is in the journal against what was written. */
export async function runRecords({ dist, base, perSecond, seconds, trials, python }) {
  const counts = join(base, 'counts');
  mkdirSync(counts);
  Object.assign(process.env, { RATE: String(perSecond / trials), SECONDS: String(seconds), COUNTS: counts });
  const world = await openWorld({
    dist,
    base,
    name: 'records',
    program,
    fileName: 'trial.py',
    command: [python, 'trial.py'],
    resources: { records: 10_000_000 },
  });
  const { agent, home } = world;
  const studyId = await world.create(trials, trials);
  const latencies = [];
  let nSeen = 0;
  await follow(agent.client, studyId, 0, (entries) => {
    const now = Date.now();
    for (const { event } of entries) {
      if (event.type === 'metricReported') {
        nSeen++;
        if (nSeen % 10 === 0) latencies.push(now - event.values.sent);
      }
      if (event.type === 'studyEnded') return true;
    }
    return false;
  });
  const cpuMs = agent.cpuMs();
  await agent.stop();
  const written = readdirSync(counts).map((name) => readFileSync(join(counts, name), 'utf8').split(' ').map(Number));
  const result = { nWritten: 0, nRecorded: 0, nLost: 0, nTwice: 0, nDropped: 0 };
  for (const [n] of written) result.nWritten += n;
  const seen = new Map();
  using journal = openReadOnly(join(home, 'journal.db'));
  for (const { event } of journal.read(studyId, 0)) {
    if (event.type === 'metricsDropped') for (const { count } of event.dropped) result.nDropped += count;
    if (event.type !== 'metricReported') continue;
    result.nRecorded++;
    const steps = seen.get(event.number) ?? new Set();
    if (steps.has(event.values.loss)) result.nTwice++;
    steps.add(event.values.loss);
    seen.set(event.number, steps);
  }
  // Each trial numbers its reports from 1 to what it wrote.
  for (const steps of seen.values()) result.nLost += Math.max(0, ...steps) - steps.size;
  result.nLost += Math.max(0, result.nWritten - result.nRecorded - result.nLost);
  latencies.sort((a, b) => a - b);
  const quantile = (q) => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))];
  const lastedMs = Math.max(...written.map(([, lasted]) => lasted)) * 1000;
  return {
    ...result,
    rate: (result.nWritten / lastedMs) * 1000,
    p50: quantile(0.5),
    p99: quantile(0.99),
    cpuShare: cpuMs / lastedMs,
    maxMb: agent.maxMb,
    samples: agent.samples,
  };
}
