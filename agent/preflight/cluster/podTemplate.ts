import { isNode, LineCounter, parseDocument } from 'yaml';
import { shapeReader } from '../../cluster/index.ts';
import { amountOf } from '../../cluster/quantity.ts';
import { readTemplate, specKeys } from '../../executors/kubernetes/podTemplate.ts';
import { HpoError } from '../../protocol/errors.ts';

/** A user's pod template as it goes into the study, and what of it has no effect. */
export interface PodTemplate {
  /** PodTemplateSpec. */
  readonly json: string;
  readonly notes: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;
type Keys = readonly (string | number)[];

const maxTemplateBytes = 64 * 1024;
const podKeys: readonly string[] = [...specKeys, 'securityContext', 'volumes'];
const containerKeys: readonly string[] = ['env', 'resources', 'volumeMounts'];

/** Reads a PodTemplateSpec, or the one in a Pod, PodTemplate or Job. Rejects with HPO-2489 for what is none, with its place in the file. */
export async function readPodTemplate(text: string, path: string): Promise<PodTemplate> {
  if (Buffer.byteLength(text) > maxTemplateBytes) throw refused(path, `is larger than ${maxTemplateBytes / 1024} kB`);
  const lines = new LineCounter();
  const document = parsed(text, path, lines);
  const [error] = document.errors;
  if (error !== undefined) throw refused(`${path}:${lines.linePos(error.pos[0]).line}`, `is not valid YAML: ${error.message}`);
  const { metadata, spec, at } = templateIn(
    plain(() => document.toJS({ maxAliasCount: 0 }), path),
    path,
  );
  const read = await shapeReader();
  /** What of it is taken, as the API has it; the rest as it stands there. */
  const shaped = (value: Fields, keys: readonly string[], kind: string, place: Keys): Fields => {
    const taken = Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
    const found = read(taken, kind, [...at, ...place]);
    if ('value' in found) return { ...value, ...objectOr(found.value) };
    const node = [...found.fault.at.keys()].map((i) => document.getIn(found.fault.at.slice(0, i + 1), true)).findLast(isNode);
    const line = lines.linePos(node?.range?.[0] ?? 0).line;
    throw refused(`${path}:${line}`, `${found.fault.what} in ${dotted(found.fault.at)}`);
  };
  const written = withoutNulls(objectOf(spec ?? {}, path, 'spec'));
  const containers = listOf(written['containers'] ?? [], path, 'spec.containers').map((item) =>
    withoutNulls(objectOf(item, path, 'spec.containers')),
  );
  const trial = trialOf(containers);
  const pod: Fields = {
    ...shaped(written, podKeys, 'V1PodSpec', ['spec']),
    ...(containers.length === 0
      ? {}
      : {
          containers: containers.map((container, i) =>
            container === trial ? shaped(container, containerKeys, 'V1Container', ['spec', 'containers', i]) : container,
          ),
        }),
  };
  refuseUnnamed(pod, path);
  refuseNoCpus(pod, path);
  const head =
    metadata === undefined || metadata === null ? {} : { metadata: labelled(objectOf(metadata, path, 'metadata'), path) };
  const json = JSON.stringify({ ...head, spec: pod });
  return { json, notes: withoutEffect(pod, containers, json).map((what) => `${path}: ${what} has no effect: ${why}`) };
}

/** By its name, else the first. */
function trialOf(containers: readonly Fields[]): Fields | undefined {
  return containers.find(({ name }) => name === 'trial') ?? containers[0];
}

/** Throws for a volume, a variable or a mount without that by which it is known. */
function refuseUnnamed(pod: Fields, path: string): void {
  const containers = listOf(pod['containers'] ?? [], path, 'spec.containers').map(objectOr);
  const trial = trialOf(containers);
  const place = `spec.containers[${trial === undefined ? 0 : containers.indexOf(trial)}]`;
  const needed = [
    ['spec.volumes', pod['volumes'], ['name']],
    [`${place}.env`, trial?.['env'], ['name']],
    [`${place}.volumeMounts`, trial?.['volumeMounts'], ['name', 'mountPath']],
    ['spec.imagePullSecrets', pod['imagePullSecrets'], ['name']],
  ] as const;
  for (const [list, items, keys] of needed)
    for (const [i, item] of (Array.isArray(items) ? items : []).entries())
      for (const key of keys)
        if ([undefined, ''].some((nothing) => objectOr(item)[key] === nothing))
          throw refused(path, `lacks ${key} in ${list}[${i}]`);
}

/** Throws for what is no amount of processors: they are counted before the cluster sees them. */
function refuseNoCpus(pod: Fields, path: string): void {
  const trial = trialOf(listOf(pod['containers'] ?? [], path, 'spec.containers').map(objectOr));
  for (const key of ['requests', 'limits']) {
    const cpu = objectOr(objectOr(trial?.['resources'])[key])['cpu'];
    if (typeof cpu === 'string' && !(amountOf(cpu) > 0))
      throw refused(path, `needs an amount such as 500m or 2 in resources.${key}.cpu of the container`);
  }
}

function withoutNulls(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

/** `spec.containers[0].env` */
function dotted(keys: Keys): string {
  return keys.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${key}`)).join('');
}

const why = "what tells attempts apart, ends them and keeps them in their bounds is not the template's";

/** Places in the template of which nothing is taken, found by what is. */
function withoutEffect(pod: Fields, containers: readonly Fields[], json: string): readonly string[] {
  const taken = readTemplate(json);
  const trial = trialOf(containers);
  const volumes = new Set(taken.volumes.map(({ name }) => name));
  const mounts = new Set(taken.container.volumeMounts?.map(({ mountPath }) => mountPath));
  const security = objectOr(pod['securityContext']);
  return [
    ...Object.keys(pod)
      .filter((key) => !['containers', 'volumes', 'securityContext'].includes(key) && !(key in taken.spec))
      .map((key) => `spec.${key}`),
    ...Object.keys(security)
      .filter((key) => !(key in taken.security))
      .map((key) => `spec.securityContext.${key}`),
    ...namesIn(pod['volumes'], 'name')
      .filter((name) => !volumes.has(name))
      .map((name) => `the volume ${name}`),
    ...containers.filter((container) => container !== trial).map(({ name }) => `the container ${String(name)}`),
    ...Object.keys(trial ?? {})
      .filter((key) => key !== 'name' && !(key in taken.container))
      .map((key) => `${key} of the container`),
    ...namesIn(trial?.['volumeMounts'], 'mountPath')
      .filter((mount) => !mounts.has(mount))
      .map((mount) => `the mount at ${mount}`),
  ];
}

function namesIn(list: unknown, key: string): readonly string[] {
  return Array.isArray(list) ? list.map((item) => String(objectOr(item)[key])) : [];
}

/** The template itself, or that of a Pod, PodTemplate or Job around it, and where it stands in the file. */
function templateIn(value: unknown, path: string): { readonly metadata?: unknown; readonly spec?: unknown; readonly at: Keys } {
  const object = objectOf(value, path, 'the file');
  const { kind } = object;
  const at =
    kind === undefined || kind === 'Pod'
      ? []
      : kind === 'PodTemplate'
        ? ['template']
        : kind === 'Job'
          ? ['spec', 'template']
          : null;
  if (at === null) throw refused(path, `is a ${JSON.stringify(kind)}, and not a pod template`);
  let inner = object;
  for (const [i, key] of at.entries()) inner = objectOf(inner[key], path, dotted(at.slice(0, i + 1)));
  const unknown = Object.keys(inner).find((key) => !['apiVersion', 'kind', 'metadata', 'spec', 'status'].includes(key));
  if (unknown !== undefined) throw refused(path, `has ${unknown}, and a pod template only metadata and spec`);
  return { ...inner, at };
}

/** Labels and annotations; names and owners of pods are the cluster's. */
function labelled(metadata: Fields, path: string): Fields {
  return Object.fromEntries(
    ['labels', 'annotations'].flatMap((key) => {
      const value = metadata[key];
      if (value === undefined) return [];
      const words = objectOf(value, path, `metadata.${key}`);
      const wrong = Object.entries(words).find(([, word]) => typeof word !== 'string');
      if (wrong !== undefined) throw refused(path, `has metadata.${key}.${wrong[0]}, which is no text: put it in quotes`);
      return [[key, words] as const];
    }),
  );
}

/** Throws for what is nested so deep that it cannot be read. */
function parsed(text: string, path: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, logLevel: 'silent' });
  } catch (cause) {
    if (cause instanceof RangeError) throw refused(path, 'is nested too deep');
    throw cause;
  }
}

/** Without aliases: a few lines of them can stand for more than any memory holds. */
function plain(read: () => unknown, path: string): unknown {
  try {
    return read();
  } catch {
    throw refused(path, 'has aliases (*name), which are not read');
  }
}

function objectOr(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : {};
}

function objectOf(value: unknown, path: string, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return objectOr(value);
  throw refused(path, `needs keys and values in ${what}`);
}

function listOf(value: unknown, path: string, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw refused(path, `needs a list in ${what}`);
}

function refused(path: string, what: string): HpoError {
  return new HpoError(
    'HPO-2489',
    `the pod template ${path} ${what}`,
    'write it as: spec: {nodeSelector: …, containers: [{name: trial, …}]}',
    { exitCode: 4 },
  );
}
