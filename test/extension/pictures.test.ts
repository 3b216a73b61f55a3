import { join } from 'node:path';
import { afterAll, beforeAll, describe, inject, test } from 'vitest';
import type { Workbench } from './pages/workbench.ts';
import { screenshots, Vscode } from './support/vscode.ts';

const themes = [
  { name: 'dark', theme: 'Dark Modern', bodyClass: 'vscode-dark' },
  { name: 'light', theme: 'Light Modern', bodyClass: 'vscode-light' },
  { name: 'highContrast', theme: 'Default High Contrast', bodyClass: 'vscode-high-contrast' },
] as const;

/** Window width that leaves 400 px to the panel, beside side bar and script. */
const narrowPx = 1150;

/** The pictures of the README (kept with fewer colours as `tune-<theme>.png`), and the narrow panel to look at; made only when HPO_SCREENSHOTS=1 asks for them. */
describe('pictures of a finished study', () => {
  let vscode: Vscode;
  let workbench: Workbench;

  beforeAll(async () => {
    vscode = await Vscode.start(inject('installed'));
    workbench = await vscode.open();
    await workbench.explorer.open();
    await workbench.openFile('moons.py');
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.explorer.row(/^Study moons, ended, 24 of 24/).waitFor();
  });
  afterAll(async () => await vscode[Symbol.asyncDispose]());

  test.each(themes)('$name', async ({ name, theme, bodyClass }) => {
    vscode.set({ 'workbench.colorTheme': theme });
    await workbench.page.setViewportSize({ width: 1400, height: 900 });
    await workbench.reload();
    await workbench.explorer.open();
    await workbench.panel.frame.locator(`body.${bodyClass}`).waitFor();
    await workbench.panel.firstCurve.waitFor();
    await workbench.editor.lens('4 parameters').waitFor();
    // Fonts and the last animation frame.
    await workbench.page.waitForTimeout(1000);
    await workbench.screenshot(join(screenshots, `tune-${name}.actual.png`));
    await workbench.page.setViewportSize({ width: narrowPx, height: 1400 });
    await workbench.page.waitForTimeout(1000);
    await workbench.screenshot(join(screenshots, `narrow-${name}.actual.png`));
  });
});
