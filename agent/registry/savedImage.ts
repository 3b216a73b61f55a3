import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import tar from 'tar-stream';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';
import type { BlobSource } from './blobs.ts';
import { mediaTypes, readConfig } from './manifests.ts';

/** An image as an engine saved it, with its layers as a registry takes them, in a folder of its own until it is disposed of. */
export interface SavedImage extends AsyncDisposable {
  readonly config: Buffer;
  /** From the lowest on. */
  readonly layers: readonly SavedLayer[];
}

export interface SavedLayer extends BlobSource {
  readonly mediaType: string;
}

/** Texts of such an archive; all else in it are layers. */
const maxTextBytes = 16 * 1024 * 1024;

const indexSchema = z.tuple([z.object({ Config: z.string(), Layers: z.array(z.string()) })]);

/**
 * Reads `docker save` in both of its layouts (`<id>/layer.tar`, and the one of OCI that newer engines write), layers compressed
 * while they come: what an archive is cannot be told before its end. Layers are compressed so that the same bytes give the same
 * digest. Rejects with HPO-2474 for one that is damaged, HPO-2473 for what is no archive of one image.
 */
export async function readSavedImage(saved: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<SavedImage> {
  const folder = await mkdtemp(join(tmpdir(), 'hpo-image-'));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const { texts, blobs, links } = await unpack(saved, folder, signal);
    const named = (name: string): string => {
      const path = posix.normalize(name);
      return links.get(path) ?? path;
    };
    const index = indexSchema.safeParse(parsed(texts.get('manifest.json')));
    if (!index.success) throw notAnImage('it has no manifest.json of one image');
    const [{ Config, Layers }] = index.data;
    const config = texts.get(named(Config));
    const layers = Layers.map((name) => blobs.get(named(name)));
    if (config === undefined || layers.includes(undefined)) throw notAnImage('parts that its manifest names are missing');
    const found = layers.filter((layer) => layer !== undefined);
    const ids = readConfig(config.toString())?.rootfs.diff_ids ?? [];
    if (ids.length !== found.length) throw notAnImage(`it has ${found.length} layers, and its configuration ${ids.length}`);
    for (const [i, { diffId }] of found.entries()) {
      if (diffId === null || diffId === ids[i]) continue;
      throw new HpoError('HPO-2474', `a layer of the saved image is damaged: ${diffId} instead of ${ids[i]}`, 'try again');
    }
    return { config, layers: found, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface Parts {
  readonly texts: Map<string, Buffer>;
  readonly blobs: Map<string, SavedLayer & { readonly diffId: string | null }>;
  readonly links: Map<string, string>;
}

async function unpack(saved: AsyncIterable<Uint8Array>, folder: string, signal: AbortSignal | undefined): Promise<Parts> {
  const parts: Parts = { texts: new Map(), blobs: new Map(), links: new Map() };
  const extract = tar.extract();
  let number = 0;
  extract.on('entry', ({ name, type, linkname, size = 0 }, stream, next) => {
    const path = posix.normalize(name);
    const work = async (): Promise<void> => {
      if ((type === 'symlink' || type === 'link') && typeof linkname === 'string') {
        parts.links.set(path, posix.normalize(type === 'link' ? linkname : posix.join(posix.dirname(path), linkname)));
      } else if (type === 'file' && size <= maxTextBytes && (isTextName(path) || !path.endsWith('.tar'))) {
        const bytes = await whole(stream);
        if (bytes[0] === openBrace || bytes[0] === openBracket || isTextName(path)) parts.texts.set(path, bytes);
        else parts.blobs.set(path, await keep(Readable.from([bytes]), join(folder, String(number++))));
      } else if (type === 'file') parts.blobs.set(path, await keep(stream, join(folder, String(number++))));
      stream.resume();
    };
    const workOn = async (): Promise<void> => {
      try {
        await work();
        next();
      } catch (error) {
        // Rejects the pipeline.
        extract.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    };
    void workOn();
  });
  await pipeline(saved, extract, { signal });
  return parts;
}

const [openBrace, openBracket] = [0x7b, 0x5b];

function isTextName(path: string): boolean {
  return path.endsWith('.json') || ['VERSION', 'json', 'repositories', 'oci-layout'].includes(posix.basename(path));
}

async function whole(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Writes a layer, compressed unless it is. */
async function keep(stream: Readable, path: string): Promise<SavedLayer & { readonly diffId: string | null }> {
  const [raw, sent] = [createHash('sha256'), createHash('sha256')];
  let [first, size]: [Buffer, number] = [Buffer.of(), 0];
  const iterator: AsyncIterator<Buffer> = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const held: Buffer[] = [];
  while (first.length < magicBytes) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    held.push(value);
    first = Buffer.concat(held);
  }
  const kind = kindOf(first);
  const bytes = async function* (): AsyncGenerator<Buffer> {
    raw.update(first);
    yield first;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      raw.update(next.value);
      yield next.value;
    }
  };
  const counted = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      sent.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  if (kind === null) await pipeline(bytes, createGzip(), counted, createWriteStream(path));
  else await pipeline(bytes, counted, createWriteStream(path));
  return {
    digest: `sha256:${sent.digest('hex')}`,
    size,
    mediaType: kind ?? mediaTypes.layer,
    diffId: kind === null ? `sha256:${raw.digest('hex')}` : null,
    open: (from) => createReadStream(path, { start: from }),
  };
}

const magicBytes = 4;

/** Media type of a layer that is compressed; null for a plain tar. */
function kindOf(first: Buffer): string | null {
  if (first[0] === 0x1f && first[1] === 0x8b) return mediaTypes.layer;
  return first.subarray(0, magicBytes).equals(Buffer.of(0x28, 0xb5, 0x2f, 0xfd)) ? mediaTypes.zstdLayer : null;
}

function notAnImage(why: string): HpoError {
  return new HpoError(
    'HPO-2473',
    `what the engine saved is no image that can be pushed: ${why}`,
    'build the image anew: hpo image SCRIPT --rebuild',
  );
}

function parsed(text: Buffer | undefined): unknown {
  try {
    return JSON.parse(text?.toString() ?? 'null');
  } catch {
    return null;
  }
}
