import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Api } from '../../../extension/main.ts';

const extensionId = 'hpo-tuner.hpo';
const ownCommands = [
  'tune',
  'tuneInDocker',
  'tuneOnKubernetes',
  'selectBackend',
  'insertBest',
  'showPanel',
  'showParameters',
  'pauseStudy',
  'resumeStudy',
  'stopStudy',
  'deleteStudy',
  'stopTrial',
  'retryTrial',
  'retryFailed',
  'showTrialLog',
  'stopAgent',
];

/** The API tests: each is a name and what has to hold. They run in this order in one window. */
export const tests: readonly (readonly [name: string, test: () => Promise<string | void>])[] = [
  [
    'opening a Python file activates, and tells how long that took',
    async () => {
      await open('plain.py');
      const extension = vscode.extensions.getExtension<Api>(extensionId);
      assert.ok(extension !== undefined, 'the extension is installed');
      await until(() => extension.isActive, 'activation');
      const { activationMs } = extension.exports;
      assert.ok(activationMs > 0);
      return `activated in ${activationMs.toFixed(1)} ms`;
    },
  ],
  [
    'every command of the manifest is there',
    async () => {
      const registered = new Set(await vscode.commands.getCommands(true));
      assert.deepEqual(
        ownCommands.filter((name) => !registered.has(`hpo.${name}`)),
        [],
      );
      const manifest: { contributes: { commands: { command: string }[] } } =
        vscode.extensions.getExtension(extensionId)?.packageJSON;
      assert.deepEqual(
        manifest.contributes.commands.map(({ command }) => command).toSorted(),
        ownCommands.map((name) => `hpo.${name}`).toSorted(),
      );
    },
  ],
  [
    'no agent is started by looking at scripts',
    async () => {
      await open('train.py');
      await lensTitles('train.py');
      assert.equal(existsSync(join(process.env['HPO_HOME'] ?? '', 'journal.db')), false);
    },
  ],
  [
    'a lens stands over the first annotation, and none in a script without',
    async () => {
      assert.deepEqual(await lensTitles('train.py'), ['▶ Tune this script', '3 parameters']);
      assert.deepEqual(await lensTitles('plain.py'), []);
      await vscode.workspace.getConfiguration('hpo').update('codeLens', 'off', vscode.ConfigurationTarget.Global);
      assert.deepEqual(await lensTitles('train.py'), []);
      await vscode.workspace.getConfiguration('hpo').update('codeLens', undefined, vscode.ConfigurationTarget.Global);
    },
  ],
  [
    'a faulty annotation gets a diagnostic, and its quick fix mends it',
    async () => {
      const document = await open('faulty.py');
      const diagnostic = await until(() => vscode.languages.getDiagnostics(document.uri)[0], 'a diagnostic');
      assert.equal(diagnostic.source, 'hpo');
      assert.match(typeof diagnostic.code === 'string' ? diagnostic.code : '', /^HPO-1\d\d\d$/);
      assert.equal(diagnostic.range.start.line, 4);
      const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        'vscode.executeCodeActionProvider',
        document.uri,
        diagnostic.range,
      );
      const fix = actions.find((action) => action.edit !== undefined);
      assert.ok(fix?.edit !== undefined, `a fix among ${actions.map((action) => action.title).join(', ')}`);
      await vscode.workspace.applyEdit(fix.edit);
      await until(() => vscode.languages.getDiagnostics(document.uri).length === 0, 'the diagnostic to go');
      assert.match(document.getText(), /^lr = 0.5 {2}# @hpo float\(1e-4, 1, log\)$/m);
      await vscode.commands.executeCommand('undo');
    },
  ],
  [
    'tune, insert the best, and undo it in one step',
    async () => {
      const document = await open('train.py');
      const before = document.getText();
      const studyId = await vscode.commands.executeCommand<string | undefined>('hpo.tune', document.uri);
      assert.ok(studyId !== undefined, 'a study was started');
      const insert = await until(
        async () => (await lensTitles('train.py')).find((title) => title.startsWith('Insert best:')),
        'a best',
        60_000,
      );
      assert.match(insert, /lr=|width=|kind=/);
      await until(async () => (await lensTitles('train.py'))[0] === '▶ Tune this script', 'the study to end', 60_000);

      await vscode.window.showTextDocument(document);
      assert.equal(await vscode.commands.executeCommand('hpo.insertBest', studyId, { preview: false }), true);
      const after = document.getText();
      assert.notEqual(after, before);
      assert.equal(after.split('\n').length, before.split('\n').length);
      assert.deepEqual(comments(after), comments(before));
      assert.ok((await lensTitles('train.py')).includes('$(check) Best values are in the file'));

      await vscode.commands.executeCommand('undo');
      assert.equal(document.getText(), before);
    },
  ],
  [
    'a script with errors is refused with the reason',
    async () => {
      const document = await open('faulty.py');
      const refused = vscode.commands.executeCommand('hpo.tune', document.uri);
      await delay(1000);
      await vscode.commands.executeCommand('notifications.clearAll');
      assert.equal(await refused, undefined);
    },
  ],
];

async function open(name: string): Promise<vscode.TextDocument> {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(folder !== undefined, 'a folder is open');
  const document = await vscode.workspace.openTextDocument(vscode.Uri.joinPath(folder.uri, name));
  await vscode.window.showTextDocument(document, vscode.ViewColumn.One);
  return document;
}

async function lensTitles(name: string): Promise<string[]> {
  const { uri } = await open(name);
  const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>('vscode.executeCodeLensProvider', uri, 10);
  return lenses.map((lens) => lens.command?.title ?? '');
}

function comments(text: string): readonly string[] {
  return text.split('\n').map((line) => /#.*/.exec(line)?.[0] ?? '');
}

/** Asks again until there is an answer that is not false or undefined. */
async function until<T>(ask: () => T | Promise<T>, what: string, timeoutMs = 15_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await delay(100);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
