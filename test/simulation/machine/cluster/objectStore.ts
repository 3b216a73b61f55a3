import { createHash } from 'node:crypto';
import type { Kind, Labels, Objects } from '../../../../agent/cluster/cluster.ts';
import { HpoError } from '../../../../agent/protocol/errors.ts';

/** What the client's library has as classes, as plain objects. */
type Plain<T> = T extends Date
  ? T
  : T extends readonly (infer U)[]
    ? Plain<U>[]
    : T extends object
      ? { [K in keyof T]: Plain<T[K]> }
      : T;
export type KubeObjects = { readonly [K in Kind]: Plain<Objects[K]> };
/** Any object; what is stored is never changed, only replaced. */
export type KubeObject = KubeObjects[Kind];
type Metadata = NonNullable<KubeObjects['Pod']['metadata']>;

export interface Change {
  readonly kind: Kind;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

/** What an object's data may come to, as etcd takes it. In bytes. */
const maxObjectBytes = 2 ** 20;

/** By which a Job's controller knows its pods. */
const jobLabel = 'batch.kubernetes.io/job-name';

/** Kinds of which there is one set for the whole cluster. */
const clusterKinds: ReadonlySet<Kind> = new Set<Kind>(['Namespace', 'Node', 'PriorityClass']);

export interface StoreOptions {
  readonly namespace: string;
  /** Milliseconds since the epoch, as the machines of the cluster have it. */
  readonly wallTime: () => number;
}

/**
 * The objects of a cluster, as its API server keeps them in etcd: names, uids and versions, owners, finalizers and deletions with a
 * grace. Whatever changes is told, in order, to who wants to hear.
 */
export class ObjectStore {
  readonly namespace: string;
  readonly #wallTime: () => number;
  readonly #objects = new Map<string, { readonly kind: Kind; object: KubeObject }>();
  /** The same by kind and name; and the names of the pods of each Job, as its controller looks for them all the time. */
  readonly #byKind = new Map<Kind, Map<string, KubeObject>>();
  readonly #podsOfJob = new Map<string, Set<string>>();
  readonly #uids = new Set<string>();
  readonly #listeners = new Set<(change: Change) => void>();
  #revision = 1;
  #nUids = 0;
  /** Kinds that are not installed, such as those of Kueue. */
  readonly missing: ReadonlySet<Kind> = new Set<Kind>(['LocalQueue', 'Workload']);
  /** Most objects of a kind in the namespace; null: no quota. */
  quota: { readonly kind: Kind; readonly most: number } | null = null;

  constructor({ namespace, wallTime }: StoreOptions) {
    this.namespace = namespace;
    this.#wallTime = wallTime;
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.add(listener);
  }

  get<K extends Kind>(kind: K, name: string): KubeObjects[K] | null {
    const found = this.#objects.get(`${kind}/${name}`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored under its kind
    return found === undefined ? null : (found.object as KubeObjects[K]);
  }

