import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import type { StudySummary } from '../../agent/protocol/requests.ts';
import type { Workbench } from './pages/workbench.ts';
import { screenshots, Vscode } from './support/vscode.ts';

/** What window and agent say has to be the same: each test changes a study in the window and asks the agent. */
describe('a running study is controlled from panel and tree', () => {
  let vscode: Vscode;
  let workbench: Workbench;

  beforeAll(async () => {
    vscode = await Vscode.start(inject('installed'));
    workbench = await vscode.open();
    await workbench.explorer.open();
    await workbench.openFile('long.py');
  });
  afterAll(async () => await vscode[Symbol.asyncDispose]());
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.screenshot(join(screenshots, `failed ${task.id}.actual.png`));
  });

  /** The newest study, as `hpo status --json` tells it. */
  async function agentSays(): Promise<Pick<StudySummary, 'studyId' | 'state' | 'trials'>> {
    const { studyId } = await vscode.newest();
    const [study] = await vscode.hpo<Pick<StudySummary, 'studyId' | 'state' | 'trials'>>('status', studyId);
    if (study === undefined) throw new Error(`hpo status says nothing of ${studyId}`);
    return study;
  }

  test('pause from the panel', async () => {
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.panel.firstCurve.waitFor();
    await workbench.panel.button('pause').click();
    await workbench.panel.state('paused').waitFor();
    await workbench.explorer.row(/^Study long, paused/).waitFor();
    expect((await agentSays()).state).toBe('paused');
  });

  test('resume from the tree', async () => {
    await workbench.explorer.chooseFromMenu(/^Study long/, 'Resume Study');
    await workbench.explorer.row(/^Study long, running/).waitFor();
    await workbench.panel.state('running').waitFor();
    expect((await agentSays()).state).toBe('running');
  });

  test('pause from the tree, resume from the panel', async () => {
    await workbench.explorer.chooseFromMenu(/^Study long/, 'Pause Study');
    await workbench.panel.state('paused').waitFor();
    expect((await agentSays()).state).toBe('paused');
    await workbench.panel.button('resume').click();
    await workbench.explorer.row(/^Study long, running/).waitFor();
    expect((await agentSays()).state).toBe('running');
  });

  test('one trial is stopped from the tree, and the study goes on', async () => {
    const running = workbench.explorer.row(/^Trial \d+, running/).first();
    const number = /^Trial (\d+)/.exec((await running.getAttribute('aria-label')) ?? '')?.[1] ?? '';
    await workbench.explorer.chooseFromMenu(new RegExp(`^Trial ${number}, running`), 'Stop Trial');
    await expect.poll(async () => (await agentSays()).trials.cancelled, { timeout: 20_000 }).toBe(1);
    await workbench.explorer.row(new RegExp(`^Trial ${number}, running`)).waitFor({ state: 'detached' });
    expect((await agentSays()).state).toBe('running');
  });

  test('stop from the panel, after a question', async () => {
    await workbench.panel.button('stop').click();
    await workbench.panel.button('confirmStop').click();
    await workbench.explorer.row(/^Study long, ended/).waitFor();
    await workbench.panel.state('ended').waitFor();
    expect((await agentSays()).state).toBe('ended');
    expect((await vscode.newest()).endReason).toBe('stopped');
  });

  test('stop from the tree', async () => {
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.explorer.row(/^Study long, running/).waitFor();
    await workbench.explorer.chooseFromMenu(/^Study long, running/, 'Stop Study');
    await workbench.explorer.row(/^Study long, running/).waitFor({ state: 'detached' });
    await expect.poll(async () => (await agentSays()).state, { timeout: 20_000 }).toBe('ended');
    expect((await vscode.newest()).endReason).toBe('stopped');
  });

  test('tree and panel go on by themselves when the agent is killed', async () => {
    await workbench.openFile('slow.py');
    await workbench.editor.lens('▶ Tune this script').click();
    await workbench.explorer.row(/^Study slow, running, [1-4] of 8/).waitFor();
    const killed = vscode.agentPid();
    if (killed === null) throw new Error('no agent runs');
    process.kill(killed, 'SIGKILL');
    const at = Date.now();
    await expect.poll(() => vscode.agentPid(), { timeout: 20_000 }).not.toBe(killed);
    const tookMs = Date.now() - at;
    await workbench.explorer.row(/^Study slow, ended, 8 of 8/).waitFor();
    await workbench.panel.state('ended').waitFor();
    await workbench.panel.frame.getByText('of 8 done').waitFor();
    console.log(`a new agent announced itself ${tookMs} ms after the old one was killed`);

    await using client = await vscode.connect();
    const { studyId } = await agentSays();
    const { trials } = await client.request('study/view', { studyId });
    const steps = Array.from({ length: 12 }, (_, index) => index + 1);
    expect(trials.map(({ state, curve }) => ({ state, steps: curve.map(({ step }) => step) }))).toEqual(
      Array.from({ length: 8 }, () => ({ state: 'complete', steps })),
    );
    const again = trials.filter(({ attempts }) => attempts.length > 1);
    console.log(`attempts that were repeated: ${JSON.stringify(again.map(({ number, attempts }) => ({ number, attempts })))}`);
  });
});
