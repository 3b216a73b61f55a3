import { commands, type Disposable, Position, Range, Selection, TextEditorRevealType, Uri, window, workspace } from 'vscode';
import type { Distribution, Parameter } from '../../agent/protocol/space.ts';
import { unreachable } from '../../agent/protocol/view.ts';
import { shortNumber, shortValue } from '../format.ts';
import type { Services } from '../services.ts';

/** A list of what is tuned in a script; choosing one goes there. */
export function parametersCommand(services: Services): Disposable {
  return commands.registerCommand('hpo.showParameters', async (target: Uri | undefined) => {
    const document = target instanceof Uri ? await workspace.openTextDocument(target) : window.activeTextEditor?.document;
    const script = document === undefined ? null : await services.scripts.get(document);
    if (document === undefined || script === null) {
      return void window.showInformationMessage('Nothing in the active file is marked as tunable.');
    }
    const { parameters } = script.spec.space;
    const items = parameters.map((parameter) => ({ label: parameter.name, description: describe(parameter), parameter }));
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
    describeDistribution(distribution),
    value === undefined ? '' : `now ${shortValue(value)}`,
    when === null ? '' : `when ${when}`,
  ];
  return parts.filter((part) => part !== '').join(' · ');
}

function describeDistribution(distribution: Distribution): string {
  switch (distribution.type) {
    case 'float':
    case 'int': {
      const scale = distribution.log ? ', log' : distribution.revlog ? ', revlog' : '';
      const step = distribution.step === null ? '' : `, step ${shortNumber(distribution.step)}`;
      return `${distribution.type} ${shortNumber(distribution.low)} to ${shortNumber(distribution.high)}${scale}${step}`;
    }
    case 'categorical':
    case 'ordinal':
      return `${distribution.type === 'ordinal' ? 'in order ' : 'one of '}${distribution.choices.map(shortValue).join(', ')}`;
    default:
      return unreachable(distribution);
  }
}
