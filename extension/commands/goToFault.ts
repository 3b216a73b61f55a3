import { dirname, join } from 'node:path';
import { Range, Uri, window, workspace } from 'vscode';
import { plural } from '../../agent/protocol/format.ts';
import type { Diagnostic } from '../../agent/protocol/space.ts';
import { messageText } from '../plainText.ts';

/** Says the first fault of the annotations, with a button that goes to it. True when there was one. */
export async function refuseFaults(script: Uri, diagnostics: readonly Diagnostic[]): Promise<boolean> {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  const [first] = errors;
  if (first === undefined) return false;
  const more = errors.length > 1 ? ` (and ${plural(errors.length - 1, 'more error')})` : '';
  if (first.file === '') {
    // Of a setting, or an answer.
    void window.showErrorMessage(messageText(`${first.message}${more} (${first.code})`));
    return true;
  }
  const goTo = `Go to Line ${first.line}`;
  const text = `${first.file} line ${first.line}: ${first.message}${more} (${first.code})`;
  if ((await window.showErrorMessage(messageText(text), goTo)) === goTo) await reveal(script, first);
  return true;
}

async function reveal(script: Uri, { file, line, column, endLine, endColumn }: Diagnostic): Promise<void> {
  const range = new Range(line - 1, column - 1, endLine - 1, endColumn - 1);
  const uri = await findUpward(script, file);
  const visible = window.visibleTextEditors.find((editor) => editor.document.uri.toString() === uri.toString());
  const document = await workspace.openTextDocument(uri);
  await window.showTextDocument(document, {
    selection: range,
    ...(visible?.viewColumn === undefined ? {} : { viewColumn: visible.viewColumn }),
  });
}

/** A file that is named from the project's root, which is the script's folder or one above it. */
async function findUpward(script: Uri, file: string): Promise<Uri> {
  for (let folder = dirname(script.fsPath); ; folder = dirname(folder)) {
    const uri = Uri.file(join(folder, file));
    if (await isThere(uri)) return uri;
    if (dirname(folder) === folder) return script;
  }
}

async function isThere(uri: Uri): Promise<boolean> {
  return await workspace.fs.stat(uri).then(
    () => true,
    () => false,
  );
}
