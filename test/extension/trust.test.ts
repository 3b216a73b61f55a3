import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Vscode } from './support/vscode.ts';

describe('a workspace that is not trusted', () => {
  test('is read, and nothing is started', async () => {
    await using vscode = await Vscode.start(inject('installed'), { isTrusted: false });
    const workbench = await vscode.open();
    await workbench.openFile('train.py');
    await workbench.editor.lens('Trust this workspace to tune').waitFor();
    await workbench.openFile('faulty.py');
    await workbench.editor.errors.first().waitFor();
    await workbench.runCommand('HPO: Tune This Script');
    await workbench.notification('nothing is run in a workspace that is not trusted').waitFor();
    expect(existsSync(join(vscode.home, 'journal.db'))).toBe(false);
    expect(existsSync(join(vscode.home, 'run'))).toBe(false);
  });

  test('says that old studies wait for trust, and wakes without a reload when it is given', async () => {
    await using vscode = await Vscode.start(inject('installed'), { isTrusted: false });
    await vscode.hpo('tune', 'conf/configured.py');
    await vscode.stopAgent();
    const workbench = await vscode.open();
    await workbench.openFile('train.py');
    await workbench.explorer.open();
    await workbench.explorer.welcome.getByText('There are studies, but they cannot be read now').waitFor();
    await workbench.screenshotIfAsked('untrusted');
    expect(vscode.agentPid()).toBeNull();

    await workbench.explorer.welcome.getByRole('button', { name: 'Trust This Workspace' }).click();
    await workbench.page.locator('.workspace-trust-editor').getByRole('button', { name: 'Trust', exact: true }).click();
    await workbench.explorer.row(/^Study configured, ended, 3 of 3/).waitFor();
    await workbench.openFile('train.py');
    await workbench.editor.lens('▶ Tune this script').waitFor();
    expect(vscode.agentPid()).not.toBeNull();
  });
});
