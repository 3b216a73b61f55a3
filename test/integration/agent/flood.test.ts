import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openReadOnly } from '../../../agent/store/index.ts';
import { Hpo } from '../../support/hpo.ts';

/** The first trial prints as fast as it can, metrics beside the objective and ever new names; the second a line at a time. */
const script = `# @hpo.objective loss min
# @hpo.resources records=100 metrics=5 output=20MB
import os, time
x = 0.5  # @hpo float(0, 1)
if os.environ["HPO_TRIAL"] == "0":
    for i in range(60):
        print("\\n".join(f"step {100 * i + k} loss={100 * i + k} a={k} odd_{i}_{k}=1" for k in range(1, 101)), flush=True)
    print("x" * 200_000)
    for n in range(40):
        print("\\n".join(f"noise {k} a={k}" for k in range(20_000)), flush=True)
    print("step 6001 loss=-1")
else:
    for step in range(1, 21):
        print(f"step {step} loss={step}", flush=True)
        time.sleep(0.1)
`;

it('a trial that floods loses no value of its objective and holds up no other; what is left out is said everywhere', async () => {
  await using hpo = new Hpo();
  hpo.write('train.py', script);
  const lines = await hpo.json<{ type: string; studyId?: string; number?: number }>(
    'tune',
    'train.py',
    '-n',
    '2',
    '--parallel',
    '2',
    '--search',
    'random',
    '--env',
    'current',
  );
  const studyId = lines.find(({ type }) => type === 'studyCreated')?.studyId ?? lines.at(-1)?.studyId ?? '';
  using journal = openReadOnly(join(hpo.home, 'journal.db'));
  const losses: number[][] = [[], []];
  const dropped: Record<string, number> = {};
  for (const { event } of journal.read(studyId, 0)) {
    if (event.type === 'metricReported' && event.values['loss'] !== undefined)
      losses[event.number]?.push(Number(event.values['loss']));
    if (event.type === 'metricsDropped')
      for (const { limit, count } of event.dropped) dropped[limit] = (dropped[limit] ?? 0) + count;
  }
  expect(losses[0]).toEqual([...Array.from({ length: 6_000 }, (_, i) => i + 1), -1]);
  expect(losses[1]).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  // Of 6,000 new names beside loss, three have room; the long line; of a: 100 and then fewer and fewer.
  expect(dropped['names']).toBe(6_000 - 3);
  expect(dropped['line']).toBe(1);
  expect((dropped['records'] ?? 0) + (dropped['rate'] ?? 0)).toBeGreaterThan(800_000);
  const words = /values of 20 or more metrics and 1 line were left out \(limit: 5 metrics a trial/;
  expect((await hpo.run('status', studyId)).stdout).toMatch(words);
  expect((await hpo.run('trials', studyId)).stderr).toMatch(words);
  expect((await hpo.run('logs', studyId, '1')).stderr).toMatch(words);
  const [, , quiet] = await hpo
    .json<{ number: number; state: string; values: { loss: number } }>('trials', studyId)
    .then((all) => [null, ...all]);
  expect(quiet).toMatchObject({ number: 1, state: 'complete', values: { loss: 20 } });
}, 120_000);
