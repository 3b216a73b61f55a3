import { describe, expect, it } from 'vitest';
import { Hpo } from '../../support/hpo.ts';

const script = (name: string, metric = 'loss'): string =>
  `# @hpo.objective ${metric} min\n# @hpo.search sampler=tpe seed=1\n${name} = 0.5  # @hpo float(0, 1)\nprint(f"${metric}={(${name} - 0.2) ** 2}")\n`;

describe('hpo tune --from', () => {
  it('learns from the trials of another study, and says from how many', async () => {
    await using hpo = new Hpo();
    await hpo.run('tune', hpo.write('first.py', script('lr')), '-n', '5');
    const [first] = await hpo.json<{ studyId: string }>('status');
    const second = hpo.write('second.py', script('learning_rate'));
    const tuned = await hpo.run('tune', second, '-n', '3', '--from', first?.studyId.slice(0, -2) ?? '');
    expect(tuned.stderr).toContain(`The search learns from 5 of the 5 ended trials of ${first?.studyId ?? ''}.`);
    expect(tuned.code).toBe(0);
    const alone = await hpo.run('tune', second, '-n', '3');
    expect(alone.stderr).not.toContain('learns from');
  });

  it('says what is wrong with the study that is named', async () => {
    await using hpo = new Hpo();
    const path = hpo.write('first.py', script('lr'));
    expect(await hpo.run('tune', path, '-n', '1', '--from', 'nothing')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('HPO-4004'),
    });
    await hpo.run('tune', path, '-n', '2');
    const [first] = await hpo.json<{ studyId: string }>('status');
    const other = hpo.write('other.py', script('temperature', 'distance'));
    const refused = await hpo.run('tune', other, '-n', '1', '--from', first?.studyId ?? '');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('HPO-4031') });
    expect(refused.stderr).toContain('none of its 2 ended trials has a place in this space');
  });
});
