import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Workbench } from './pages/workbench.ts';
import { screenshots, Vscode } from './support/vscode.ts';

/** Seconds between a click and the first sign are counted in tests/bench; this bound only finds what is badly wrong. */
const generousMs = 10_000;

describe('what is unknown is asked, and what is wrong is said', () => {
  let vscode: Vscode;
  let workbench: Workbench;

  beforeAll(async () => {
    vscode = await Vscode.start(inject('installed'));
    workbench = await vscode.open();
    await workbench.explorer.open();
  });
  afterAll(async () => await vscode[Symbol.asyncDispose]());
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.screenshot(join(screenshots, `failed ${task.id}.actual.png`));
  });

  test('the metric that the script prints is proposed, and the study starts with it', async () => {
    await workbench.openFile('unnamed.py');
    const clicked = Date.now();
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.quickPickRow(/val_acc\s*maximize/).waitFor();
    const coldMs = Date.now() - clicked;
    console.log(`first question ${coldMs} ms after the click, the start of the agent included`);
    expect(coldMs).toBeLessThan(generousMs);
    await workbench.screenshotIfAsked('questionObjective');
    await workbench.quickPickRow(/val_acc/).click();
    await workbench.explorer.row(/^Study unnamed, ended, 2 of 2/).waitFor();
    await using client = await vscode.connect();
    const { spec } = await client.request('study/view', { studyId: (await vscode.newest()).studyId });
    expect(spec.objectives).toEqual([{ metric: 'val_acc', direction: 'max', goal: null }]);
  });

  test('with an agent that runs, question and start come at once', async () => {
    let clicked = Date.now();
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.quickPickRow(/val_acc/).waitFor();
    const questionMs = Date.now() - clicked;
    await workbench.page.keyboard.press('Escape');
    await workbench.openFile('slow.py');
    clicked = Date.now();
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.explorer.row(/^Study slow, running/).waitFor();
    const startMs = Date.now() - clicked;
    console.log(`first question ${questionMs} ms and study started ${startMs} ms after the click`);
    expect(Math.max(questionMs, startMs)).toBeLessThan(generousMs);
  });

  test('a missing package is asked about; the environment is made with its steps shown', async () => {
    await workbench.openFile('needs.py');
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.quickPickRow('Make an environment for this script').waitFor();
    await workbench.quickPickRow('Use it as it is').waitFor();
    await workbench.quickPickRow('Choose another Python…').waitFor();
    await workbench.page.locator('.quick-input-widget input[placeholder*="six"]').waitFor();
    await workbench.screenshotIfAsked('questionEnvironment');
    await workbench.quickPickRow('Make an environment for this script').click();
    await workbench.notification(/Making an environment for requirements\.txt|Installing/).waitFor();
    await workbench.screenshotIfAsked('makingEnvironment');
    await workbench.explorer.row(/^Study needs, ended, 2 of 2/).waitFor({ timeout: 120_000 });
    await using client = await vscode.connect();
    const { environment } = (await client.request('study/view', { studyId: (await vscode.newest()).studyId })).spec;
    expect(environment.reason).toBe('made from requirements.txt');
    expect(existsSync(environment.interpreter)).toBe(true);
    const { text } = await client.request('trial/log', { studyId: (await vscode.newest()).studyId, trial: 0, offset: 0 });
    expect(text).toContain('six 1.12.0');
  });

  test('a study whose trials all fail pauses itself, and says why once, with the ways on', async () => {
    await workbench.openFile('broken.py');
    await workbench.editor.lens('▶ Tune this script').click();
    const paused = workbench.notification(/broken paused itself\..*missing\/train\.csv.*tune again/);
    await paused.waitFor();
    await workbench.screenshotIfAsked('pausedStudy');
    expect(await paused.count()).toBe(1);
    await workbench.explorer.open();
    await workbench.explorer.row(/^Study broken, paused by itself, [34] of 6/).waitFor();
    await workbench.statusBarItem(/[34]\/6/).waitFor();
    await workbench.panel.state('paused').waitFor();
    await workbench.panel.button('faultLog').waitFor();
    await paused.hover();
    await paused.getByRole('button', { name: /^Show Log of Trial \d+$/ }).waitFor();
    await paused.getByRole('button', { name: 'Resume' }).click();
    await workbench.explorer.row(/^Study broken, ended, 6 of 6/).waitFor();
  });

  test('a study that has failed says why once, with the way to the log', async () => {
    const failed = workbench.notification(/broken failed\..*missing\/train\.csv/);
    await failed.waitFor();
    await workbench.screenshotIfAsked('failedStudy');
    expect(await failed.count()).toBe(1);
    await failed.hover();
    await failed.getByRole('button', { name: /^Show Log of Trial \d+$/ }).click();
    await workbench.page.locator('.tab.active', { hasText: /trial \d+\.log/ }).waitFor();
    await workbench.page
      .locator('.view-line', { hasText: /No\ssuch\sfile\sor\sdirectory/ })
      .first()
      .waitFor();
  });

  test('a trial that failed is retried from the tree, though its study has ended', async () => {
    await workbench.explorer.expand('All trials');
    await workbench.explorer.chooseFromMenu(/^Trial 0, failed/, 'Retry Trial');
    await workbench.explorer
      .row(/^Trial 0, the best, complete/)
      .first()
      .waitFor();
    await workbench.explorer.row(/^Study broken, ended, 6 of 6/).waitFor();
    await using client = await vscode.connect();
    const { trials } = await client.request('study/view', { studyId: (await vscode.newest()).studyId });
    expect(trials.map(({ state, attempts }) => `${state} ${attempts.length}`).sort()).toEqual([
      'complete 2',
      ...Array.from({ length: 5 }, () => 'failed 1'),
    ]);
  });

  test('a fault of the annotations is said with a button that goes there', async () => {
    await workbench.openFile('faulty.py');
    await workbench.editor.lens('▶ Tune this script').click();
    const fault = workbench.notification(/faulty\.py line 5: .*HPO-1107/);
    await fault.waitFor();
    await fault.hover();
    await fault.getByRole('button', { name: 'Go to Line 5' }).click();
    await workbench.statusBarItem('Ln 5').waitFor();
  });

  test('an interpreter that does not start can be replaced on the spot', async () => {
    await workbench.close();
    vscode.set({ 'hpo.pythonPath': '/nowhere/python3' });
    workbench = await vscode.open();
    await workbench.openFile('train.py');
    await workbench.editor.lens('▶ Tune this script').click();
    const missing = workbench.notification(/\/nowhere\/python3 \(setting hpo\.pythonPath\) does not start/);
    await missing.waitFor();
    await workbench.screenshotIfAsked('missingPython');
    await missing.hover();
    await missing.getByRole('button', { name: 'Choose Python…' }).click();
    await workbench.choosePath(process.env['HPO_TEST_PYTHON'] ?? '/usr/bin/python3');
    await workbench.editor.lens(/\d\/6/).first().waitFor();
    const settings: unknown = JSON.parse(readFileSync(vscode.path('.vscode/settings.json'), 'utf8'));
    expect(settings).toEqual({ 'hpo.pythonPath': process.env['HPO_TEST_PYTHON'] ?? '/usr/bin/python3' });
    expect(readdirSync(vscode.home)).toContain('journal.db');
  });
});
