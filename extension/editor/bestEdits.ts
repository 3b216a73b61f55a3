import { join, relative, sep } from 'node:path';
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
  readonly missing: readonly MissingLiteral[];
}

/** A parameter whose literal is no longer there; `file` is relative to the study's root. */
export interface MissingLiteral {
  readonly name: string;
  readonly file: string;
}

/** The edits that put a study's best values over the literals of the files as they stand now; literals that hold their value are left out. */
export async function bestEdits(view: StudyView): Promise<BestEdits> {
  const best = bestTrial(view);
  if (best === null) return { edits: [], missing: [] };
  const all = await Promise.all(
    sourceFiles(view).map(async (file) => {
      const params = paramsOfFile(view, best.params, file);
      const document = await openIfThere(Uri.file(join(view.spec.root, file)));
      if (document === null) return { edits: [], missing: Object.keys(params).map((name) => ({ name, file })) };
      return await editsOf(document, file, params);
    }),
  );
  return { edits: all.flatMap((one) => one.edits), missing: all.flatMap((one) => one.missing) };
}

/** The edits that are left to do in this document. */
export async function pendingEdits(document: TextDocument, view: StudyView): Promise<readonly LiteralEdit[]> {
  const best = bestTrial(view);
  if (best === null) return [];
  const file = relative(view.spec.root, document.uri.fsPath).split(sep).join('/');
  return (await editsOf(document, file, paramsOfFile(view, best.params, file))).edits;
}

async function editsOf(document: TextDocument, file: string, params: Params): Promise<BestEdits> {
  const annotations = await import('../../agent/core/annotations/index.ts');
  const { edits, missing } = annotations.bestEdits(document.getText(), file, params);
  const literalEdits = edits.map(({ start, end, text, name }) => {
    return { document, range: new Range(document.positionAt(start), document.positionAt(end)), text, name };
  });
  return { edits: literalEdits, missing: missing.map((name) => ({ name, file })) };
}

/** Null for a file that was moved or deleted since. */
async function openIfThere(uri: Uri): Promise<TextDocument | null> {
  try {
    return await workspace.openTextDocument(uri);
  } catch {
    return null;
  }
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
