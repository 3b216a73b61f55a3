import { LineCounter, parseDocument } from 'yaml';
import { readTemplate } from '../../executors/kubernetes/podTemplate.ts';
import { HpoError } from '../../protocol/errors.ts';

/** A user's pod template as it goes into the study, and what of it has no effect. */
export interface PodTemplate {
  /** PodTemplateSpec. */
  readonly json: string;
  readonly notes: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

const maxTemplateBytes = 64 * 1024;

/** Reads a PodTemplateSpec, or the one in a Pod, PodTemplate or Job. Throws HPO-2489 for what is none. */
export function readPodTemplate(text: string, path: string): PodTemplate {
  if (Buffer.byteLength(text) > maxTemplateBytes) throw refused(path, `is larger than ${maxTemplateBytes / 1024} kB`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) throw refused(`${path}:${lines.linePos(error.pos[0]).line}`, `is not valid YAML: ${error.message}`);
  const { metadata, spec = {} } = templateIn(
    plain(() => document.toJS({ maxAliasCount: 0 }), path),
    path,
  );
  const pod = objectOf(spec, path, 'spec');
  const containers = listOf(pod['containers'] ?? [], path, 'spec.containers').map((item) =>
    objectOf(item, path, 'spec.containers'),
  );
  for (const volume of listOf(pod['volumes'] ?? [], path, 'spec.volumes'))
    if (typeof objectOf(volume, path, 'spec.volumes')['name'] !== 'string') throw refused(path, 'has a volume without a name');
  const head = metadata === undefined ? {} : labelled(objectOf(metadata, path, 'metadata'), path);
  const json = JSON.stringify({ ...(metadata === undefined ? {} : { metadata: head }), spec: pod });
  return { json, notes: withoutEffect(pod, containers, json).map((what) => `${path}: ${what} has no effect: ${why}`) };
}

const why = "what tells attempts apart, ends them and keeps them in their bounds is not the template's";

/** Places in the template of which nothing is taken, found by what is. */
function withoutEffect(pod: Fields, containers: readonly Fields[], json: string): readonly string[] {
  const taken = readTemplate(json);
  const trial = containers.find(({ name }) => name === 'trial') ?? containers[0];
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

/** The template itself, or that of a Pod, PodTemplate or Job around it. */
function templateIn(value: unknown, path: string): { readonly metadata?: unknown; readonly spec?: unknown } {
  const object = objectOf(value, path, 'the file');
  const { kind } = object;
  const inner =
    kind === undefined || kind === 'Pod'
      ? object
      : kind === 'PodTemplate'
        ? objectOf(object['template'], path, 'template')
        : kind === 'Job'
          ? objectOf(objectOf(object['spec'], path, 'spec')['template'], path, 'spec.template')
          : null;
  if (inner === null) throw refused(path, `is a ${JSON.stringify(kind)}, and not a pod template`);
  const unknown = Object.keys(inner).find((key) => !['apiVersion', 'kind', 'metadata', 'spec', 'status'].includes(key));
  if (unknown !== undefined) throw refused(path, `has ${unknown}, and a pod template only metadata and spec`);
  return inner;
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
