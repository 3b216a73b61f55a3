import { Disposable, EventEmitter, type TextDocument, workspace } from 'vscode';
import type { Diagnostic, ScriptSpec } from '../../agent/protocol/space.ts';

export interface AnnotatedScript {
  readonly spec: ScriptSpec;
  readonly diagnostics: readonly Diagnostic[];
  /** Line of the first annotation, from 0. */
  readonly firstLine: number;
}

const debounceMs = 200;
/** A cheap test before the parser is loaded: most Python files have no annotation. */
const annotationWord = 'hpo';

/** What the annotations of the open Python documents say, parsed once per version of a text. */
export class AnnotatedScripts extends Disposable {
  readonly #parsed = new WeakMap<TextDocument, { version: number; script: Promise<AnnotatedScript | null> }>();
  readonly #changed = new EventEmitter<TextDocument>();
  readonly #timers = new Map<TextDocument, NodeJS.Timeout>();
  readonly #subscriptions: Disposable;
  /** A document was opened, or has not changed for a moment. */
  readonly onDidChange = this.#changed.event;

  constructor() {
    super(() => this.#end());
    this.#subscriptions = Disposable.from(
      workspace.onDidOpenTextDocument((document) => this.#schedule(document, 0)),
      workspace.onDidChangeTextDocument((event) => this.#schedule(event.document, debounceMs)),
      workspace.onDidCloseTextDocument((document) => this.#cancel(document)),
      this.#changed,
    );
  }

  /** Null for a document that carries no annotation. Never rejects: the parser tells faults as diagnostics. */
  get(document: TextDocument): Promise<AnnotatedScript | null> {
    const known = this.#parsed.get(document);
    if (known?.version === document.version) return known.script;
    const script = isPython(document) ? parse(document) : Promise.resolve(null);
    this.#parsed.set(document, { version: document.version, script });
    return script;
  }

  #schedule(document: TextDocument, afterMs: number): void {
    if (!isPython(document)) return;
    this.#cancel(document);
    this.#timers.set(
      document,
      setTimeout(() => {
        this.#timers.delete(document);
        this.#changed.fire(document);
      }, afterMs),
    );
  }

  #cancel(document: TextDocument): void {
    clearTimeout(this.#timers.get(document));
    this.#timers.delete(document);
  }

  #end(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#subscriptions.dispose();
  }
}

export function isPython(document: TextDocument): boolean {
  return document.languageId === 'python' && ['file', 'untitled', 'vscode-remote'].includes(document.uri.scheme);
}

/** The name by which the parser calls a document in what it says; its folder does not matter here. */
export function fileName(document: TextDocument): string {
  return workspace.asRelativePath(document.uri, false);
}

async function parse(document: TextDocument): Promise<AnnotatedScript | null> {
  const text = document.getText();
  if (!text.includes(annotationWord)) return null;
  const { parseScript } = await import('../../agent/core/annotations/index.ts');
  const { spec, diagnostics, notes } = parseScript(text, fileName(document));
  const [first] = [...notes, ...diagnostics];
  return first === undefined ? null : { spec, diagnostics, firstLine: first.line - 1 };
}
