import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { eventHash, genesisHash, hex } from '../../../agent/store/chain.ts';
import { Hpo } from '../../support/hpo.ts';

/** Epochs whose lengths have nothing to do with the values, and differ each time. */
const script = `# @hpo.objective val_loss min
# @hpo.search seed=11 batch=4
import random, time
lr = 1e-2  # @hpo float(1e-4, 1e-1, log)
width = 16  # @hpo int(4, 64)
epochs = 9  # @hpo fidelity(1, 9, eta=3)
for epoch in range(1, epochs + 1):
    time.sleep(random.random() * 0.02)
    print(f"epoch {epoch} val_loss={(width - 40) ** 2 / 1000 + abs(lr - 3e-3) * 10 + 1 / epoch:.6f}", flush=True)
`;

interface TrialLine {
  readonly number: number;
  readonly state: string;
  readonly params: Record<string, unknown>;
  readonly values: Record<string, number>;
}

interface Replayed {
  readonly stateHash: string;
  readonly events: number;
  readonly verified: {
    readonly isSame: boolean;
    readonly points: number;
    readonly of: number;
    readonly differences: readonly { readonly recorded: { readonly type: string } }[];
    readonly chain: { readonly ok: boolean } | null;
  } | null;
}

async function tune(hpo: Hpo, ...args: readonly string[]): Promise<string> {
  const lines = await hpo.json<{ studyId: string }>('tune', join(hpo.project, 'train.py'), '-n', '14', ...args);
  return lines.at(-1)?.studyId ?? '';
}

async function decided(hpo: Hpo, studyId: string) {
  const trials = await hpo.json<TrialLine>('trials', studyId);
  return trials.map(({ number, state, params, values }) => ({ number, state, params, values }));
}

async function replay(hpo: Hpo, studyId: string, ...args: readonly string[]): Promise<{ code: number | null; told: Replayed }> {
  const { code, stdout, stderr } = await hpo.run('replay', studyId, '--json', ...args);
  expect(stderr).toBe('');
  return { code, told: JSON.parse(stdout) as Replayed }; // the contract of --json
}

/** Changes the params of a trial, and mends the chain so that nothing else shows it. */
function forge(path: string, studyId: string): void {
  using db = new DatabaseSync(path);
  const rows = db.prepare('SELECT seq, epoch, studyId, type, body FROM hpo_event ORDER BY seq').all();
  const update = db.prepare('UPDATE hpo_event SET body = ?, prevHash = ?, hash = ? WHERE seq = ?');
  let hash = genesisHash;
  let seq = 0;
  for (const row of rows) {
    seq = Number(row['seq']);
    let body = String(row['body']);
    if (row['studyId'] === studyId && body.includes('"trialCreated"') && body.includes('"number":7,'))
      body = body.replace(/"width":\d+/, '"width":41');
    const own = { seq, epoch: Number(row['epoch']), studyId: String(row['studyId']), type: String(row['type']), body };
    const next = eventHash(hash, own);
    update.run(body, hash, next, seq);
    hash = next;
  }
  db.prepare("UPDATE hpo_meta SET value = ? WHERE key = 'head'").run(`${seq} ${hex(hash)}`);
}

describe('hpo replay', () => {
  it('shows that batches are the same with one worker and with four, on any copy; and finds what was changed', async () => {
    await using hpo = new Hpo();
    hpo.write('train.py', script);
    const one = await tune(hpo, '--parallel', '1');
    const four = await tune(hpo, '--parallel', '4');
    const trials = await decided(hpo, one);
    expect(trials).toHaveLength(14);
    expect(await decided(hpo, four)).toEqual(trials);
    expect(trials.some(({ state }) => state === 'pruned')).toBe(true);
    // Not the same as without batches, which learn from every trial at once.
    expect((await hpo.json<{ batch: number | null }>('preview', join(hpo.project, 'train.py')))[0]?.batch).toBe(4);

    // Beside the running agent.
    for (const study of [one, four]) {
      const { code, told } = await replay(hpo, study, '--verify');
      expect(told.verified).toMatchObject({ isSame: true, points: 13, of: 13, differences: [], chain: { ok: true } });
      expect(code).toBe(0);
    }
    const text = await hpo.run('replay', four, '--verify');
    expect(text.stdout).toMatch(/state {3}[0-9a-f]{64}\nverify {2}\d+ decisions made again, .* all as recorded\n$/);
    const whole = (await replay(hpo, one)).told;
    const part = (await replay(hpo, one, '--upto', '20')).told;
    expect(part.events).toBeLessThan(whole.events);
    expect(part.stateHash).not.toBe(whole.stateHash);
    expect((await replay(hpo, one, '--verify', '--sample', '3')).told.verified).toMatchObject({
      isSame: true,
      points: 3,
      of: 13,
    });

    // A copy, without an agent.
    expect((await hpo.run('agent', 'stop')).code).toBe(0);
    const copy = join(hpo.folder, 'copy.db');
    copyFileSync(join(hpo.home, 'journal.db'), copy);
    expect((await replay(hpo, one, '--journal', copy)).told.stateHash).toBe(whole.stateHash);
    forge(copy, one);
    const forged = await replay(hpo, one, '--journal', copy, '--verify');
    expect(forged.code).toBe(1);
    expect(forged.told.verified?.chain).toMatchObject({ ok: true });
    expect(forged.told.verified?.differences[0]?.recorded).toMatchObject({ type: 'trialCreated', number: 7 });
    expect((await hpo.run('replay', one, '--journal', copy, '--verify')).stdout).toMatch(
      /event \d+ differs\n +recorded .*"width":41/,
    );
    expect((await replay(hpo, four, '--journal', copy, '--verify')).code).toBe(0);
  });

  it('refuses what cannot be, with the reason and what to do', async () => {
    await using hpo = new Hpo();
    const path = hpo.write('train.py', `${script}# @hpo.checkpoint dir=ckpt\n`);
    const refused = await hpo.run('tune', path, '--scheduler', 'pbt', '-n', '8');
    expect(refused.stderr).toContain('HPO-4205');
    expect(refused.stderr).toContain('asha-promote');
    expect(refused.code).not.toBe(0);
    expect(await hpo.run('replay', 'x', '--journal', join(hpo.folder, 'none.db'))).toMatchObject({ code: 3 });
  });
});
