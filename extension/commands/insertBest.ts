import { ThemeIcon, ViewColumn, window, workspace, WorkspaceEdit } from 'vscode';
import type { StudyView } from '../../agent/protocol/view.ts';
import { bestEdits } from '../editor/bestEdits.ts';
import { bestValue, plural } from '../format.ts';
import type { Services } from '../services.ts';
import { guarded } from '../showError.ts';
import { chooseStudy, type StudyArgument } from './chooseStudy.ts';

/**
 * Writes the best values over the literals of the script: VS Code shows the change first and the user applies it, as
 * one step of undo. True when it was applied.
 */
export async function insertBest(
  services: Services,
  argument: StudyArgument,
  options: { readonly preview?: boolean } = {},
): Promise<boolean> {
  const view = await chooseStudy(
    services,
    argument,
    'Insert Best Config',
    hasBest,
    'No trial has completed yet, so there is no best to insert.',
  );
  if (view === undefined) return false;
  return (await guarded(services.log, async () => await applyBest(view, options.preview ?? true))) ?? false;
}

function hasBest(view: StudyView): boolean {
  return view.incumbent !== null;
}

async function applyBest(view: StudyView, needsConfirmation: boolean): Promise<boolean> {
  const { edits, missing } = await bestEdits(view);
  if (missing.length > 0) {
    const names = missing.join(', ');
    void window.showWarningMessage(
      `${names}: no annotated literal of this name is left in ${view.spec.name}. The other values can be inserted; tune again to search over the file as it is now.`,
    );
  }
  const [first] = edits;
  if (first === undefined) {
    if (missing.length === 0) void window.showInformationMessage(`${view.spec.name} holds the best values already.`);
    return false;
  }
  const label = `Best of ${plural(view.trials.length, 'trial')}: ${view.spec.objectives[0]?.metric ?? 'objective'} ${bestValue(view) ?? ''}`;
  const change = new WorkspaceEdit();
  for (const edit of edits) {
    change.replace(edit.document.uri, edit.range, edit.text, { needsConfirmation, label, iconPath: new ThemeIcon('beaker') });
  }
  await window.showTextDocument(first.document, {
    preserveFocus: true,
    preview: false,
    viewColumn: columnOf(first.document.uri.toString()),
  });
  return await workspace.applyEdit(change, { isRefactoring: true });
}

/** Where the file is open already, so that it does not open a second time over the panel. */
function columnOf(uri: string): ViewColumn {
  return window.visibleTextEditors.find((editor) => editor.document.uri.toString() === uri)?.viewColumn ?? ViewColumn.One;
}
