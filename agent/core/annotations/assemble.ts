import { isVolume } from '../../protocol/clusterWords.ts';
import type {
  Diagnostic,
  Fidelity,
  KubernetesWords,
  MetricSource,
  Objective,
  ParamValue,
  Parameter,
  ScriptSpec,
} from '../../protocol/space.ts';
import { conditionCycle, conditionNames, evaluate, hashSpec, parseCondition } from '../space/index.ts';
import type { Directive } from './directive.ts';
import { type DirectiveName, inContainers, onClusters, type SettingsName, withoutEffect } from './directiveKeys.ts';
import { type FaultCode, diagnose, replaceBy } from './faults.ts';
import type { Range, Word } from './note.ts';
import type { Declared, Part, PartParam } from './part.ts';
import { nearest, quote } from './text.ts';

export interface Assembled {
  readonly spec: ScriptSpec;
  readonly diagnostics: Diagnostic[];
  /** Where each path of `spec.include` is named; the same path may be named by several files. */
  readonly includes: readonly Include[];
}

export interface Include {
  /** As written. */
  readonly path: string;
  /** The file that names it, relative to the root. */
  readonly file: string;
  /** What there is to say if the path is nowhere: only who can look at files knows. */
  readonly missing: Diagnostic;
}

/**
 * Puts together what the parts say; the first part wins over the later ones, comments over settings (rule 8).
 * Faults that only show in the whole (duplicates, conditions on unknown parameters, cycles) are added here.
 */
export function assemble(parts: readonly Part[]): Assembled {
  const ordered = [
    ...parts.filter(({ origin }) => origin === 'comments'),
    ...parts.filter(({ origin }) => origin === 'settings'),
  ];
  const found = new Reports();
  const fidelity = oneFidelity(ordered, found);
  const declaredNames = namesOf(ordered);
  const unique = uniqueParams(ordered, fidelity, declaredNames, found);
  const checked = unique.filter(([part, param]) => checkCondition(part, param.when, declaredNames, fidelity, 'when', found));
  const parameters = withoutCycles(checked, found);
  const where: string[] = [];
  const constraints: string[] = [];
  const directives = ordered.flatMap((part) => part.directives.map((directive) => [part, directive] as const));
  for (const [part, directive] of directives) {
    if (directive.type === 'where' && checkCondition(part, directive.condition, declaredNames, fidelity, 'where', found))
      pushOnce(where, directive.condition.text);
    else if (directive.type === 'constraint' && checkConstraint(part, directive.condition, found))
      pushOnce(constraints, directive.condition.text);
    else if (directive.type === 'kubernetes')
      for (const { when } of directive.section.pools) checkCondition(part, when, declaredNames, fidelity, 'when', found);
  }
  const objectives = mergeObjectives(directives, found);
  const space = { parameters, where };
  warnOfBaseline(ordered, parameters, found);
  for (const [part, directive] of directives) warnOfIdle(part, directive, found);
  const settings = (name: SettingsName): Record<string, string> | null => mergeSettings(name, directives, found);
  const spec: ScriptSpec = {
    space,
    objectives,
    constraints,
    fidelity,
    metrics: mergeMetrics(directives, found),
    search: settings('search') ?? {},
    budget: settings('budget') ?? {},
    resources: settings('resources') ?? {},
    retry: settings('retry') ?? {},
    checkpoint: settings('checkpoint'),
    folds: settings('folds'),
    seeds: settings('seeds'),
    image: settings('image'),
    data: directives.flatMap(([, directive]) =>
      directive.type === 'data' ? { from: directive.from, to: directive.to, readOnly: directive.readOnly } : [],
    ),
    include: [...new Set(directives.flatMap(([, directive]) => (directive.type === 'include' ? directive.paths : [])))],
    secrets: [...new Set(directives.flatMap(([, directive]) => (directive.type === 'secret' ? directive.name : [])))],
    kubernetes: mergeKubernetes(directives),
    hash: hashSpec({ space, objectives, constraints, fidelity }),
  };
  const own = parts.flatMap((part) => part.faults.list.map((fault) => diagnose(fault, part.file, part.lines)));
  const fileOrder = new Map(parts.toReversed().map((part) => [part.file, parts.findIndex(({ file }) => file === part.file)]));
  const diagnostics = [...own, ...found.list].sort(
    (a, b) => (fileOrder.get(a.file) ?? 0) - (fileOrder.get(b.file) ?? 0) || a.line - b.line || a.column - b.column,
  );
  return { spec, diagnostics, includes: directives.flatMap(([part, directive]) => includesOf(part, directive)) };
}

