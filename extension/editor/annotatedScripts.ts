import { Disposable, type DocumentFilter, EventEmitter, type TextDocument, workspace } from 'vscode';
import type { Diagnostic, ScriptSpec } from '../../agent/protocol/space.ts';

export interface AnnotatedScript {
  readonly spec: ScriptSpec;
  readonly diagnostics: readonly Diagnostic[];
  /** Line of the first annotation, from 0. */
  readonly firstLine: number;
}

const debounceMs = 200;
/** A cheap test before the parser is loaded: most files have no annotation. */
const annotationWord = 'hpo';
/** Longer files are data, and the agent does not read them either. */
const longestText = 2_000_000;
const schemes = ['file', 'untitled', 'vscode-remote'];
/** By name, as the parser chooses: VS Code itself has no language for TOML. */
const configFile = /\.(?:ya?ml|toml|jsonc?|json5)$/i;

/** Documents that can carry annotations: Python, and the config files that a script includes. */
export const annotatedSelector: readonly DocumentFilter[] = [
  { language: 'python' },
  { pattern: '**/*.{yaml,yml,toml,json,jsonc,json5}' },
];

/** What the annotations of the open documents say, parsed once per version of a text. */
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
    const script = isAnnotatable(document) ? parse(document) : Promise.resolve(null);
    this.#parsed.set(document, { version: document.version, script });
    return script;
  }

  #schedule(document: TextDocument, afterMs: number): void {
    if (!isAnnotatable(document)) return;
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

export function isAnnotatable(document: TextDocument): boolean {
  return schemes.includes(document.uri.scheme) && (document.languageId === 'python' || configFile.test(document.uri.path));
}

/** Whether a study can be started from it: a script, or an hpo.yml that describes a program. */
export function isTunable(document: TextDocument): boolean {
  return isAnnotatable(document) && (document.languageId === 'python' || isProgram(document));
}

function isProgram(document: TextDocument): boolean {
  return /(?:^|\/)hpo\.ya?ml$/.test(document.uri.path);
}

/** The name by which the parser calls a document in what it says; its folder does not matter here. */
export function fileName(document: TextDocument): string {
  return workspace.asRelativePath(document.uri, false);
}

async function parse(document: TextDocument): Promise<AnnotatedScript | null> {
  const text = document.getText();
  if (text.length > longestText) return null;
  if (isProgram(document)) {
    const { parseHpoYml } = await import('../../agent/core/annotations/index.ts');
    return { ...parseHpoYml(text, fileName(document)), firstLine: 0 };
  }
  if (!text.includes(annotationWord)) return null;
  const { parseScript } = await import('../../agent/core/annotations/index.ts');
  const { spec, diagnostics, notes } = parseScript(text, fileName(document));
  const [first] = [...notes, ...diagnostics];
  if (first === undefined) return null;
  const isConfig = document.languageId !== 'python';
  const own = diagnostics.filter(({ code }) => !(isConfig && code === ofWholeStudy));
  return { spec, diagnostics: own, firstLine: first.line - 1 };
}

/** A condition on an unknown parameter: for a config file the parameters of its script are unknown here, and the start tells. */
const ofWholeStudy = 'HPO-1122';
