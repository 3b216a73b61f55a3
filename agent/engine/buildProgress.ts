import { type BuildStep, buildStatus } from './buildMessages.ts';
import { redactor } from './redact.ts';

/** Lines that are kept of a step, for when it fails. */
const keptLines = 25;
const maxLine = 300;

/** What is said of a build while it goes on: lines for people, and the step that failed with the end of its output. */
export class BuildProgress {
  /** `sha256:…` of the image; empty before it is there. */
  imageId = '';
  /** The engine's own words; empty as long as nothing failed. */
  error = '';
  readonly #onLine: (line: string) => void;
  readonly #redact: (text: string) => string;
  readonly #steps = new Map<string, { name: string; isTold: boolean; rest: string; readonly lines: string[] }>();
  #failed = '';
  /** Output of engines that tell no steps. */
  readonly #plain: string[] = [];

  constructor(onLine: (line: string) => void, secrets: Readonly<Record<string, Uint8Array>>) {
    this.#onLine = onLine;
    this.#redact = redactor(secrets);
  }

  /** One line of the engine's answer, which is JSON. */
  take(line: string): void {
    let message: Message;
    try {
      // Read field by field below, each checked.
      message = JSON.parse(line) as Message;
    } catch {
      return;
    }
    if (message.id === 'moby.buildkit.trace' && typeof message.aux === 'string') this.#trace(message.aux);
    else if (typeof message.aux === 'object' && typeof message.aux?.ID === 'string') this.imageId = message.aux.ID;
    if (typeof message.stream === 'string') this.#output('', message.stream);
    if (typeof message.error === 'string') this.error = this.#redact(message.error);
  }

  /** The step that failed and the last lines of its output, for people. */
  get failure(): string {
    const step = this.#steps.get(this.#failed);
    const lines = step?.lines ?? this.#plain;
    const what = step === undefined ? this.error : `the step "${step.name}" failed: ${reasonOf(this.error)}`;
    return [what, ...lines.map((line) => `  ${line}`)].join('\n');
  }

  /** The base image that the build could not get; null where it failed for something else. */
  get missingBase(): string | null {
    const name = this.#steps.get(this.#failed)?.name ?? '';
    return /^\[internal\] load metadata for (\S+)/.exec(name)?.[1] ?? null;
  }

  #trace(base64: string): void {
    const status = buildStatus.decode(Buffer.from(base64, 'base64'));
    for (const step of status.vertexes) this.#step(step);
    for (const { vertex, msg } of status.logs) this.#output(vertex, Buffer.from(msg).toString());
  }

  #step({ digest, name, started, completed, cached, error }: BuildStep): void {
    const known = this.#steps.get(digest) ?? { name: this.#redact(shortName(name)), isTold: false, rest: '', lines: [] };
    this.#steps.set(digest, known);
    const isOver = completed !== null;
    if (!known.isTold && (started !== null || cached) && !isInternal(name)) {
      known.isTold = true;
      this.#onLine(cached && isOver ? `${known.name} (kept from before)` : known.name);
    }
    // Steps that were given up because of it are told as failed too, later.
    if (error !== '' && !error.includes('context canceled') && this.#failed === '') this.#failed = digest;
  }

  #output(vertex: string, text: string): void {
    const step = this.#steps.get(vertex);
    const parts = `${step?.rest ?? ''}${text}`.split(/\r\n|\n|\r/);
    if (step !== undefined) step.rest = parts.pop() ?? '';
    const kept = step?.lines ?? this.#plain;
    for (const part of parts) {
      const line = this.#redact(part).trimEnd().slice(0, maxLine);
      if (line === '') continue;
      kept.push(line);
      if (kept.length > keptLines) kept.shift();
      this.#onLine(line);
    }
  }
}

/** What the engine does for itself. */
function isInternal(name: string): boolean {
  return /^(?:\[internal\]|exporting|copy \/context)/.test(name);
}

interface Message {
  readonly id?: unknown;
  readonly aux?: string | { readonly ID?: unknown } | null;
  readonly stream?: unknown;
  readonly error?: unknown;
}

/** Without the mounts, which are most of a generated step's text. */
function shortName(name: string): string {
  const text = name
    .replaceAll(/--mount=\S+\s*/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return text.length > 160 ? `${text.slice(0, 159)}…` : text;
}

/** BuildKit says the whole command again before the reason. */
function reasonOf(error: string): string {
  return /did not complete successfully: (.*)$/s.exec(error)?.[1] ?? /\]: (.*)$/s.exec(error)?.[1] ?? error;
}
