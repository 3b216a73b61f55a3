import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Workbench } from './pages/workbench.ts';
import { screenshots, Vscode } from './support/vscode.ts';

/** With contexts of these names, at the server of each. */
function kubeconfigOf(contexts: Readonly<Record<string, { readonly server: string; readonly namespace: string }>>): string {
  const entries = Object.entries(contexts);
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: entries.map(([name, { server }]) => ({ name, cluster: { server } })),
    users: [{ name: 'me', user: { token: 'not-a-token' } }],
    contexts: entries.map(([name, { namespace }]) => ({ name, context: { cluster: name, user: 'me', namespace } })),
  });
}

/** Nothing listens there. */
const deadServer = 'https://127.0.0.1:9';

describe('Kubernetes was chosen, and no cluster can be used', () => {
  let folder: string;
  let kubeconfig: string;
  let vscode: Vscode;
  let workbench: Workbench;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hpo-no-cluster-'));
    kubeconfig = join(folder, 'config');
    vscode = await Vscode.start(inject('installed'), { env: { KUBECONFIG: kubeconfig } });
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

  const studies = async (): Promise<number> => {
    await using client = await vscode.connect();
    return (await client.request('study/list', {})).studies.length;
  };

  test('the backend is chosen in a list, and the lens says it', async () => {
    await workbench.openFile('train.py');
    await workbench.editor.lens(/^▶ Tune this script$/).waitFor();
    await workbench.runCommand('HPO: Select Backend…');
    await workbench.quickPickRow('Kubernetes').click();
    await workbench.editor.lens('▶ Tune this script on Kubernetes').waitFor();
    expect(JSON.parse(readFileSync(vscode.path('.vscode/settings.json'), 'utf8'))).toEqual({ 'hpo.backend': 'kubernetes' });
  });

  test('without a kubeconfig that is said, and the same start goes on locally by one click', async () => {
    await workbench.editor.lens('▶ Tune this script on Kubernetes').click();
    const refused = workbench.notification(/kubeconfig.*run (?:locally|elsewhere)\. \(HPO-2460\)/);
    await refused.waitFor();
    expect(await refused.textContent()).not.toContain('--on');
    await workbench.screenshotIfAsked('noKubeconfig');
    expect(await studies()).toBe(0);
    await refused.hover();
    await refused.getByRole('button', { name: 'Run Locally' }).click();
    await workbench.explorer.row(/^Study train, ended, 6 of 6(?!.*on Kubernetes)/).waitFor();
    expect((await vscode.newest()).executor).toBe('local');
  });

  test('a cluster that gives no answer is named with its server', async () => {
    writeFileSync(kubeconfig, kubeconfigOf({ lab: { server: deadServer, namespace: 'team' } }));
    await workbench.editor.lens('▶ Tune this script on Kubernetes').click();
    const refused = workbench.notification(/127\.0\.0\.1:9.*\(HPO-2462\)/);
    await refused.waitFor();
    await workbench.screenshotIfAsked('unreachableCluster');
    await refused.hover();
    await refused.getByRole('button', { name: 'Run Locally' }).waitFor();
    await workbench.page.keyboard.press('Escape');
    expect(await studies()).toBe(1);
  });

  test('of several contexts one is chosen in a list that says server and namespace', async () => {
    const far = { server: 'https://far.invalid:6443', namespace: 'default' };
    writeFileSync(kubeconfig, kubeconfigOf({ lab: { server: deadServer, namespace: 'team' }, far }));
    await workbench.editor.lens('▶ Tune this script on Kubernetes').click();
    await workbench.page.locator('.quick-input-widget input[placeholder*="On which cluster"]').waitFor();
    await workbench.quickPickRow(/far.*namespace default.*https:\/\/far\.invalid:6443/).waitFor();
    const row = workbench.quickPickRow(/lab.*namespace team.*https:\/\/127\.0\.0\.1:9/);
    await row.waitFor();
    await workbench.page.locator('.quick-input-title', { hasText: 'on Kubernetes' }).waitFor();
    await workbench.screenshotIfAsked('questionCluster');
    await row.click();
    await workbench.notification(/127\.0\.0\.1:9.*\(HPO-2462\)/).waitFor();
    expect(await studies()).toBe(1);
  });

  test('the setting names the context, and nothing is asked', async () => {
    await workbench.close();
    vscode.set({ 'hpo.kubernetes.context': 'nowhere' });
    workbench = await vscode.open();
    await workbench.openFile('train.py');
    await workbench.editor.lens('▶ Tune this script on Kubernetes').click();
    await workbench.notification(/No kubeconfig has the context nowhere.*far.*run elsewhere\. \(HPO-2484\)/).waitFor();
  });
});
