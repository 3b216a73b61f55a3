import {
  type QuickPick,
  type QuickPickItem,
  type TextEditor,
  ThemeColor,
  ViewColumn,
  window,
  workspace,
  WorkspaceEdit,
} from 'vscode';
import { plural } from '../../agent/protocol/format.ts';
import type { StudyView } from '../../agent/protocol/view.ts';
import { bestEdits, type LiteralEdit, type MissingLiteral } from '../editor/bestEdits.ts';
import { bestValue } from '../format.ts';
import type { Services } from '../services.ts';
import { guarded } from '../showError.ts';
import { chooseStudy, type StudyArgument } from './chooseStudy.ts';
import { labelText, messageText } from '../plainText.ts';

/**
 * Writes the best values over the literals of the script. The change is shown in the editor first, old value beside new
 * one, and the user says which values to take; it is one step of undo. True when it was applied.
 */
export async function insertBest(
  services: Services,
  argument: StudyArgument,
  options: { readonly preview?: boolean } = {},
): Promise<boolean> {
  const none = 'No trial has completed yet, so there is no best to insert.';
  const view = await chooseStudy(services, argument, 'Insert Best Config', hasBest, none);
  if (view === undefined) return false;
  return (await guarded(services.log, async () => await applyBest(view, options.preview ?? true))) ?? false;
}

function hasBest(view: StudyView): boolean {
  return view.incumbent !== null;
}

async function applyBest(view: StudyView, withPreview: boolean): Promise<boolean> {
  const { edits, missing } = await bestEdits(view);
  const [first] = edits;
  if (missing.length > 0) void window.showWarningMessage(messageText(missingText(missing, first !== undefined)));
  if (first === undefined) {
    if (missing.length === 0) void window.showInformationMessage(messageText(`${view.spec.name} holds the best values already.`));
    return false;
  }
  const shown = { preserveFocus: true, preview: false, viewColumn: columnOf(first.document.uri.toString()) };
  const editor = await window.showTextDocument(first.document, shown);
  const chosen = withPreview ? await preview(editor, view, edits, missing) : edits;
  if (chosen.length === 0) return false;
  // The text may have moved on while the preview stood there.
  const names = new Set(chosen.map((edit) => edit.name));
  const current = (await bestEdits(view)).edits.filter((edit) => names.has(edit.name));
  const change = new WorkspaceEdit();
  for (const edit of current) change.replace(edit.document.uri, edit.range, edit.text);
  return await workspace.applyEdit(change, { isRefactoring: true });
}

/** `width (train.py) is not annotated any more, so its best value cannot be written.` */
function missingText(missing: readonly MissingLiteral[], hasOthers: boolean): string {
  const names = missing.map(({ name, file }) => `${name} (${file})`).join(', ');
  const [are, their] = missing.length === 1 ? ['is', 'its best value'] : ['are', 'their best values'];
  const others = hasOthers ? 'The other values can be inserted.' : 'There is nothing else to insert.';
  return `${names} ${are} not annotated any more, so ${their} cannot be written. ${others} Tune again to search over the file as it is now.`;
}

/** Where the file is open already, so that it does not open a second time over the panel. */
function columnOf(uri: string): ViewColumn {
  return window.visibleTextEditors.find((editor) => editor.document.uri.toString() === uri)?.viewColumn ?? ViewColumn.One;
}

type EditItem = QuickPickItem & { readonly edit: LiteralEdit };

/** The values to take, all of them at first; none when the user leaves. The editor shows what is picked as a change in place. */
async function preview(
  editor: TextEditor,
  view: StudyView,
  edits: readonly LiteralEdit[],
  missing: readonly MissingLiteral[],
): Promise<readonly LiteralEdit[]> {
  const pick: QuickPick<EditItem> = window.createQuickPick<EditItem>();
  const leftOut = missing.length === 0 ? '' : ` (no longer annotated: ${missing.map(({ name }) => name).join(', ')})`;
  pick.title = `Insert the best of ${plural(view.trials.length, 'trial')}: ${view.spec.objectives[0]?.metric ?? 'objective'} ${bestValue(view) ?? ''}${leftOut}`;
  pick.placeholder = 'Enter writes the picked values, Escape leaves the file as it is';
  pick.canSelectMany = true;
  pick.ignoreFocusOut = true;
  pick.items = edits.map((edit) => toItem(edit));
  pick.selectedItems = pick.items;
  const removed = window.createTextEditorDecorationType({
    backgroundColor: new ThemeColor('diffEditor.removedTextBackground'),
    textDecoration: 'line-through',
  });
  const added = window.createTextEditorDecorationType({});
  const draw = (): void => {
    const own = pick.selectedItems.filter(({ edit }) => edit.document === editor.document);
    const ranges = own.map(({ edit }) => edit.range);
    editor.setDecorations(removed, ranges);
    editor.setDecorations(
      added,
      own.map(({ edit: { range, text } }) => ({ range, renderOptions: { after: { contentText: ` ${text}`, ...addedStyle } } })),
    );
    const [first] = ranges;
    if (first !== undefined) editor.revealRange(first);
  };
  // The file may move on while the preview stands there: what it shows is found anew.
  const moved = workspace.onDidChangeTextDocument(async ({ document }) => {
    if (!edits.some((edit) => edit.document === document)) return;
    const picked = new Set(pick.selectedItems.map(({ edit }) => edit.name));
    pick.items = (await bestEdits(view)).edits.map(toItem);
    pick.selectedItems = pick.items.filter(({ edit }) => picked.has(edit.name));
    draw();
  });
  try {
    return await new Promise((resolve) => {
      pick.onDidChangeSelection(draw);
      pick.onDidAccept(() => resolve(pick.selectedItems.map(({ edit }) => edit)));
      pick.onDidHide(() => resolve([]));
      draw();
      pick.show();
    });
  } finally {
    moved.dispose();
    pick.dispose();
    removed.dispose();
    added.dispose();
  }
}

const addedStyle = {
  backgroundColor: new ThemeColor('diffEditor.insertedTextBackground'),
  color: new ThemeColor('editor.foreground'),
  fontWeight: 'bold',
};

function toItem(edit: LiteralEdit): EditItem {
  const { document, range, text, name } = edit;
  const place = `${workspace.asRelativePath(document.uri)}:${range.start.line + 1}`;
  // One line a value: the list stands over the editor, and should hide little of it.
  return { label: labelText(name), description: labelText(`${document.getText(range)} → ${text}   ${place}`), edit };
}
