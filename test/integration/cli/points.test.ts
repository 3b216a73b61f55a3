import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Hpo } from '../../support/hpo.ts';

const script = `# @hpo.objective loss min
import time
lr = 1e-2  # @hpo float(1e-4, 1e-1, log)
width = 16  # @hpo int(4, 64)
time.sleep(0.1)
print(f"loss={(width - 40) ** 2 / 1000 + abs(lr - 3e-3) * 10}")
`;

/** Goes on from the step in its checkpoint; the loss tells the values of all its steps. */
const resumable = `# @hpo.objective loss min
# @hpo.checkpoint dir=ckpt
import os
lr = 1e-2  # @hpo float(1e-4, 1e-1, log)
epochs = 6  # @hpo fidelity(1, 6, eta=3)
place = os.path.join(os.environ["HPO_CHECKPOINT_DIR"], "state")
step, loss = (float(word) for word in open(place).read().split()) if os.path.exists(place) else (0, 10)
for epoch in range(int(step) + 1, epochs + 1):
    loss = loss * 0.9 + abs(lr - 3e-3)
    with open(place + ".new", "w") as file:
        file.write(f"{epoch} {loss}")
    os.replace(place + ".new", place)
    print(f"epoch {epoch} loss={loss}", flush=True)
`;

interface Created {
  readonly type: string;
  readonly number: number;
  readonly origin: string;
  readonly params: Record<string, number>;
  readonly parent?: number;
  readonly attempt?: number;
  readonly step?: number;
}

it('tries the points of the user first, and those of a running study next', async () => {
  await using hpo = new Hpo();
  const path = hpo.write('train.py', script);
  const points = ['--point', 'lr=0.05 width=32', '--point', 'width=16', '--point', 'width=50'];
  const lines = await hpo.json<Created>('tune', path, '-n', '5', '--parallel', '1', '--seed', '3', ...points);
  const created = lines.filter(({ type }) => type === 'trialCreated');
  expect(created.map(({ origin }) => origin)).toEqual(['default', 'user', 'user', 'sampler', 'sampler']);
  expect(created.slice(0, 3).map(({ params }) => params)).toEqual([
    { lr: 0.01, width: 16 },
    { lr: 0.05, width: 32 },
    { lr: 0.01, width: 50 },
  ]);
  for (const [point, code] of [
    ['rate=1', 'HPO-4306'],
    ['lr=7', 'HPO-4307'],
    ['lr', 'HPO-4029'],
  ] as const) {
    const refused = await hpo.run('tune', path, '--point', point);
    expect(refused.stderr).toContain(code);
    expect(refused.code).toBe(2);
  }

  const [started] = await hpo.json<{ studyId: string }>('tune', path, '-n', '12', '--parallel', '1', '--detach');
  const studyId = started?.studyId ?? '';
  const asked = await hpo.run('enqueue', studyId, 'lr=0.02', 'width=7');
  expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('lr=0.02 width=7') });
  expect(await hpo.run('enqueue', studyId, 'width=700')).toMatchObject({ code: 2, stderr: expect.stringContaining('HPO-4307') });
  await hpo.ended(studyId);
  const trials = await hpo.json<{ params: Record<string, number> }>('trials', studyId);
  expect(trials.map(({ params }) => params)).toContainEqual({ lr: 0.02, width: 7 });
});

it('computes long proposals in a thread, which ends with the study', async () => {
  await using hpo = new Hpo();
  const path = hpo.write('train.py', script);
  const lines = await hpo.json<Created>('tune', path, '-n', '16', '--parallel', '2', '--search', 'gp');
  expect(lines.filter(({ type }) => type === 'trialCreated')).toHaveLength(16);
  await delay(200);
  const log = readFileSync(join(hpo.home, 'agent.log'), 'utf8');
  expect(log).toContain('a thread for proposals starts');
  expect(log).not.toMatch(/broke|failed/);
});

it('a fork of population-based training goes on from its parent’s checkpoint', async () => {
  await using hpo = new Hpo();
  const path = hpo.write('train.py', resumable);
  const lines = await hpo.json<Created>(
    'tune',
    path,
    '-n',
    '16',
    // One after the other: in which order they come does not decide who is forked.
    '--parallel',
    '1',
    '--scheduler',
    'pbt',
    '--search',
    'random',
    '--seed',
    '5',
  );
  const forks = lines.filter(({ type, parent }) => type === 'trialCreated' && parent !== undefined);
  expect(forks.length).toBeGreaterThan(0);
  for (const { number, params, parent } of forks) {
    const first = lines.find((line) => line.type === 'metricReported' && line.number === number);
    expect(first?.step).toBeGreaterThan(1);
    expect(params).not.toEqual(lines.find((line) => line.type === 'trialCreated' && line.number === parent)?.params);
  }
  expect(lines.at(-1)).toMatchObject({ type: 'studyEnded' });
});
