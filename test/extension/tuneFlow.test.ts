import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Workbench } from './pages/workbench.ts';
import { screenshots, Vscode } from './support/vscode.ts';

const themes = [
  { name: 'dark', theme: 'Dark Modern', bodyClass: 'vscode-dark' },
  { name: 'highContrast', theme: 'Default High Contrast', bodyClass: 'vscode-high-contrast' },
  { name: 'light', theme: 'Light Modern', bodyClass: 'vscode-light' },
] as const;

/** The whole way, as a user goes it: each test goes on where the one before ended. */
describe('from an annotated script to the best value in its source', () => {
  let vscode: Vscode;
  let workbench: Workbench;
  let before = '';

  beforeAll(async () => {
    vscode = await Vscode.start(inject('installed'));
    before = vscode.read('train.py');
    workbench = await vscode.open();
  });
  afterAll(async () => await vscode[Symbol.asyncDispose]());
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.screenshot(join(screenshots, `failed ${task.id}.actual.png`));
  });

  test('an annotated script offers to be tuned', async () => {
    await workbench.openFile('train.py');
    await workbench.editor.lens('▶ Tune this script').waitFor();
    expect(await workbench.editor.lenses()).toEqual(['▶ Tune this script', '3 parameters']);
    await workbench.page.locator('.editor-actions [aria-label^="Tune This Script"]').waitFor();
  });

  test('a click on the lens shows the first curve, and leaves the focus in the editor', async () => {
    await workbench.editor.focus();
    const clicked = Date.now();
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.panel.firstCurve.waitFor();
    console.log(`first curve after ${Date.now() - clicked} ms`);
    expect(await workbench.activeTab()).toContain('train.py');
  });

  test('progress is seen in lens, status bar and tree', async () => {
    await workbench.editor.lens(/\d\/6/).or(workbench.editor.lens('Insert best')).first().waitFor();
    await workbench.statusBarItem(/\d\/6/).waitFor();
    await workbench.explorer.open();
    await workbench.explorer.row(/^Study train/).waitFor();
    await workbench.explorer
      .row(/^Trial \d+, running|^Trial \d+.*complete/)
      .first()
      .waitFor();
  });

  test('the study ends with a notification', async () => {
    await workbench.notification(/best val_loss/).waitFor();
    await workbench.explorer.row(/^Study train, ended, 6 of 6/).waitFor();
    await workbench.explorer
      .row(/^Trial \d+, the best, complete, val_loss/)
      .first()
      .waitFor();
  });

  test('a log of a trial is shown', async () => {
    await workbench.explorer
      .row(/^Trial \d+, the best/)
      .first()
      .click();
    await workbench.page.locator('.tab.active', { hasText: /trial \d+\.log/ }).waitFor();
    await workbench.page
      .locator('.view-line', { hasText: /epoch\s4\sval_loss=/ })
      .first()
      .waitFor();
    await workbench.page.keyboard.press('Control+F4');
  });

  test('a second window sees the same study', async () => {
    const second = await vscode.open();
    await second.openFile('train.py');
    await second.explorer.open();
    await second.explorer.row(/^Study train/).waitFor();
    await second.close();
  });

  test('the panel is restored after a reload of the window', async () => {
    await workbench.reload();
    await workbench.panel.firstCurve.waitFor();
    await workbench.panel.frame.getByText('6').first().waitFor();
  });

  test.each(themes)('panel and tree follow the theme: $name', async ({ name, theme, bodyClass }) => {
    vscode.set({ 'workbench.colorTheme': theme });
    await workbench.reload();
    await workbench.explorer.open();
    await workbench.panel.frame.locator(`body.${bodyClass}`).waitFor();
    await workbench.panel.firstCurve.waitFor();
    if (process.env['HPO_SCREENSHOTS'] === '1') await workbench.screenshot(join(screenshots, `${name}.actual.png`));
  });

  test('insert best shows a preview, then writes the literals and keeps the comments', async () => {
    await workbench.openFile('train.py');
    await workbench.editor.lens(/^Insert best: /).click();
    await workbench.quickPickRow(/lr.*0\.5 → 0\.\d+/).waitFor();
    await workbench.screenshotIfAsked('insertBest');
    expect(vscode.read('train.py')).toBe(before);
    await workbench.page.keyboard.press('Enter');
    await workbench.editor.lens('Best values are in the file').waitFor();
    // The editor saves what was inserted, a moment later.
    await expect
      .poll(() => vscode.read('train.py') !== before && comments(vscode.read('train.py')).join())
      .toBe(comments(before).join());
    const after = vscode.read('train.py');
    expect(changedLines(before, after).every((line) => /^(lr|width|kind) = .* {2}# @hpo /.test(line))).toBe(true);
  });

  test('one undo restores the file', async () => {
    await workbench.editor.undo();
    await workbench.editor.lens(/^Insert best: /).waitFor();
    await workbench.editor.save();
    await expect.poll(() => vscode.read('train.py')).toBe(before);
  });

  test('a literal that is gone is named, and the others can be inserted', async () => {
    const without = before.replace('width = 8  # @hpo int(1, 64)', 'width = 8');
    await workbench.editor.changedOutside(() => writeFileSync(vscode.path('train.py'), without), /^width\s=\s8$/);
    await workbench.editor.lens('2 parameters').waitFor();
    await workbench.editor.lens(/^Insert best: /).click();
    await workbench.notification('width (train.py) is not annotated any more').waitFor();
    await workbench.quickPickRow(/lr.*0\.5 → 0\.\d+/).waitFor();
    expect(await workbench.quickPickRow(/width/).count()).toBe(0);
    await workbench.page.keyboard.press('Escape');
    await workbench.quickPickRow(/lr/).waitFor({ state: 'hidden' });
    writeFileSync(vscode.path('train.py'), before);
  });

  test('a study is deleted after a question', async () => {
    await workbench.explorer.open();
    await workbench.explorer.chooseFromMenu(/^Study train/, 'Delete Study…');
    await workbench.page.locator('.monaco-dialog-box').getByRole('button', { name: 'Delete' }).click();
    await workbench.explorer.welcome.getByText('No study yet.').waitFor();
  });
});

function comments(text: string): readonly string[] {
  return text.split('\n').map((line) => /#.*/.exec(line)?.[0] ?? '');
}

function changedLines(before: string, after: string): readonly string[] {
  const old = before.split('\n');
  return after.split('\n').filter((line, index) => line !== old[index]);
}
