import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { mutantPlugin } from './mutantPlugin.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Runs tests of other projects on a product with a bug in it: `HPO_TEST_MUTANT` names the bug. */
export default defineConfig({
  root,
  plugins: [mutantPlugin(root)],
  test: {
    include: ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts', 'test/mutation/seeds.test.ts'],
    setupFiles: ['test/mutation/setup.ts'],
    provide: { patienceMs: 25_000 },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 1,
    // A transformed module that was kept would be with a bug, or without, as an earlier run was.
    fsModuleCache: false,
  },
});
