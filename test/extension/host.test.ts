import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import type { HostResult } from './host/index.ts';
import { Vscode } from './support/vscode.ts';

const results = await runHostTests();

describe('in the extension host', () => {
  test.each(results)('$name', ({ error, note }) => {
    if (note !== null) console.log(note);
    expect(error).toBeNull();
  });
});

/** All of them run in one window; what came out is told test by test. */
async function runHostTests(): Promise<readonly HostResult[]> {
  const installed = inject('installed');
  const folder = mkdtempSync(join(tmpdir(), 'hpo-results-'));
  const file = join(folder, 'results.json');
  try {
    await using vscode = await Vscode.start(installed, { hasTestDriver: true, env: { HPO_TEST_RESULTS: file } });
    await vscode.runInHost(installed.extensionDir, installed.hostTests);
    return JSON.parse(readFileSync(file, 'utf8')) as HostResult[];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