function includesOf({ file, lines }: Part, directive: Directive): Include[] {
  if (directive.type !== 'include') return [];
  const { start, end, paths } = directive;
  return paths.map((path) => {
    const message = `there is no file ${quote(path)}, neither beside ${file} nor from the root of the project; check the path`;
    return { path, file, missing: diagnose({ code: 'HPO-1140', start, end, message, fix: null }, file, lines) };
  });
}

class Reports {
  readonly list: Diagnostic[] = [];
  add(
    part: Part,
    code: FaultCode,
    range: { readonly start: number; readonly end: number },
    message: string,
    fix: Diagnostic['fix'] = null,
    severity?: 'warning' | 'info',
  ): void {
    this.list.push(
      diagnose(
        { code, start: range.start, end: range.end, message, fix, ...(severity === undefined ? {} : { severity }) },
        part.file,
        part.lines,
      ),
    );
  }
}

function pushOnce(list: string[], text: string): void {
  if (!list.includes(text)) list.push(text);
}

function namesOf(parts: readonly Part[]): Set<string> {
  // Parameters with a fault count: that they are missing is reported once, where they stand.
  return new Set(
    parts.flatMap(({ params, literals }) => [
      ...params.map(({ parameter }) => parameter.name),
      ...literals.filter(({ note }) => note.space?.type !== 'fidelity').map(({ name }) => name),
    ]),
  );
}

function oneFidelity(parts: readonly Part[], found: Reports): Fidelity | null {
  let first: { readonly part: Part; readonly fidelity: Fidelity } | null = null;
  for (const part of parts) {
    for (const { fidelity, place } of part.fidelities) {
      if (first === null) first = { part, fidelity };
      else if (part.origin === 'comments')
        found.add(
          part,
          'HPO-1130',
          place,
          `${fidelity.name} is a second fidelity; ${first.fidelity.name} in ${first.part.file} line ${first.fidelity.site.line} is the first; make one of them a parameter by int(…)`,
        );
    }
  }
  return first?.fidelity ?? null;
}

type Placed = readonly [Part, PartParam];

function uniqueParams(
  parts: readonly Part[],
  fidelity: Fidelity | null,
  declaredNames: ReadonlySet<string>,
  found: Reports,
): Placed[] {
  const first = new Map<string, { readonly file: string; readonly line: number }>();
  if (fidelity !== null) first.set(fidelity.name, fidelity.site);
  const unique: Placed[] = [];
  for (const part of parts) {
    for (const param of part.params) {
      const { name, site } = param.parameter;
      const before = first.get(name);
      if (before === undefined) {
        first.set(name, site);
        unique.push([part, param]);
      } else if (part.origin === 'comments') {
        const other = freeName(name, param, new Set([...declaredNames, ...first.keys()]));
        const { start, end, suffix } = param.rename;
        const where = before.file === part.file ? `line ${before.line}` : `${before.file} line ${before.line}`;
        found.add(
          part,
          'HPO-1119',
          param.place,
          `${name} is the name of another parameter already (${where}); give this one a name of its own, such as ${other}: …`,
          replaceBy(`Name it ${other}`, start, end, other + suffix),
        );
      }
    }
  }
  return unique;
}

function freeName(name: string, { scope }: Declared, taken: ReadonlySet<string>): string {
  const scoped = `${scope ?? ''}_${name}`;
  if (scope !== null && /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(scoped) && !taken.has(scoped)) return scoped;
  let number = 2;
  while (taken.has(`${name}_${number}`)) number++;
  return `${name}_${number}`;
}

