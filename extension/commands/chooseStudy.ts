import { type QuickPickItem, window } from 'vscode';
import type { StudyView } from '../../agent/protocol/view.ts';
import { progressText, stateText } from '../format.ts';
import type { Services } from '../services.ts';
import type { StudyNode } from '../views/studyTree.ts';
import { labelText } from '../plainText.ts';

/** How a command is told its study: by the tree, by id from a lens or the panel, or not at all from the palette. */
export type StudyArgument = StudyNode | string | undefined;

/**
 * The study that a command is meant for: the one it was called on, else the newest of the active script, else the only
 * one that fits, else the user's choice. A message says why when none fits.
 */
export async function chooseStudy(
  services: Services,
  argument: StudyArgument,
  title: string,
  fits: (view: StudyView) => boolean,
  none: string,
): Promise<StudyView | undefined> {
  const studyId = typeof argument === 'string' ? argument : argument?.studyId;
  if (studyId !== undefined) {
    const view = services.store.get(studyId);
    if (view !== undefined && fits(view)) return view;
    void window.showInformationMessage(view === undefined ? 'This study is no longer there.' : none);
    return undefined;
  }
  await services.link.join();
  const fitting = services.store.list().filter(fits);
  const path = window.activeTextEditor?.document.uri.fsPath;
  const ofFile = path === undefined ? undefined : services.store.ofFile(path).find(fits);
  if (ofFile !== undefined) return ofFile;
  if (fitting.length === 0) void window.showInformationMessage(none);
  if (fitting.length < 2) return fitting[0];
  const items = fitting.map((view) => studyItem(view));
  return (await window.showQuickPick(items, { title, placeHolder: 'Which study?' }))?.view;
}

function studyItem(view: StudyView): QuickPickItem & { readonly view: StudyView } {
  const started = new Date(view.createdAt).toLocaleString();
  return {
    label: labelText(view.spec.name),
    description: labelText(`${stateText(view)} · ${progressText(view)}`),
    detail: `started ${started}`,
    view,
  };
}
