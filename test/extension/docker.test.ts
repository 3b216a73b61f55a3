import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Workbench } from './pages/workbench.ts';
import { screenshots, Vscode } from './support/vscode.ts';

describe('Docker was chosen, and it is not there', () => {
  let folder: string;
  let vscode: Vscode;
  let workbench: Workbench;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hpo-no-docker-'));
    const env = { DOCKER_HOST: `unix://${join(folder, 'docker.sock')}` };
    vscode = await Vscode.start(inject('installed'), { env });
    workbench = await vscode.open();
    await workbench.explorer.open();
  });
  afterAll(async () => {
    await vscode[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.screenshot(join(screenshots, `failed ${task.id}.actual.png`));
  });

  test('the backend is chosen in a list, and the lens says it', async () => {
    await workbench.openFile('train.py');
    await workbench.editor.lens(/^▶ Tune this script$/).waitFor();
    await workbench.runCommand('HPO: Select Backend…');
    await workbench.quickPickRow(/^\s*Local\s*chosen/).waitFor();
    await workbench.screenshotIfAsked('selectBackend');
    await workbench.quickPickRow('Docker').click();
    await workbench.editor.lens('▶ Tune this script in Docker').waitFor();
    expect(JSON.parse(readFileSync(vscode.path('.vscode/settings.json'), 'utf8'))).toEqual({ 'hpo.backend': 'docker' });
  });

  test('why is said with the place, and the same start goes on locally by one click', async () => {
    await workbench.editor.lens('▶ Tune this script in Docker').click();
    const refused = workbench.notification(
      /does not run: nobody answers at unix:\/\/.*docker\.sock.*or run locally\. \(HPO-2402\)/,
    );
    await refused.waitFor();
    await workbench.screenshotIfAsked('noDocker');
    {
      await using client = await vscode.connect();
      expect((await client.request('study/list', {})).studies).toEqual([]);
    }
    await refused.hover();
    await refused.getByRole('button', { name: 'Run Locally' }).click();
    await workbench.explorer.row(/^Study train, ended, 6 of 6(?!.*in Docker)/).waitFor();
    expect((await vscode.newest()).executor).toBe('local');
  });

  test('an engine that was started meanwhile is found by another try, which says what that one answers', async () => {
    await workbench.editor.lens('▶ Tune this script in Docker').click();
    const refused = workbench.notification(/HPO-2402/);
    await refused.waitFor();
    // Something listens now, but is no engine.
    const listener = createServer((client) => client.destroy()).listen(join(folder, 'docker.sock'));
    await refused.hover();
    await refused.getByRole('button', { name: 'Try Again' }).click();
    await workbench.notification(/gave no answer.*\(HPO-2404\)/).waitFor();
    listener.close();
    expect((await vscode.newest()).executor).toBe('local');
  });

  test('the setting names another engine, which the agent uses once it was started anew', async () => {
    await workbench.close();
    const other = join(folder, 'other.sock');
    vscode.set({ 'hpo.docker.host': `unix://${other}` });
    workbench = await vscode.open();
    await workbench.openFile('train.py');
    const before = vscode.agentPid();
    await workbench.editor.lens('▶ Tune this script in Docker').click();
    const asked = workbench.notification(
      /The agent that runs uses the Docker that it found; the setting hpo\.docker\.host says unix:.*other\.sock/,
    );
    await asked.waitFor();
    await workbench.screenshotIfAsked('otherDocker');
    await asked.hover();
    await asked.getByRole('button', { name: 'Restart Agent' }).click();
    await workbench.notification(/nobody answers at unix:\/\/.*other\.sock \(the setting\)/).waitFor();
    expect(vscode.agentPid()).not.toBe(before);
    await using client = await vscode.connect();
    expect((await client.request('agent/status', {})).dockerHost).toBe(`unix://${other}`);
  });
});
