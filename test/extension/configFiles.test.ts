import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Workbench } from './pages/workbench.ts';
import { screenshots, Vscode } from './support/vscode.ts';

describe('annotations in config files', () => {
  let vscode: Vscode;
  let workbench: Workbench;

  beforeAll(async () => {
    vscode = await Vscode.start(inject('installed'));
    // Not in the sources, where formatters refuse JSON with comments.
    copyFileSync(vscode.path('conf/faulty.jsonc'), vscode.path('conf/faulty.json'));
    workbench = await vscode.open();
  });
  afterAll(async () => await vscode[Symbol.asyncDispose]());
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.screenshot(join(screenshots, `failed ${task.id}.actual.png`));
  });

  test('do not activate the extension by themselves', async () => {
    await workbench.openFile('faulty.yaml');
    await workbench.page.locator('.view-line', { hasText: 'flaot' }).waitFor();
    // Long enough for an activation, which takes milliseconds, and for the parser.
    await workbench.page.waitForTimeout(1500);
    expect(await workbench.editor.errors.count()).toBe(0);
  });

  test.each(['faulty.yaml', 'faulty.toml', 'faulty.json', 'faulty.jsonc'])('faults are shown: %s', async (name) => {
    // A Python file has been looked at: from now on the extension is active.
    await workbench.openFile('configured.py');
    await workbench.editor.lens('▶ Tune this script').waitFor();
    await workbench.openFile(name);
    await workbench.editor.errors.first().waitFor();
    await workbench.editor.lens(/1 parameter|0 parameters/).waitFor();
  });

  test('a config file offers to tune the script that includes it, and takes its best values', async () => {
    await workbench.openFile('model.yaml');
    await workbench.editor.lens('2 parameters').waitFor();
    await workbench.editor.lens('▶ Tune the script that uses this').click();
    await workbench.notification(/configured: best loss/).waitFor();
    await workbench.editor.lens(/^Insert best: /).click();
    await workbench.quickPickRow(/rate.*0\.5 → 0\.\d+/).waitFor();
    await workbench.page.keyboard.press('Enter');
    await workbench.editor.lens('Best values are in the file').waitFor();
    await expect
      .poll(() => vscode.read('conf/model.yaml'))
      .toMatch(/^rate: 0\.(?!5 )\d+ +# @hpo float\(1e-4, 1, log\)\ndepth: \d+ +# @hpo int\(1, 12\)\n$/);
  });
});
