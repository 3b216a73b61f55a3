import { ConfigurationTarget, type Uri, window, workspace } from 'vscode';

/** Asks for an interpreter's file; undefined when the user left. */
export async function pickPython(): Promise<Uri | undefined> {
  return (await window.showOpenDialog({ title: 'Python interpreter', openLabel: 'Use', canSelectMany: false }))?.[0];
}

/** Asks for an interpreter and keeps it as the setting of the script's workspace. False when the user left. */
export async function choosePython(script: Uri): Promise<boolean> {
  const file = await pickPython();
  if (file === undefined) return false;
  const target = workspace.getWorkspaceFolder(script) === undefined ? ConfigurationTarget.Global : ConfigurationTarget.Workspace;
  await workspace.getConfiguration('hpo', script).update('pythonPath', file.fsPath, target);
  return true;
}
