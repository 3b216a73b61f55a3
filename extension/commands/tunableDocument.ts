import { type TextDocument, Uri, window, workspace } from 'vscode';
import { scriptPath } from '../client/studyStore.ts';
import { isAnnotatable, isTunable } from '../editor/annotatedScripts.ts';
import type { Services } from '../services.ts';
import { labelText, messageText } from '../plainText.ts';

const mostScripts = 500;

/** The script that a command is meant for; of a config file the one that includes it. A message says why when there is none. */
export async function tunableDocument(services: Services, target: Uri | undefined): Promise<TextDocument | undefined> {
  const document = target instanceof Uri ? await workspace.openTextDocument(target) : window.activeTextEditor?.document;
  if (document === undefined || !isAnnotatable(document)) {
    void window.showInformationMessage('Open the Python training script that is to be tuned, then run this again.');
    return undefined;
  }
  if (isTunable(document)) return document;
  const scripts = await scriptsThatInclude(services, document);
  const name = workspace.asRelativePath(document.uri);
  const [only] = scripts;
  if (only === undefined) {
    const text = `No script says that it uses ${name}. Write in the training script:  # @hpo.include ${name}`;
    void window.showInformationMessage(messageText(text));
    return undefined;
  }
  const items = scripts.map((uri) => ({ label: labelText(workspace.asRelativePath(uri)), uri }));
  const placeHolder = `Which of the scripts that use ${name}?`;
  const picked = items.length === 1 ? only : (await window.showQuickPick(items, { title: 'Tune', placeHolder }))?.uri;
  return picked === undefined ? undefined : await workspace.openTextDocument(picked);
}

/** Scripts whose study tuned this file, else those of the workspace that name it in `@hpo.include`. */
async function scriptsThatInclude(services: Services, { uri }: TextDocument): Promise<readonly Uri[]> {
  const known = services.store.ofFile(uri.fsPath).map(scriptPath);
  const [newest] = known.filter((path) => path !== null);
  if (newest !== undefined) return [Uri.file(newest)];
  const { includedFiles } = await import('../../agent/core/annotations/index.ts');
  const found = await workspace.findFiles('**/*.py', '**/{node_modules,.venv,venv,site-packages}/**', mostScripts);
  const texts = await Promise.all(found.map(async (script) => ({ script, text: await textOf(script) })));
  return texts
    .filter(({ script, text }) => text.includes('hpo.include') && includedFiles(text, script.fsPath).includes(uri.fsPath))
    .map(({ script }) => script);
}

async function textOf(uri: Uri): Promise<string> {
  try {
    return new TextDecoder().decode(await workspace.fs.readFile(uri));
  } catch {
    return '';
  }
}
