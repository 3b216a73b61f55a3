import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../../agent/core/analysis/index.ts';
import { Hpo } from '../../support/hpo.ts';

const script = `# @hpo.objective val_loss min
lr = 1e-2  # @hpo float(1e-5, 1, log)
width = 16  # @hpo int(4, 64)
import math
print(f"val_loss={(math.log10(lr) + 3) ** 2 + width / 1000}")
`;

interface Explained {
  readonly studyId: string;
  readonly objectives: readonly Explanation[];
}

describe('hpo explain', () => {
  it('says what matters, where, and what to do next', async () => {
    await using hpo = new Hpo();
    const path = hpo.write('train.py', script);
    await hpo.run('tune', path, '-n', '24', '--parallel', '2', '--seed', '1', '--search', 'random');
    const [status] = await hpo.json<{ studyId: string }>('status');
    const studyId = status?.studyId ?? '';

    const shown = await hpo.run('explain', studyId);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^Importance for reaching the best tenth of val_loss/);
    expect(shown.stdout).toMatch(/ {2}lr +\d+ % +█+/);
    expect(shown.stdout).toMatch(/The next \d+ trials have a chance of/);

    for (const method of ['ped-anova', 'fanova']) {
      const [explained] = await hpo.json<Explained>('explain', studyId, '--method', method);
      expect(explained?.studyId).toBe(studyId);
      const [only] = explained?.objectives ?? [];
      expect(only?.importance).toMatchObject({ method, problem: null });
      expect(only?.importance.parameters[0]).toMatchObject({ name: 'lr' });
      expect(only?.marginals[0]?.points).toHaveLength(32);
      expect(only?.stop.outlook?.trials).toBe(10);
    }
  });

  it.each([
    [['explain', 'nothing'], 3],
    [['explain'], 2],
    [['explain', 'nothing', '--method', 'guess'], 2],
  ])('hpo %j ends with %d', async (args, code) => {
    await using hpo = new Hpo();
    expect((await hpo.run(...args)).code).toBe(code);
  });
});