function checkCondition(
  part: Part,
  condition: Word | null,
  known: ReadonlySet<string>,
  fidelity: Fidelity | null,
  kind: 'when' | 'where',
  found: Reports,
): boolean {
  if (condition === null) return true;
  const parsed = parseCondition(condition.text, known);
  if (parsed.type === 'error') {
    const start = condition.start + Math.min(parsed.offset, Math.max(0, condition.end - condition.start - 1));
    found.add(
      part,
      'HPO-1121',
      { start, end: condition.end },
      `the condition "${quote(condition.text)}" cannot be read: ${parsed.message}`,
      mendCondition(condition, parsed.offset),
    );
    return false;
  }
  const names = conditionNames(parsed.condition);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    const isFidelity = unknown === fidelity?.name;
    const meant = isFidelity ? null : nearest(unknown, known);
    const offset = nameOffset(condition.text, unknown);
    const range = { start: condition.start + offset, end: condition.start + offset + unknown.length };
    const message = isFidelity
      ? `${unknown} is the fidelity, which the scheduler sets; conditions are about parameters`
      : `${unknown} is not a parameter of this study${meant === null ? '; conditions are about annotated parameters' : `; did you mean ${meant}?`}`;
    found.add(
      part,
      'HPO-1122',
      range,
      message,
      meant === null ? null : replaceBy(`Write ${meant}`, range.start, range.end, meant),
    );
    return false;
  }
  if (names.length === 0) {
    found.add(
      part,
      'HPO-1121',
      condition,
      `"${quote(condition.text)}" reads no parameter, so it is always the same; name a parameter in this ${kind}`,
    );
    return false;
  }
  return true;
}

function checkConstraint(part: Part, condition: Word, found: Reports): boolean {
  const parsed = parseCondition(condition.text);
  if (parsed.type === 'ok' && conditionNames(parsed.condition).length > 0) return true;
  const why = parsed.type === 'error' ? `cannot be read: ${parsed.message}` : 'reads no metric';
  const start = condition.start + (parsed.type === 'error' ? Math.min(parsed.offset, condition.text.length - 1) : 0);
  found.add(
    part,
    'HPO-1121',
    { start, end: condition.end },
    `the condition "${quote(condition.text)}" ${why}`,
    parsed.type === 'error' ? mendCondition(condition, parsed.offset) : null,
  );
  return false;
}

/** `x = 1` is the slip that everyone makes. */
function mendCondition(condition: Word, offset: number): Diagnostic['fix'] {
  if (condition.text[offset] !== '=') return null;
  return replaceBy('Write ==', condition.start + offset, condition.start + offset + 1, '==');
}

function nameOffset(text: string, name: string): number {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    if (!/[\w.]/.test(text[at - 1] ?? '') && !/[\w.]/.test(text[at + name.length] ?? '')) return at;
  }
  return 0;
}

function withoutCycles(placed: readonly Placed[], found: Reports): Parameter[] {
  let rest = [...placed];
  for (;;) {
    const cycle = conditionCycle(rest.map(([, { parameter }]) => parameter));
    if (cycle === null) return rest.map(([, { parameter }]) => parameter);
    const last = rest.findLast(([, { parameter }]) => cycle.includes(parameter.name));
    if (last !== undefined) {
      const [part, { when, place }] = last;
      const chain = [...cycle, cycle[0]].join(' needs ');
      found.add(part, 'HPO-1123', when ?? place, `the conditions go round in a circle: ${chain}; remove one of them`);
    }
    rest = rest.filter(([, { parameter }]) => !cycle.includes(parameter.name));
  }
}

/** A baseline that `where` excludes still runs as trial 0, but nothing near it is tried: worth a warning. */
function warnOfBaseline(parts: readonly Part[], parameters: readonly Parameter[], found: Reports): void {
  const values: Record<string, ParamValue> = {};
  for (const parameter of parameters) if (parameter.default !== undefined) values[parameter.name] = parameter.default;
  const known = new Set(Object.keys(values));
  for (const part of parts) {
    for (const directive of part.directives) {
      if (directive.type !== 'where') continue;
      const parsed = parseCondition(directive.condition.text, known);
      if (parsed.type !== 'ok' || evaluate(parsed.condition, values) !== false) continue;
      const seen = conditionNames(parsed.condition).map((name) => `${name} = ${JSON.stringify(values[name] ?? null)}`);
      found.add(
        part,
        'HPO-1139',
        directive.condition,
        `the script's own values (${quote(seen.join(', '))}) make this condition false; change the values or the condition`,
        null,
        'warning',
      );
    }
  }
}

/** Nobody should wait for patience, or count on a limit of cost, that is not kept. */
function warnOfIdle(part: Part, directive: Directive, found: Reports): void {
  for (const [range, what] of namedIn(withoutEffect, directive))
    found.add(part, 'HPO-1141', range, `${what} is read but does nothing in this version; remove it`, null, 'warning');
  for (const [range, what] of namedIn(inContainers, directive)) {
    const message = `${what} counts in containers (--on docker) and changes nothing for trials that are processes of this machine`;
    found.add(part, 'HPO-1142', range, message, null, 'info');
  }
  for (const [range, what] of [...namedIn(onClusters, directive), ...volumesIn(directive)]) {
    const message = `${what} counts on a cluster (--on kubernetes) and changes nothing for trials of this machine`;
    found.add(part, 'HPO-1143', range, message, null, 'info');
  }
}

