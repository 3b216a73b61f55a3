import { applyKey, applyValues } from '../core/annotations/index.ts';
import { Pools } from '../core/study/index.ts';
import type { AttemptStart } from '../executors/executor.ts';
import { HpoError } from '../protocol/errors.ts';
import type { Fidelity, LiteralSpan, Parameter, Params, ParamValue, Sink } from '../protocol/space.ts';
import type { AttemptKey, StudySpec } from '../protocol/study.ts';

/** What one attempt is to run with. */
export interface AttemptValues {
  readonly key: AttemptKey;
  readonly params: Params;
  /** Resource to reach; null without a fidelity. */
  readonly target: number | null;
  /** Seed of this trial, the same in all its attempts. */
  readonly seed: number;
  /** The trial from which it goes on; null for one that begins afresh. */
  readonly parent: number | null;
}

/** Files of the project that carry a tuned literal or config key, relative to the root. */
export function tunedFiles(spec: StudySpec): readonly string[] {
  return [
    ...new Set(
      placements(spec).flatMap(({ sink, site }) =>
        sink.type === 'literal' ? [site.file] : sink.type === 'key' ? [sink.file] : [],
      ),
    ),
  ];
}

/**
 * Turns a point of the space into a program to start: literals spliced into copies of their files, the rest as
 * arguments, variables and config keys. `texts` holds the stored text of every tuned file.
 */
export function buildAttempt(spec: StudySpec, values: AttemptValues, texts: ReadonlyMap<string, string>): AttemptStart {
  const edits = new Map<string, { literal: LiteralSpan; value: ParamValue }[]>();
  const keys: { file: string; path: string; value: ParamValue }[] = [];
  const args: string[] = [];
  const program = spec.command.map((word) => (word === '{script}' ? scriptWord(spec.script ?? word) : word));
  const isPython = program.some((word) => /\.pyw?$/.test(word));
  const environment: Record<string, string> = {};
  for (const placement of placements(spec)) {
    const value = placement.name === spec.fidelity?.name ? values.target : values.params[placement.name];
    // Inactive parameters keep the script's own literal.
    if (value === undefined || (value === null && placement.isFidelity)) continue;
    place(placement, value);
  }

  function place({ sink, site, literal }: Placement, value: ParamValue): void {
    switch (sink.type) {
      case 'literal':
        if (literal === null) return;
        edits.set(site.file, [...(edits.get(site.file) ?? []), { literal, value }]);
        return;
      case 'arg':
        args.push(...argWords(sink.flag, isPython ? asPythonText(value) : asText(value)));
        return;
      case 'env':
        environment[sink.name] = asText(value);
        return;
      case 'key':
        keys.push({ file: sink.file, path: sink.path, value });
        return;
    }
  }

  const spliced = new Map<string, string>();
  for (const [file, fileEdits] of edits) {
    const result = applyValues(textOf(texts, file), fileEdits, file);
    const [fault] = result.diagnostics;
    if (fault !== undefined)
      throw new HpoError(fault.code, fault.message, 'start the study again: its annotations no longer fit the stored code');
    spliced.set(file, result.text);
  }
  for (const { file, path, value } of keys)
    spliced.set(file, applyKey(spliced.get(file) ?? textOf(texts, file), file, path, value));

  return {
    key: values.key,
    snapshot: spec.snapshot,
    command: [...program, ...args],
    environment: {
      HPO_PARAMS: JSON.stringify(values.params),
      HPO_SEED: String(values.seed),
      ...(values.target === null ? {} : { HPO_RESOURCE: String(values.target) }),
      ...environment,
    },
    files: [...spliced].map(([path, content]) => ({ path, content })),
    pool: new Pools(spec).of(values.params)?.name ?? null,
    metricFiles: [
      ...new Set(spec.metrics.flatMap((source) => (source.type === 'json' || source.type === 'csv' ? [source.path] : []))),
    ],
    checkpointDir: spec.checkpoint?.dir ?? null,
    checkpointFrom: spec.checkpoint === null ? null : values.parent,
    timeoutMs: spec.limits.timeoutMs,
    graceMs: spec.limits.graceMs,
    outputBytes: spec.limits.outputBytes,
    cpus: spec.limits.cpus,
  };
}

interface Placement {
  readonly name: string;
  readonly sink: Sink;
  readonly site: Parameter['site'];
  readonly literal: LiteralSpan | null;
  readonly isFidelity: boolean;
}

function placements(spec: StudySpec): readonly Placement[] {
  const asPlacement = ({ name, sink, site, literal }: Parameter | Fidelity, isFidelity: boolean): Placement => ({
    name,
    sink,
    site,
    literal,
    isFidelity,
  });
  return [
    ...spec.space.parameters.map((parameter) => asPlacement(parameter, false)),
    ...(spec.fidelity === null ? [] : [asPlacement(spec.fidelity, true)]),
  ];
}

/** An interpreter would take a script's name that begins with a dash for an option. */
function scriptWord(script: string): string {
  return script.startsWith('-') ? `./${script}` : script;
}

/** A value that begins with a dash looks like an option of its own to argparse (`-8e-8` even among numbers), unless it is one word with its flag. */
function argWords(flag: string, text: string): readonly string[] {
  return flag.startsWith('--') && text.startsWith('-') ? [`${flag}=${text}`] : [flag, text];
}

/** As a user of a Python program would type it: its words for what is no number and no text. */
function asPythonText(value: ParamValue): string {
  return typeof value === 'boolean' ? (value ? 'True' : 'False') : value === null ? 'None' : asText(value);
}

/** As a shell user would type it: strings bare, everything else as JSON. */
function asText(value: ParamValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function textOf(texts: ReadonlyMap<string, string>, file: string): string {
  const text = texts.get(file);
  if (text === undefined) throw new RangeError(`no stored text of ${file}`);
  return text;
}
