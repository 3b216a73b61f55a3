import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { installShim } from '../../../agent/executors/attempt/shim.ts';
import { nodeFiles } from '../../../agent/system/nodeFiles.ts';

test.skipIf(process.platform === 'win32').each([0o022, 0o077, 0o777])(
  'whoever runs in a container can read the shim, with umask %i',
  async (mask) => {
    const folder = mkdtempSync(join(tmpdir(), 'hpo-shim-'));
    const before = process.umask(mask);
    onTestFinished(() => {
      process.umask(before);
      rmSync(folder, { recursive: true });
    });
    const path = await installShim(nodeFiles, folder);
    expect(statSync(path).mode & 0o777).toBe(0o555);
  },
);