function volumesIn(directive: Directive): readonly (readonly [Range, string])[] {
  if (directive.type === 'kubernetes') return [[directive, 'the section kubernetes']];
  return directive.type === 'data' && isVolume(directive.from) ? [[directive, 'data on a volume claim']] : [];
}

/** The directive, or those of its keys, that a table names; with the words for them. */
function namedIn(
  table: Readonly<Partial<Record<DirectiveName, 'all' | readonly string[]>>>,
  directive: Directive,
): readonly (readonly [Range, string])[] {
  if (directive.type === 'kubernetes') return [];
  const name = directive.type === 'settings' ? directive.name : directive.type;
  const keys = table[name] ?? [];
  if (keys === 'all') return [[directive, `@hpo.${name}`]];
  if (directive.type !== 'settings') return [];
  return keys.flatMap((key) => {
    const value = directive.values[key];
    return value === undefined ? [] : [[value, `${key} of @hpo.${name}`] as const];
  });
}

type PlacedDirective = readonly [Part, Directive];

/** The first part that names objectives decides: an imported module's own do not add to the script's. */
function mergeObjectives(directives: readonly PlacedDirective[], found: Reports): Objective[] {
  const objectives: Objective[] = [];
  let owner: Part | null = null;
  for (const [part, directive] of directives) {
    if (directive.type !== 'objective') continue;
    owner ??= part;
    if (part !== owner) continue;
    const { objective } = directive;
    if (objectives.some(({ metric }) => metric === objective.metric)) {
      found.add(part, 'HPO-1125', directive, `the objective ${objective.metric} stands twice; remove this one`);
    } else objectives.push(objective);
  }
  return objectives;
}

function mergeMetrics(directives: readonly PlacedDirective[], found: Reports): MetricSource[] {
  const first = new Map<string, readonly [Part, MetricSource]>();
  for (const [part, directive] of directives) {
    if (directive.type !== 'metric') continue;
    const before = first.get(directive.source.metric);
    if (before === undefined) first.set(directive.source.metric, [part, directive.source]);
    else if (before[0] === part)
      found.add(part, 'HPO-1125', directive, `where ${directive.source.metric} is read from is said twice; remove one`);
  }
  return [...first.values()].map(([, source]) => source);
}

/** Key by key, the first part that says something wins; null where no part has the section. */
function mergeKubernetes(directives: readonly PlacedDirective[]): KubernetesWords | null {
  const sections = directives.flatMap(([, directive]) => (directive.type === 'kubernetes' ? directive.section : []));
  if (sections.length === 0) return null;
  const first = <T>(read: (words: Omit<KubernetesWords, 'pools'>) => T | null): T | null => {
    for (const { words } of sections) {
      const value = read(words);
      if (value !== null) return value;
    }
    return null;
  };
  const pools = sections.find((section) => section.pools.length > 0)?.pools ?? [];
  return {
    queue: first(({ queue }) => queue),
    priority: first(({ priority }) => priority),
    spot: first(({ spot }) => spot),
    podTemplate: first(({ podTemplate }) => podTemplate),
    pullSecrets: first(({ pullSecrets }) => (pullSecrets.length === 0 ? null : pullSecrets)) ?? [],
    pools: pools.map(({ when, ...pool }) => ({ ...pool, when: when?.text ?? null })),
  };
}

/** Key by key, the first part wins; null where no part has the directive at all. */
function mergeSettings(
  name: SettingsName,
  directives: readonly PlacedDirective[],
  found: Reports,
): Record<string, string> | null {
  const owners = new Map<string, readonly [Part, string]>();
  let isThere = false;
  for (const [part, directive] of directives) {
    if (directive.type !== 'settings' || directive.name !== name) continue;
    isThere = true;
    for (const [key, value] of Object.entries(directive.values)) {
      const before = owners.get(key);
      if (before === undefined) owners.set(key, [part, value.text]);
      else if (before[0] === part)
        found.add(part, 'HPO-1125', value, `${key} of @hpo.${name} is given twice; the first, ${quote(before[1])}, counts`);
    }
  }
  return isThere ? Object.fromEntries([...owners].map(([key, [, value]]) => [key, value])) : null;
}
