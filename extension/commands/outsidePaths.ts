import { Position, type TextDocument, window, WorkspaceEdit, workspace } from 'vscode';
import { joinWithin } from '../../agent/protocol/format.ts';
import type { ContainerPreflight } from '../../agent/protocol/requests.ts';
import { labelText } from '../plainText.ts';
import type { Services } from '../services.ts';
import type { PickOptions } from './questions.ts';

type OutsidePath = ContainerPreflight['outside'][number];

const pathsLength = 60;

/**
 * Paths that the script names and no container has: they are mounted by an annotation, which is written if the user says so.
 * False when the user left the question open.
 */
export async function askOutside(
  services: Services,
  document: TextDocument,
  outside: readonly OutsidePath[],
  options: PickOptions,
): Promise<boolean> {
  const annotations = [...new Set(outside.map(({ annotation }) => annotation))];
  const add = {
    label: annotations.length === 1 ? '$(add) Add the @hpo.data annotation' : '$(add) Add the @hpo.data annotations',
    description: labelText(annotations.join(' · ')),
    isAdded: true,
  };
  const leave = {
    label: '$(run) Tune as it is',
    description: 'the script can do without it, or makes it',
    isAdded: false,
  };
  const paths = labelText(
    joinWithin(
      outside.map(({ path }) => path),
      pathsLength,
    ),
  );
  const placeHolder = `${paths}: not in the stored code, so in no container. Mount it?`;
  const picked = await window.showQuickPick([add, leave], { ...options, placeHolder });
  if (picked?.isAdded === true) return await addAnnotations(services, document, annotations);
  return picked !== undefined;
}

/** Writes comments over the first annotation of the script, with its indentation, and saves: a study runs what is on disk. */
async function addAnnotations(services: Services, document: TextDocument, annotations: readonly string[]): Promise<boolean> {
  const first = (await services.scripts.get(document))?.firstLine ?? 0;
  const line = document.lineAt(first);
  const indent = line.text.slice(0, line.firstNonWhitespaceCharacterIndex);
  const edit = new WorkspaceEdit();
  edit.insert(document.uri, new Position(first, 0), annotations.map((text) => `${indent}${text}\n`).join(''));
  return (await workspace.applyEdit(edit)) && (await document.save());
}
