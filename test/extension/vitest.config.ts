import { defineConfig } from 'vitest/config';

/** Tests in a real VS Code: one after the other, as each drives a window and an agent of its own. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    name: 'extension',
    include: ['test/extension/**/*.test.ts'],
    // No test of the product: made only when asked for.
    exclude: process.env['HPO_SCREENSHOTS'] === '1' ? [] : ['test/extension/pictures.test.ts'],
    globalSetup: ['test/extension/support/globalSetup.ts'],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
