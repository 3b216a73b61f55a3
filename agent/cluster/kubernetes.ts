import { HpoError } from '../protocol/errors.ts';
import type * as ClientModule from './client.ts';
import type { Cluster, ClusterPlace, ExecStreams, Kind, Labels, ListOptions, LogOptions, Objects, Resource } from './cluster.ts';
import { type Asked, refused } from './clusterError.ts';
import { apiVersionOf, kinds, pathOf } from './kinds.ts';
import { execInPod } from './podExec.ts';
import { readLog } from './readLog.ts';
import type { Request, Transport } from './transport.ts';
import { watchObjects } from './watchObjects.ts';

type Client = typeof ClientModule;

/** A real cluster, over its API. */
export class KubernetesCluster implements Cluster {
  readonly #client: Client;
  readonly #transport: Transport;
  /** Of groups that are not part of every cluster. */
  readonly #groups = new Map<string, { readonly version: string | null; readonly at: number }>();

  constructor(client: Client, transport: Transport) {
    this.#client = client;
    this.#transport = transport;
  }

  get place(): ClusterPlace {
    return this.#transport.place;
  }

  async version(): Promise<string> {
    const asked = { verb: 'get', resource: 'version', namespace: null };
    const { body } = await this.#transport.send({ ...asked, method: 'GET', path: '/version' });
    return String((body as { gitVersion?: unknown }).gitVersion);
  }

  async get<K extends Kind>(kind: K, name: string): Promise<Objects[K] | null> {
    const path = await this.#path(kind, name);
    if (path === null) return null;
    const { refusal, body } = await this.#transport.send({ ...this.#asked('get', kind, name), method: 'GET', path }, [404]);
    return refusal === null ? this.#read(kind, body) : null;
  }

  async list<K extends Kind>(kind: K, options: ListOptions = {}): Promise<readonly Objects[K][]> {
    return (await this.#listed(kind, options)).objects;
  }

  async create<K extends Kind>(
    kind: K,
    object: Objects[K],
  ): Promise<{ readonly result: 'created' | 'exists'; readonly object: Objects[K] }> {
    const name = object.metadata?.name ?? '';
    const request = await this.#creation(kind, object);
    for (;;) {
      const { refusal, body } = await this.#transport.send(request, [409]);
      if (refusal === null) return { result: 'created', object: this.#read(kind, body) };
      if (refusal.reason !== 'AlreadyExists') throw refused(this.place, request, refusal);
      const there = await this.get(kind, name).catch((error: unknown) => {
        // Who may make secrets need not be allowed to read them.
        if (error instanceof HpoError && error.code === 'HPO-2464') return object;
        throw error;
      });
      // One that has gone in between is made anew.
      if (there !== null) return { result: 'exists', object: there };
    }
  }

  async check<K extends Kind>(kind: K, object: Objects[K]): Promise<void> {
    const request = { ...(await this.#creation(kind, object)), query: { dryRun: 'All' } };
    const { refusal } = await this.#transport.send(request, [409]);
    if (refusal !== null && refusal.reason !== 'AlreadyExists') throw refused(this.place, request, refusal);
  }

  async patch<K extends Kind>(kind: K, name: string, patch: object): Promise<Objects[K] | null> {
    const path = await this.#path(kind, name);
    if (path === null) return null;
    const { refusal, body } = await this.#transport.send(
      {
        ...this.#asked('patch', kind, name),
        method: 'PATCH',
        path,
        body: patch,
        contentType: 'application/merge-patch+json',
      },
      [404],
    );
    return refusal === null ? this.#read(kind, body) : null;
  }

  async remove(kind: Kind, name: string, options: { readonly graceSeconds?: number } = {}): Promise<boolean> {
    const { graceSeconds } = options;
    const path = await this.#path(kind, name);
    if (path === null) return false;
    const { refusal } = await this.#transport.send(
      {
        ...this.#asked('delete', kind, name),
        method: 'DELETE',
        path,
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          propagationPolicy: 'Background',
          ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
        },
      },
      [404],
    );
    return refusal === null;
  }

  watch<K extends Kind>(
    kind: K,
    labels: Labels,
    onChange: (change: { readonly removed: boolean; readonly object: Objects[K] }) => void,
  ): Disposable {
    return watchObjects<Objects[K]>(this.#transport, {
      ...this.#asked('watch', kind),
      path: () => this.#path(kind),
      labels: selectorOf(labels),
      list: () => this.#listed(kind, { labels }),
      read: (value) => this.#read(kind, value),
      onChange,
    });
  }

