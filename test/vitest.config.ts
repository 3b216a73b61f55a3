import { defineConfig } from 'vitest/config';

/** One project a kind of test; `vitest --project unit` runs one of them. */
const project = (name: string, timeoutMs: number, globalSetup: string[] = [], maxConcurrency = 5) => ({
  test: {
    name,
    maxConcurrency,
    globalSetup,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
  },
});

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    projects: [
      project('unit', 20_000),
      project('contract', 60_000),
      project('simulation', 180_000),
      project('integration', 180_000, ['test/support/built.ts']),
      // Builds and trials of all its tests share one engine.
      project('docker', 300_000, ['test/support/dockerSetup.ts'], 2),
      // So do its pods, which mostly wait.
      project('kubernetes', 300_000, ['test/support/clusterSetup.ts'], 6),
      // Each of its tests runs others.
      project('mutation', 600_000, [], 2),
    ],
  },
});
