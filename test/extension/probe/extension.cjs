// Runs beside the product in a window and writes down what it offers for the scripts of the workspace: for workspaces that are
// not trusted, where the tests of VS Code itself do not run. HPO_PROBE names the file with the scripts and that of the results.
const { existsSync, readFileSync, writeFileSync, renameSync } = require('node:fs');
const vscode = require('vscode');

exports.activate = () => {
  const { scripts, results, tune } = JSON.parse(readFileSync(process.env.HPO_PROBE, 'utf8'));
  const roots = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
  const own = scripts.filter(({ path }) => roots.some((root) => path.startsWith(`${root}/`)));
  void (async () => {
    // One is seen; the others are opened as an extension opens them, which takes no drawing.
    if (own[0] !== undefined) await vscode.window.showTextDocument(vscode.Uri.file(own[0].path));
    const answers = await Promise.all(own.map(async (script) => ({ path: script.path, ...(await look(script, tune)) })));
    await vscode.commands.executeCommand('notifications.clearAll');
    const known = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : [];
    writeFileSync(`${results}.new`, JSON.stringify([...known, { isTrusted: vscode.workspace.isTrusted, answers }]));
    renameSync(`${results}.new`, results);
  })();
};

async function look({ path, others }, tune) {
  const uri = vscode.Uri.file(path);
  const lenses = await until(async () => {
    const found = await ask(uri, 'vscode.executeCodeLensProvider', 10);
    return found?.length > 0 ? found.map(({ command }) => command?.title ?? '') : undefined;
  });
  const codes = tune
    ? []
    : await until(async () => {
        await vscode.workspace.openTextDocument(uri);
        const found = vscode.languages.getDiagnostics(uri).filter(({ source }) => source === 'hpo');
        return found.length > 0 ? found.map(({ code }) => code) : undefined;
      });
  await ask(uri, 'vscode.executeCodeActionProvider', new vscode.Range(0, 0, 9, 0));
  await ask(uri, 'vscode.executeHoverProvider', new vscode.Position(1, 1));
  for (const other of others) await vscode.workspace.openTextDocument(vscode.Uri.file(other)).then(undefined, () => undefined);
  // What it shows waits for an answer that nobody gives.
  void vscode.commands.executeCommand('hpo.tune', uri);
  if (tune) await until(() => existsSync(tune));
  return { lenses: lenses ?? [], codes: codes ?? [] };
}

/** Of a document that is opened first, as the window forgets those that nobody looks at. */
async function ask(uri, command, ...args) {
  try {
    await vscode.workspace.openTextDocument(uri);
    return await vscode.commands.executeCommand(command, uri, ...args);
  } catch {
    return undefined;
  }
}

async function until(answerNow, timeoutMs = 60_000) {
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; ) {
    const answer = await answerNow();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return undefined;
}