  list<K extends Kind>(kind: K, labels: Labels = {}): KubeObjects[K][] {
    const found: KubeObjects[K][] = [];
    const all = this.#byKind.get(kind);
    const job = kind === 'Pod' ? (labels[jobLabel] ?? labels['job-name']) : undefined;
    const candidates = job === undefined ? all?.values() : [...(this.#podsOfJob.get(job) ?? [])].map((name) => all?.get(name));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored under its kind
    for (const object of candidates ?? [])
      if (object !== undefined && hasLabels(object.metadata?.labels, labels)) found.push(object as KubeObjects[K]);
    return found;
  }

  /** Null where one of that name is there. Throws what the server refuses. */
  create<K extends Kind>(kind: K, object: KubeObjects[K]): KubeObjects[K] | null {
    const { metadata = {} } = object;
    const name = metadata.name ?? `${metadata.generateName}${this.#suffix()}`;
    if (!this.#admit(kind, name, object)) return null;
    const isNamespaced = !clusterKinds.has(kind);
    const made = {
      ...object,
      metadata: {
        ...metadata,
        name,
        ...(isNamespaced ? { namespace: this.namespace } : {}),
        uid: this.#uid(),
        creationTimestamp: this.now(),
        generation: 1,
        resourceVersion: '',
      },
    };
    return this.#put(kind, name, made, 'ADDED');
  }

  /** Throws what the server refuses; nothing is made. */
  check<K extends Kind>(kind: K, object: KubeObjects[K]): void {
    this.#admit(kind, object.metadata?.name ?? 'generated', object);
  }

  /** False where one of that name is there. */
  #admit<K extends Kind>(kind: K, name: string, object: KubeObjects[K]): boolean {
    const { metadata = {} } = object;
    const isNamespaced = !clusterKinds.has(kind);
    checkNames(kind, name, metadata.labels ?? {});
    checkMounts(kind, name, object);
    if (this.missing.has(kind)) throw refused('the server could not find the requested resource');
    if (isNamespaced && (metadata.namespace ?? this.namespace) !== this.namespace)
      throw refused(`namespaces "${metadata.namespace}" not found`);
    if (this.#objects.has(`${kind}/${name}`)) return false;
    if (JSON.stringify(object).length > maxObjectBytes)
      throw refused(`${kind} "${name}" is invalid: []: Too long: may not be more than ${maxObjectBytes} bytes`);
    if (this.quota !== null && this.quota.kind === kind && this.list(kind).filter(counts).length >= this.quota.most)
      throw refused(`${kind} "${name}" is forbidden: exceeded quota: most, limited: ${this.quota.most}`);
    return true;
  }

  /** Replaces it by what `change` makes of it; null when it is not there. One that waited for its last finalizer goes. */
  update<K extends Kind>(kind: K, name: string, change: (object: KubeObjects[K]) => KubeObjects[K]): KubeObjects[K] | null {
    const known = this.get(kind, name);
    if (known === null) return null;
    const changed = change(known);
    if (changed === known) return known;
    const { metadata } = changed;
    if (metadata?.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0 && isAtOnce(metadata)) {
      this.#forget(kind, name, changed);
      this.#tell({ kind, type: 'DELETED', object: this.#versioned(changed) });
      return changed;
    }
    return this.#put(kind, name, changed, 'MODIFIED');
  }

  patchMetadata<K extends Kind>(kind: K, name: string, change: Partial<Metadata>): KubeObjects[K] | null {
    return this.update(kind, name, (object) => ({ ...object, metadata: { ...object.metadata, ...change } }));
  }

  /** Asks for its removal; a grace above 0 leaves it until its kubelet has ended it. False when it is not there. */
  remove(kind: Kind, name: string, graceSeconds = 0): boolean {
    const known = this.get(kind, name);
    if (known === null) return false;
    const { deletionGracePeriodSeconds: asked = Infinity, deletionTimestamp } = known.metadata ?? {};
    if (deletionTimestamp !== undefined && graceSeconds >= asked) return true;
    this.patchMetadata(kind, name, {
      deletionTimestamp: new Date(this.#wallTime() + graceSeconds * 1000),
      deletionGracePeriodSeconds: graceSeconds,
    });
    return true;
  }

  /** Everything, for who looks past every client. */
  *all(): Generator<{ readonly kind: Kind; readonly object: KubeObject }> {
    yield* this.#objects.values();
  }

  hasUid(uid: string): boolean {
    return this.#uids.has(uid);
  }

  /** As objects have it: whole seconds. */
  now(): Date {
    return new Date(Math.floor(this.#wallTime() / 1000) * 1000);
  }

  #put<K extends Kind>(kind: K, name: string, object: KubeObjects[K], type: Change['type']): KubeObjects[K] {
    const stored = this.#versioned(object);
    this.#objects.set(`${kind}/${name}`, { kind, object: stored });
    const all = this.#byKind.get(kind) ?? new Map<string, KubeObject>();
    this.#byKind.set(kind, all.set(name, stored));
    this.#uids.add(stored.metadata?.uid ?? '');
    const job = stored.metadata?.labels?.[jobLabel];
    if (kind === 'Pod' && job !== undefined) this.#podsOfJob.set(job, (this.#podsOfJob.get(job) ?? new Set()).add(name));
    this.#tell({ kind, type, object: stored });
    return stored;
  }

  #forget(kind: Kind, name: string, { metadata }: KubeObject): void {
    this.#objects.delete(`${kind}/${name}`);
    this.#byKind.get(kind)?.delete(name);
    this.#uids.delete(metadata?.uid ?? '');
    const job = metadata?.labels?.[jobLabel];
    if (kind === 'Pod' && job !== undefined) this.#podsOfJob.get(job)?.delete(name);
  }

  #versioned<K extends Kind>(object: KubeObjects[K]): KubeObjects[K] {
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#revision) } };
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  #uid(): string {
    const hex = createHash('sha256')
      .update(String(this.#nUids++))
      .digest('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
  }

  #suffix(): string {
    return createHash('sha256').update(`name ${this.#nUids}`).digest('hex').slice(0, 5);
  }
}

/** By a quota: all but pods that are over. */
function counts(object: KubeObject): boolean {
  const phase = 'status' in object && object.status !== undefined && 'phase' in object.status ? object.status.phase : undefined;
  return phase !== 'Succeeded' && phase !== 'Failed';
}

/** A pod is removed at once when nobody has to end it any more. */
function isAtOnce({ deletionGracePeriodSeconds = 0 }: Metadata): boolean {
  return deletionGracePeriodSeconds === 0;
}

export function hasLabels(labels: Labels | undefined, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels?.[name] === value);
}

/** As the server says no. */
export function refused(why: string): HpoError {
  return new HpoError('HPO-2466', `the cluster refused: ${why}`, 'look at it');
}

function checkNames(kind: Kind, name: string, labels: Labels): void {
  const most = kind === 'Job' ? 63 : 253;
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) || name.length > most)
    throw refused(`${kind} "${name}" is invalid: metadata.name: a lowercase RFC 1123 name of at most ${most} characters`);
  for (const value of Object.values(labels)) {
    if (!/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/.test(value) || value.length > 63)
      throw refused(`${kind} "${name}" is invalid: metadata.labels: Invalid value: "${value}"`);
  }
}

/** What a container mounts has to be a volume of its pod. */
function checkMounts(kind: Kind, name: string, object: KubeObject): void {
  const template = 'spec' in object && object.spec !== undefined && 'template' in object.spec ? object.spec.template : object;
  if ((kind !== 'Job' && kind !== 'Pod') || template === undefined || !('spec' in template)) return;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of these two kinds
  const { containers = [], volumes = [] } = (template.spec ?? {}) as Partial<NonNullable<KubeObjects['Pod']['spec']>>;
  for (const { volumeMounts = [] } of containers)
    for (const mount of volumeMounts)
      if (!volumes.some((volume) => volume.name === mount.name))
        throw refused(`${kind} "${name}" is invalid: volumeMounts.name: Not found: "${mount.name}"`);
}
