import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Where files run side by side, those that take longest begin first, so that none of them is waited for alone at the end. */
const longest = ['faults', 'digits', 'same', 'agent', 'queue', 'vscode'].map((name) => `${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ project, moduleId }: TestSpecification): number => {
      const index = project.name === 'kubernetes' ? longest.indexOf(basename(moduleId)) : -1;
      return index === -1 ? longest.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** How long a contract waits for what it wants to see, in ms: longer than a busy machine takes, shorter than a test may. */
    readonly patienceMs: number;
  }
}

/** One project a kind of test; `vitest --project unit` runs one of them. */
const project = (name: string, timeoutMs: number, globalSetup: string[] = [], maxConcurrency = 5, alone = {}) => ({
  test: {
    name,
    maxConcurrency,
    provide: { patienceMs: 55_000 },
    ...alone,
    globalSetup,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
  },
});

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit', 20_000),
      project('contract', 60_000),
      project('simulation', 180_000),
      project('integration', 180_000, ['test/support/built.ts']),
      // Builds and trials of all its tests share one engine.
      project('docker', 300_000, ['test/support/dockerSetup.ts'], 2),
      // So do its pods, which mostly wait, and with them its files. Who has workers of its own needs an order of its own.
      project('kubernetes', 300_000, ['test/support/clusterSetup.ts'], 6, {
        maxWorkers: Math.max(3, availableParallelism() - 1),
        sequence: { groupOrder: 1 },
        // The first pods of many tests at once have taken 45 s to begin.
        provide: { patienceMs: 150_000 },
      }),
      // Each of its tests runs others.
      project('mutation', 600_000, [], 2),
    ],
  },
});
