import { describe, expect, it } from 'vitest';
import { ensureBases } from '../support/docker.ts';
import { EnvironmentProject } from '../support/environmentProject.ts';
import { copyExample, examples } from '../support/examples.ts';

describe('examples in other languages, in containers', () => {
  it.concurrent.each(examples)('$name', { timeout: 600_000 }, async ({ name, base, metric }) => {
    await ensureBases(base);
    await using project = new EnvironmentProject();
    copyExample(project, name);
    const tuned = await project.tuneInContainers('hpo.yml', 4, '--scheduler', 'none');
    const values = tuned.trials.map((trial) => trial.values[metric] ?? NaN);
    expect(values).toEqual(values.filter(Number.isFinite));
    // Other values give other results: the arguments, variables and literals have arrived.
    expect(new Set(values).size).toBe(values.length);
    await project.free(tuned.studyId);
  });
});
