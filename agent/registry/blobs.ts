import { createHash, type Hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HpoError } from '../protocol/errors.ts';
import { type Answer, isPassingFault, PassingFault, type RegistryClient } from './registryClient.ts';
import { noSuchImage, refused, wrongDigest } from './registryError.ts';

/** Where blobs are. */
export interface Repository {
  readonly registry: string;
  readonly repository: string;
}

/** A blob to be sent; its bytes can be had again from any offset. */
export interface BlobSource {
  readonly digest: string;
  readonly size: number;
  open(from: number): AsyncIterable<Uint8Array>;
}

/** Up to here a blob is sent in one request. */
const monolithicBytes = 1024 * 1024;
/** Of a registry, or what stands before it, that takes no larger request. */
const smallChunkBytes = 8 * 1024 * 1024;

/** Reading and sending blobs; what is cut off goes on where it was. */
export class Blobs {
  readonly #client: RegistryClient;

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  async has(at: Repository, digest: string, signal: AbortSignal | undefined): Promise<boolean> {
    const answer = await this.#client.ask({
      registry: at.registry,
      method: 'HEAD',
      url: `/v2/${at.repository}/blobs/${digest}`,
      what: `whether ${at.repository} has ${digest}`,
      scopes: [pullPush(at)],
      statuses: [200, 404],
      signal,
    });
    await answer.discard();
    return answer.status === 200;
  }

  /** A small one, whole. */
  async read(at: Repository, digest: string, most: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.stream(at, { digest, size: null }, 0, createHash('sha256'), signal)) {
      size += chunk.length;
      if (size > most) throw refused(at.registry, `reading ${digest}`, `it is larger than ${most} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** One of another repository, to be sent: what comes is compared with its digest. */
  source(at: Repository, digest: string, size: number, signal: AbortSignal | undefined): BlobSource {
    const hash = createHash('sha256');
    let hashed = 0;
    const stream = (from: number): AsyncIterable<Uint8Array> => this.stream(at, { digest, size }, from, null, signal);
    return {
      digest,
      size,
      async *open(from) {
        let offset = from;
        for await (const chunk of stream(from)) {
          // What is sent again was looked at before.
          const seen = Math.max(0, hashed - offset);
          if (seen < chunk.length) {
            hash.update(chunk.subarray(seen));
            hashed = offset + chunk.length;
          }
          offset += chunk.length;
          if (hashed === size && offset === size) {
            const found = `sha256:${hash.copy().digest('hex')}`;
            if (found !== digest) throw wrongDigest(at.registry, `a layer of ${at.repository}`, digest, found);
          }
          yield chunk;
        }
      },
    };
  }

  /** The bytes from an offset on, over cut connections; with a hash, compared with the digest at the end. */
  async *stream(
    at: Repository,
    { digest, size }: { readonly digest: string; readonly size: number | null },
    from: number,
    hash: Hash | null,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    let offset = from;
    for (let cuts = 0; ; ) {
      const answer: Answer = await this.#client.ask({
        registry: at.registry,
        method: 'GET',
        url: `/v2/${at.repository}/blobs/${digest}`,
        what: `reading ${digest} of ${at.repository}`,
        scopes: [`repository:${at.repository}:pull`],
        headers: offset > 0 ? { range: `bytes=${offset}-` } : {},
        statuses: [200, 206, 404],
        signal,
      });
      if (answer.status === 404) {
        await answer.discard();
        throw noSuchImage(`${at.registry}/${at.repository}: its part ${digest} is not there`);
      }
      // Who knows no ranges sends all of it.
      let skip = answer.status === 200 ? offset : 0;
      try {
        for await (const chunk of answer.stream()) {
          const rest = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - rest.length;
          if (rest.length === 0) continue;
          offset += rest.length;
          hash?.update(rest);
          yield rest;
        }
        if (size !== null && offset !== size) throw refused(at.registry, `reading ${digest}`, `${offset} of ${size} bytes came`);
        break;
      } catch (error) {
        signal?.throwIfAborted();
        if (!isPassingFault(error) || ++cuts >= this.#client.limits.tries) {
          if (error instanceof HpoError) throw error;
          throw refused(at.registry, `reading ${digest}`, String(error), error);
        }
        await sleep(this.#client.limits.pause, undefined, { signal });
      }
    }
    const found = hash === null ? digest : `sha256:${hash.digest('hex')}`;
    if (found !== digest) throw wrongDigest(at.registry, `a part of ${at.repository}`, digest, found);
  }

  /** Sends a blob unless it is there, or can be mounted from another repository of the same registry. */
  async send(
    at: Repository,
    blob: BlobSource,
    options: { readonly mountFrom?: string | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<'there' | 'mounted' | 'sent'> {
    const { signal, mountFrom } = options;
    if (await this.has(at, blob.digest, signal)) return 'there';
    let begun = await this.#begin(at, mountFrom === undefined ? null : { digest: blob.digest, from: mountFrom }, signal);
    if (begun === null) return 'mounted';
    let offset = 0;
    let chunkBytes = blob.size <= monolithicBytes ? 0 : Number.POSITIVE_INFINITY;
    for (let cuts = 0; ; ) {
      try {
        while (chunkBytes > 0 && offset < blob.size) {
          const end = Math.min(blob.size, offset + Math.max(chunkBytes, begun.minChunkBytes));
          const chunk = await this.#patch(at, blob, begun, offset, end, signal);
          if (chunk === 'too large' && chunkBytes === Number.POSITIVE_INFINITY) {
            chunkBytes = smallChunkBytes;
            begun = (await this.#begin(at, null, signal)) as Upload;
            offset = 0;
            continue;
          }
          if (chunk === 'too large') throw refused(at.registry, `sending ${blob.digest}`, 'it takes no request of that size');
          ({ offset, begun } = { offset: chunk.offset, begun: { ...begun, location: chunk.location } });
        }
        await this.#finish(at, blob, begun, offset, signal);
        return 'sent';
      } catch (error) {
        signal?.throwIfAborted();
        if (!isPassingFault(error) || ++cuts >= this.#client.limits.tries) throw error;
        await sleep(this.#client.limits.pause * 2 ** cuts, undefined, { signal });
        // The last answer may have been lost with all of it there.
        if (await this.has(at, blob.digest, signal)) return 'sent';
        const there: { readonly offset: number; readonly location: string } | null =
          chunkBytes > 0 ? await this.#progress(at, begun, signal) : null;
        if (there === null) begun = (await this.#begin(at, null, signal)) as Upload;
        else begun = { ...begun, location: there.location };
        offset = there?.offset ?? 0;
      }
    }
  }

  /** Null where the blob is mounted. */
  async #begin(
    at: Repository,
    mount: { readonly digest: string; readonly from: string } | null,
    signal: AbortSignal | undefined,
  ): Promise<Upload | null> {
    const query = mount === null ? '' : `?mount=${mount.digest}&from=${encodeURIComponent(mount.from)}`;
    const answer = await this.#client.ask({
      registry: at.registry,
      method: 'POST',
      url: `/v2/${at.repository}/blobs/uploads/${query}`,
      what: `pushing to ${at.repository}`,
      scopes: [pullPush(at), ...(mount === null ? [] : [`repository:${mount.from}:pull`])],
      headers: { 'content-length': '0' },
      statuses: [201, 202],
      signal,
    });
    await answer.discard();
    if (mount !== null && answer.status === 201) return null;
    const location = answer.header('location');
    if (location === null) throw refused(at.registry, `pushing to ${at.repository}`, 'it says no place to send to');
    return {
      location: new URL(location, answer.url).href,
      minChunkBytes: Number(answer.header('oci-chunk-min-length') ?? 0) || 0,
    };
  }

  /** Sends the bytes up to `end`; returns how far the registry has them. */
  async #patch(
    at: Repository,
    blob: BlobSource,
    { location }: Upload,
    offset: number,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly offset: number; readonly location: string } | 'too large'> {
    const isWhole = offset === 0 && end === blob.size;
    const answer = await this.#client.ask({
      registry: at.registry,
      method: 'PATCH',
      url: location,
      what: `sending ${blob.digest} to ${at.repository}`,
      scopes: [pullPush(at)],
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(end - offset),
        ...(isWhole ? {} : { 'content-range': `${offset}-${end - 1}` }),
      },
      body: () => upTo(blob.open(offset), end - offset),
      statuses: [202, 204, 404, 413, 416],
      tries: 1,
      signal,
    });
    await answer.discard();
    // It knows nothing of the upload, or has another part of it than it said.
    if (answer.status === 404 || answer.status === 416) {
      const words = `it answers ${answer.status}`;
      throw refused(at.registry, `sending ${blob.digest}`, words, new PassingFault(words));
    }
    if (answer.status === 413) return 'too large';
    return { location: nextLocation(answer, location), offset: end };
  }

  async #finish(
    at: Repository,
    blob: BlobSource,
    { location }: Upload,
    offset: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const url = new URL(location);
    url.searchParams.set('digest', blob.digest);
    const rest = blob.size - offset;
    const answer = await this.#client.ask({
      registry: at.registry,
      method: 'PUT',
      url: url.href,
      what: `ending the upload of ${blob.digest} to ${at.repository}`,
      scopes: [pullPush(at)],
      headers: { 'content-length': String(rest), ...(rest > 0 ? { 'content-type': 'application/octet-stream' } : {}) },
      ...(rest > 0 ? { body: () => blob.open(offset) } : {}),
      statuses: [201, 202, 204],
      tries: 1,
      signal,
    });
    await answer.discard();
  }

  /** How far an upload is; null where the registry knows nothing of it any more. */
  async #progress(
    at: Repository,
    { location }: Upload,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly offset: number; readonly location: string } | null> {
    const answer = await this.#client.ask({
      registry: at.registry,
      method: 'GET',
      url: location,
      what: `how much of an upload ${at.repository} has`,
      scopes: [pullPush(at)],
      statuses: [200, 202, 204, 400, 404, 405, 416],
      signal,
    });
    await answer.discard();
    const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(answer.header('range') ?? '') ?? [];
    if (answer.status >= 400 || last === undefined) return null;
    // `0-0` is also said of nothing.
    return { offset: last === '0' ? 0 : Number(last) + 1, location: nextLocation(answer, location) };
  }
}

interface Upload {
  readonly location: string;
  readonly minChunkBytes: number;
}

export function pullPush({ repository }: Repository): string {
  return `repository:${repository}:pull,push`;
}

function nextLocation(answer: Answer, location: string): string {
  const next = answer.header('location');
  return next === null ? location : new URL(next, answer.url).href;
}

async function* upTo(bytes: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let left = most;
  for await (const chunk of bytes) {
    const part = chunk.subarray(0, Math.min(left, chunk.length));
    left -= part.length;
    yield part;
    if (left === 0) return;
  }
}
