import { commands, type Disposable, Position, Range, Selection, TextEditorRevealType, Uri, window, workspace } from 'vscode';
import { formatDistribution, formatValue } from '../../agent/protocol/format.ts';
import type { Parameter } from '../../agent/protocol/space.ts';
import type { Services } from '../services.ts';
import { labelText } from '../plainText.ts';

/** A list of what is tuned in a script; choosing one goes there. */
export function parametersCommand(services: Services): Disposable {
  return commands.registerCommand('hpo.showParameters', async (target: Uri | undefined) => {
    const document = target instanceof Uri ? await workspace.openTextDocument(target) : window.activeTextEditor?.document;
    const script = document === undefined ? null : await services.scripts.get(document);
    if (document === undefined || script === null) {
      return void window.showInformationMessage('Nothing in the active file is marked as tunable.');
    }
    const { parameters } = script.spec.space;
    const items = parameters.map((parameter) => ({
      label: labelText(parameter.name),
      description: labelText(describe(parameter)),
      parameter,
    }));
    const picked = await window.showQuickPick(items, {
      title: 'Tuned parameters',
      placeHolder: 'Go to a parameter',
      matchOnDescription: true,
    });
    if (picked === undefined) return undefined;
    const editor = await window.showTextDocument(document);
    const position = new Position(picked.parameter.site.line - 1, picked.parameter.site.column - 1);
    editor.selection = new Selection(position, position);
    return editor.revealRange(new Range(position, position), TextEditorRevealType.InCenterIfOutsideViewport);
  });
}

function describe({ distribution, default: value, when }: Parameter): string {
  const parts = [
    formatDistribution(distribution),
    value === undefined ? '' : `now ${formatValue(value)}`,
    when === null ? '' : `when ${when}`,
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
