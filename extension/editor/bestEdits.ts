import { join } from 'node:path';
import { Range, type TextDocument, Uri, workspace } from 'vscode';
import type { Params } from '../../agent/protocol/space.ts';
import { bestTrial, type StudyView } from '../../agent/protocol/view.ts';

export interface LiteralEdit {
  readonly document: TextDocument;
  readonly range: Range;
  readonly text: string;
  readonly name: string;
}

export interface BestEdits {
  readonly edits: readonly LiteralEdit[];
  /** Parameters whose literal is no longer there. */
  readonly missing: readonly string[];
}

/** The edits that put a study's best values over the literals of the files as they stand now; literals that hold their value are left out. */
export async function bestEdits(view: StudyView): Promise<BestEdits> {
  const best = bestTrial(view);
  if (best === null) return { edits: [], missing: [] };
  const all = await Promise.all(
    sourceFiles(view).map(async (file) => {
      const document = await workspace.openTextDocument(Uri.file(join(view.spec.root, file)));
      return await editsOf(document, file, paramsOfFile(view, best.params, file));
    }),
  );
  return { edits: all.flatMap((one) => one.edits), missing: all.flatMap((one) => one.missing) };
}

/** The edits that are left to do in this document. */
export async function pendingEdits(document: TextDocument, view: StudyView): Promise<readonly LiteralEdit[]> {
  const best = bestTrial(view);
  const file = view.spec.script;
  if (best === null || file === null) return [];
  return (await editsOf(document, file, paramsOfFile(view, best.params, file))).edits;
}

async function editsOf(document: TextDocument, file: string, params: Params): Promise<BestEdits> {
  const annotations = await import('../../agent/core/annotations/index.ts');
  const { edits, missing } = annotations.bestEdits(document.getText(), file, params);
  const literalEdits = edits.map(({ start, end, text, name }) => {
    return { document, range: new Range(document.positionAt(start), document.positionAt(end)), text, name };
  });
  return { edits: literalEdits, missing };
}

function sourceFiles(view: StudyView): readonly string[] {
  return [
    ...new Set(
      view.spec.space.parameters.filter((parameter) => parameter.literal !== null).map((parameter) => parameter.site.file),
    ),
  ];
}

function paramsOfFile(view: StudyView, params: Params, file: string): Params {
  const names = new Set(
    view.spec.space.parameters
      .filter((parameter) => parameter.site.file === file && parameter.literal !== null)
      .map((parameter) => parameter.name),
  );
  return Object.fromEntries(Object.entries(params).filter(([name]) => names.has(name)));
}