  log(pod: string, options: LogOptions, onBytes: (bytes: Uint8Array) => void): Promise<void> {
    return readLog(this.#transport, pod, options, onBytes);
  }

  exec(pod: string, container: string, command: readonly string[], streams: ExecStreams): Promise<number> {
    return execInPod(this.#client, this.#transport, { pod, container, command }, streams);
  }

  async may(verb: string, { group, resource, subresource }: Resource): Promise<boolean> {
    const { namespace } = this.place;
    const { body } = await this.#transport.send({
      verb: 'create',
      resource: 'selfsubjectaccessreviews',
      namespace: null,
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { namespace, verb, group, resource, ...(subresource === undefined ? {} : { subresource }) } },
      },
    });
    return (body as { status?: { allowed?: boolean } }).status?.allowed === true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#transport[Symbol.dispose]();
    return Promise.resolve();
  }

  /** All pages as of one moment, and that moment. */
  async #listed<K extends Kind>(
    kind: K,
    { labels = {}, namespace = this.place.namespace, fields }: ListOptions,
  ): Promise<{ readonly objects: readonly Objects[K][]; readonly version: string }> {
    const asked = { verb: 'list', resource: kinds[kind].resource, namespace: kinds[kind].isNamespaced ? namespace : null };
    const query = {
      limit: String(this.#transport.limits.pageSize),
      ...(Object.keys(labels).length === 0 ? {} : { labelSelector: selectorOf(labels) }),
      ...(fields === undefined ? {} : { fieldSelector: fields }),
    };
    const version = await this.#versionOf(kind);
    if (version === null) return { objects: [], version: '' };
    const objects: Objects[K][] = [];
    let next = '';
    for (let nTries = 1; ; ) {
      const { refusal, body } = await this.#transport.send(
        {
          ...asked,
          method: 'GET',
          path: pathOf(kinds[kind], version, namespace),
          // A server keeps the moment of a list for some minutes; who is slower gets all in one page.
          query: nTries > maxLists ? without(query, 'limit') : next === '' ? query : { ...query, continue: next },
        },
        [404, 410],
      );
      if (refusal?.status === 404) return { objects: [], version: '' };
      if (refusal !== null) {
        objects.length = 0;
        next = '';
        nTries += 1;
        continue;
      }
      const { items, metadata } = body as ListBody;
      for (const item of items ?? []) objects.push(this.#read(kind, item));
      next = metadata.continue ?? '';
      if (next === '') return { objects, version: metadata.resourceVersion ?? '' };
    }
  }

  async #creation<K extends Kind>(kind: K, object: Objects[K]): Promise<Request> {
    const asked = this.#asked('create', kind, object.metadata?.name ?? '');
    const version = await this.#versionOf(kind);
    if (version === null) throw refused(this.place, asked, { status: 404, reason: '', words: `it has no ${kind}`, retryMs: 0 });
    const path = pathOf(kinds[kind], version, this.place.namespace);
    return { ...asked, method: 'POST', path, body: this.#written(kind, version, object) };
  }

  #asked(verb: string, kind: Kind, name?: string): Asked {
    const { resource, isNamespaced } = kinds[kind];
    return { verb, resource, namespace: isNamespaced ? this.place.namespace : null, ...(name === undefined ? {} : { name }) };
  }

  /** Null where the cluster knows no such kind. */
  async #path(kind: Kind, name?: string): Promise<string | null> {
    const version = await this.#versionOf(kind);
    return version === null ? null : pathOf(kinds[kind], version, this.place.namespace, name);
  }

  /** Null where the cluster knows no such kind, as it was some minutes ago at most. */
  async #versionOf(kind: Kind): Promise<string | null> {
    const { group, version } = kinds[kind];
    if (version !== null) return version;
    const known = this.#groups.get(group);
    if (known !== undefined && performance.now() - known.at < groupMs) return known.version;
    const asked = { verb: 'get', resource: group, namespace: null };
    const { refusal, body } = await this.#transport.send({ ...asked, method: 'GET', path: `/apis/${group}` }, [404]);
    const found = refusal === null ? (body as { preferredVersion: { version: string } }).preferredVersion.version : null;
    this.#groups.set(group, { version: found, at: performance.now() });
    return found;
  }

  #read<K extends Kind>(kind: K, value: unknown): Objects[K] {
    const { model } = kinds[kind];
    const { ObjectSerializer } = this.#client;
    const raw = value as { metadata?: { managedFields?: unknown } };
    // Who set which field is half of an object's size, and concerns nobody here.
    if (raw.metadata !== undefined) delete raw.metadata.managedFields;
    if (model !== null) return ObjectSerializer.deserialize(raw, model) as Objects[K];
    return { ...raw, metadata: ObjectSerializer.deserialize(raw.metadata, 'V1ObjectMeta') } as Objects[K];
  }

  #written<K extends Kind>(kind: K, version: string, object: Objects[K]): object {
    const { model } = kinds[kind];
    const body = model === null ? object : (this.#client.ObjectSerializer.serialize(object, model) as object);
    return { ...body, apiVersion: apiVersionOf(kinds[kind], version), kind };
  }
}

interface ListBody {
  readonly items?: readonly unknown[];
  readonly metadata: { readonly continue?: string; readonly resourceVersion?: string };
}

const maxLists = 3;

/** What was installed meanwhile is found after that. */
const groupMs = 5 * 60_000;

export function selectorOf(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

function without(query: Readonly<Record<string, string>>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(query).filter(([key]) => key !== name));
}
