import {
  CodeAction,
  CodeActionKind,
  Diagnostic,
  DiagnosticSeverity,
  Disposable,
  languages,
  Range,
  type TextDocument,
  WorkspaceEdit,
  workspace,
} from 'vscode';
import type * as protocol from '../../agent/protocol/space.ts';
import { settings } from '../config.ts';
import { type AnnotatedScripts, annotatedSelector, isAnnotatable } from './annotatedScripts.ts';

/** Squiggles under faulty annotations, and the quick fixes that the parser offers for them. */
export function annotationDiagnostics(scripts: AnnotatedScripts): Disposable {
  const collection = languages.createDiagnosticCollection('hpo');
  const show = async (document: TextDocument): Promise<void> => {
    const version = document.version;
    const script = await scripts.get(document);
    if (document.isClosed || document.version !== version) return;
    collection.set(document.uri, shownOf(document, script?.diagnostics ?? []).map(toDiagnostic));
  };
  const showAll = (): void => {
    for (const document of workspace.textDocuments) if (isAnnotatable(document)) void show(document);
  };
  showAll();
  return Disposable.from(
    collection,
    scripts.onDidChange((document) => void show(document)),
    workspace.onDidCloseTextDocument((document) => collection.delete(document.uri)),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('hpo.backend')) showAll();
    }),
    languages.registerCodeActionsProvider(
      annotatedSelector,
      { provideCodeActions: async (document, range) => await quickFixes(scripts, document, range) },
      { providedCodeActionKinds: [CodeActionKind.QuickFix] },
    ),
  );
}

/** That something counts in containers only is nothing to say where trials run in them. */
const ofContainers = 'HPO-1142';

function shownOf(document: TextDocument, diagnostics: readonly protocol.Diagnostic[]): readonly protocol.Diagnostic[] {
  return settings(document).backend === 'local' ? diagnostics : diagnostics.filter(({ code }) => code !== ofContainers);
}

async function quickFixes(scripts: AnnotatedScripts, document: TextDocument, range: Range): Promise<CodeAction[]> {
  const script = await scripts.get(document);
  return shownOf(document, script?.diagnostics ?? []).flatMap((diagnostic) => {
    if (diagnostic.fix === null || range.intersection(rangeOf(diagnostic)) === undefined) return [];
    const { title, start, end, text } = diagnostic.fix;
    const action = new CodeAction(title, CodeActionKind.QuickFix);
    action.diagnostics = [toDiagnostic(diagnostic)];
    action.isPreferred = true;
    action.edit = new WorkspaceEdit();
    action.edit.replace(document.uri, new Range(document.positionAt(start), document.positionAt(end)), text);
    return [action];
  });
}

function toDiagnostic(from: protocol.Diagnostic): Diagnostic {
  const severity = { error: DiagnosticSeverity.Error, warning: DiagnosticSeverity.Warning, info: DiagnosticSeverity.Information }[
    from.severity
  ];
  const diagnostic = new Diagnostic(rangeOf(from), from.message, severity);
  diagnostic.source = 'hpo';
  diagnostic.code = from.code;
  return diagnostic;
}

function rangeOf({ line, column, endLine, endColumn }: protocol.Diagnostic): Range {
  return new Range(line - 1, column - 1, endLine - 1, endColumn - 1);
}
