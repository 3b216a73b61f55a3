import { describe, expect, it } from 'vitest';
import { copyExample, examples, isRunnable } from '../../support/examples.ts';
import { Hpo } from '../../support/hpo.ts';

interface Trial {
  readonly state: string;
  readonly values: Readonly<Record<string, number>>;
}

/** In containers all of them run: `test/docker/examples.test.ts`. Here those do whose language this machine has; it has Node. */
describe('examples in other languages, as processes', () => {
  it.each(examples.filter(isRunnable))('$name', async ({ name, metric }) => {
    await using hpo = new Hpo();
    copyExample(hpo, name);
    const search = ['-n', '6', '--parallel', '2', '--seed', '3', '--scheduler', 'none'];
    const lines = await hpo.json<{ type: string; studyId: string; best: { values: Record<string, number> } | null }>(
      'tune',
      'hpo.yml',
      ...search,
    );
    const { studyId = '', best } = lines.at(-1) ?? {};
    const trials = await hpo.json<Trial>('trials', studyId);
    const values = trials.map(({ values: all }) => all[metric] ?? NaN);
    expect(trials.map(({ state }) => state)).toEqual(trials.map(() => 'complete'));
    expect(new Set(values).size).toBe(6);
    expect(best?.values[metric]).toBe(Math.min(...values));
    if (name !== 'cpp' && name !== 'rust' && name !== 'julia') return;
    // The best goes back into the literal, as in Python.
    expect((await hpo.run('best', studyId, '--apply')).code).toBe(0);
  });
});
