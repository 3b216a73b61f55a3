import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Blobs, type BlobSource, pullPush } from './blobs.ts';
import { imageText, isDigest } from './imageName.ts';
import {
  acceptedManifests,
  architecturesIn,
  chooseManifest,
  type ImageConfig,
  imageManifest,
  mediaTypes,
  type RawManifest,
  readConfig,
  readManifest,
  sha256Of,
} from './manifests.ts';
import { RegistryClient, type RegistryOptions } from './registryClient.ts';
import { noSuchImage, refused, wrongDigest } from './registryError.ts';
import type { CodeLayer, ImageManifest, ImageName, Platform, Registry, RegistryProgress, Removal } from './registry.ts';
import { readSavedImage } from './savedImage.ts';

/** Configurations and manifests that are larger are none that anybody means. */
const maxTextBytes = 8 * 1024 * 1024;
/** Layers that are on their way at once. */
const parallelLayers = 3;

/** Registries by the distribution API. Undici is loaded when the first one is asked. */
export class OciRegistry implements Registry {
  readonly #client: RegistryClient;
  readonly #blobs: Blobs;

  constructor(options: RegistryOptions) {
    this.#client = new RegistryClient(options);
    this.#blobs = new Blobs(this.#client);
  }

  async manifest(name: ImageName, platform: Platform): Promise<ImageManifest> {
    const { raw, digest, mediaType } = await this.#resolve(name, platform, undefined);
    return imageManifest(digest, raw, mediaType);
  }

  async copy(from: ImageName, to: ImageName, platform: Platform, progress: RegistryProgress): Promise<string> {
    const { raw, bytes, mediaType } = await this.#resolve(from, platform, progress.signal);
    await this.#sendLayers(from, to, raw, progress);
    const { digest, size } = raw.config;
    await this.#sendFrom(from, to, { digest, size }, progress.signal);
    return await this.#putManifest(to, bytes, mediaType, progress.signal);
  }

  async append(
    base: ImageName,
    layer: CodeLayer,
    to: ImageName,
    platform: Platform,
    progress: RegistryProgress,
  ): Promise<string> {
    const { signal } = progress;
    const { raw, mediaType, config } = await this.#readConfig(base, platform, signal);
    const { diffId, blob } = await compressed(layer);
    const changed = Buffer.from(JSON.stringify(withLayer(config, layer, diffId)));
    const newConfig = { ...raw.config, digest: sha256Of(changed), size: changed.length };
    const layerType = mediaType === mediaTypes.dockerManifest ? mediaTypes.dockerLayer : mediaTypes.layer;
    const manifest: RawManifest = {
      ...raw,
      mediaType,
      config: newConfig,
      layers: [...raw.layers, { mediaType: layerType, digest: blob.digest, size: blob.size }],
    };
    await this.#sendLayers(base, to, raw, progress);
    if ((await this.#blobs.send(to, blob, { signal })) === 'sent')
      progress.onProgress(`pushed the code to ${to.registry}/${to.repository}: ${sizeText(blob.size)}`);
    await this.#blobs.send(to, blobOf(changed), { signal });
    return await this.#putManifest(to, Buffer.from(JSON.stringify(manifest)), mediaType, signal);
  }

  async push(saved: AsyncIterable<Uint8Array>, to: ImageName, progress: RegistryProgress): Promise<string> {
    const { signal } = progress;
    await using image = await readSavedImage(saved, signal);
    const { config, layers } = image;
    await this.#each(layers, to, progress, (layer) => this.#blobs.send(to, layer, { signal }));
    const configBlob = blobOf(config);
    await this.#blobs.send(to, configBlob, { signal });
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: { mediaType: mediaTypes.config, digest: configBlob.digest, size: configBlob.size },
      layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    };
    return await this.#putManifest(to, Buffer.from(JSON.stringify(manifest)), mediaTypes.manifest, signal);
  }

  async architectures(name: ImageName): Promise<readonly string[]> {
    const { bytes } = await this.#fetchManifest(name, undefined);
    const listed = readManifest(bytes.toString()) === null ? architecturesIn(bytes.toString()) : null;
    if (listed !== null) return listed;
    const { config } = await this.#readConfig(name, undefined, undefined);
    return config.architecture === undefined ? [] : [config.architecture];
  }

  async digestOf(name: ImageName): Promise<string | null> {
    const answer = await this.#askManifest(name, 'HEAD', undefined);
    await answer.discard();
    if (answer.status === 404) return null;
    const digest = answer.header('docker-content-digest');
    if (digest !== null && isDigest(digest)) return digest;
    if (isDigest(name.reference)) return name.reference;
    return (await this.#fetchManifest(name, undefined)).digest;
  }

  async remove(name: ImageName, signal?: AbortSignal): Promise<Removal> {
    // By a tag, some registries remove the tag alone, and others what it shares with other tags.
    if (!isDigest(name.reference)) throw new RangeError(`not a digest: ${imageText(name)}`);
    const what = `removing ${imageText(name)}`;
    const answer = await this.#client.ask({
      registry: name.registry,
      method: 'DELETE',
      url: `/v2/${name.repository}/manifests/${name.reference}`,
      what,
      scopes: [`repository:${name.repository}:pull,delete`],
      statuses: [200, 202, 400, 404, 405, 501],
      signal,
    });
    const words = answer.status === 400 ? (await answer.bytes(maxTextBytes)).toString() : '';
    await answer.discard();
    if (answer.status === 404) return 'gone';
    if (answer.status < 300) return 'removed';
    if (answer.status === 400 && !/UNSUPPORTED/i.test(words))
      throw refused(name.registry, what, words.trim().slice(0, 300) || 'it answers 400');
    return 'forbidden';
  }

  async #readConfig(
    name: ImageName,
    platform: Platform | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly raw: RawManifest; readonly mediaType: string; readonly config: ImageConfig }> {
    const { raw, mediaType } = await this.#resolve(name, platform, signal);
    const config = readConfig((await this.#blobs.read(name, raw.config.digest, maxTextBytes, signal)).toString());
    if (config === null) throw refused(name.registry, `reading ${imageText(name)}`, 'its configuration is none of an image');
    return { raw, mediaType, config };
  }

  /** The manifest of one image; of an index, the platform's. */
  async #resolve(
    name: ImageName,
    platform: Platform | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly raw: RawManifest; readonly bytes: Buffer; readonly digest: string; readonly mediaType: string }> {
    let found = await this.#fetchManifest(name, signal);
    const chosen =
      platform !== undefined && readManifest(found.bytes.toString()) === null
        ? chooseManifest(found.bytes.toString(), platform)
        : null;
    if (chosen !== null && 'missing' in chosen) {
      const wanted = `${platform?.os ?? ''}/${platform?.architecture ?? ''}`;
      throw noSuchImage(`${imageText(name)} for ${wanted}: it is there for ${chosen.missing.join(', ') || 'nothing'}`);
    }
    if (chosen !== null) found = await this.#fetchManifest({ ...name, reference: chosen.digest }, signal);
    const raw = readManifest(found.bytes.toString());
    if (raw === null)
      throw refused(name.registry, `reading ${imageText(name)}`, 'it has this image in an old form only: push it anew');
    return { ...found, raw, mediaType: raw.mediaType ?? found.mediaType };
  }

  async #fetchManifest(
    name: ImageName,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly bytes: Buffer; readonly digest: string; readonly mediaType: string }> {
    const answer = await this.#askManifest(name, 'GET', signal);
    if (answer.status === 404) {
      await answer.discard();
      throw noSuchImage(imageText(name));
    }
    const bytes = await answer.bytes(maxTextBytes);
    const digest = sha256Of(bytes);
    const said = isDigest(name.reference) ? name.reference : answer.header('docker-content-digest');
    if (said !== null && isDigest(said) && said !== digest) throw wrongDigest(name.registry, imageText(name), said, digest);
    return { bytes, digest, mediaType: answer.header('content-type')?.split(';')[0]?.trim() ?? mediaTypes.manifest };
  }

  #askManifest(name: ImageName, method: 'GET' | 'HEAD', signal: AbortSignal | undefined): ReturnType<RegistryClient['ask']> {
    return this.#client.ask({
      registry: name.registry,
      method,
      url: `/v2/${name.repository}/manifests/${name.reference}`,
      what: `reading ${imageText(name)}`,
      scopes: [`repository:${name.repository}:pull`],
      headers: { accept: acceptedManifests },
      statuses: [200, 404],
      signal,
    });
  }

  /** The layers of an image, from where it is to where they are not. */
  async #sendLayers(from: ImageName, to: ImageName, { layers }: RawManifest, progress: RegistryProgress): Promise<void> {
    // What is to be had elsewhere only is no registry's to keep.
    const own = layers.filter(({ urls }) => urls === undefined || urls.length === 0);
    await this.#each(own, to, progress, (layer) => this.#sendFrom(from, to, layer, progress.signal));
  }

  async #sendFrom(
    from: ImageName,
    to: ImageName,
    { digest, size }: { readonly digest: string; readonly size: number },
    signal: AbortSignal | undefined,
  ): Promise<'there' | 'mounted' | 'sent'> {
    const isSame = from.registry === to.registry;
    if (isSame && from.repository === to.repository) return 'there';
    const mountFrom = isSame ? from.repository : undefined;
    return await this.#blobs.send(to, this.#blobs.source(from, digest, size, signal), { mountFrom, signal });
  }

  /** Some at once, and tells of each that is sent. */
  async #each<Layer extends { readonly digest: string; readonly size: number }>(
    layers: readonly Layer[],
    to: ImageName,
    { onProgress }: RegistryProgress,
    send: (layer: Layer) => Promise<string>,
  ): Promise<void> {
    let [next, there] = [0, 0];
    // Twice the same layer is sent once.
    const distinct = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
    const worker = async (): Promise<void> => {
      for (let layer = distinct[next++]; layer !== undefined; layer = distinct[next++]) {
        const how = await send(layer);
        if (how === 'sent') onProgress(`pushed a layer to ${to.registry}/${to.repository}: ${sizeText(layer.size)}`);
        else there++;
      }
    };
    await Promise.all(Array.from({ length: parallelLayers }, worker));
    if (there > 0) onProgress(`${there} of ${distinct.length} layers are there already`);
  }

  async #putManifest(to: ImageName, bytes: Buffer, mediaType: string, signal: AbortSignal | undefined): Promise<string> {
    const digest = sha256Of(bytes);
    const answer = await this.#client.ask({
      registry: to.registry,
      method: 'PUT',
      url: `/v2/${to.repository}/manifests/${to.reference}`,
      what: `pushing ${imageText(to)}`,
      scopes: [pullPush(to)],
      headers: { 'content-type': mediaType },
      body: () => bytes,
      statuses: [200, 201, 202],
      signal,
    });
    await answer.discard();
    const said = answer.header('docker-content-digest');
    if (said !== null && isDigest(said) && said !== digest) throw wrongDigest(to.registry, imageText(to), digest, said);
    return digest;
  }
}

function withLayer(config: ImageConfig, layer: CodeLayer, diffId: string): ImageConfig {
  const { rootfs, history = [] } = config;
  return {
    ...config,
    config: { ...config.config, Labels: { ...config.config?.Labels, ...layer.labels } },
    rootfs: { ...rootfs, diff_ids: [...rootfs.diff_ids, diffId] },
    // The same code on the same base gives the same image, whenever it is made.
    history: [...history, { created: config.created ?? '1970-01-01T00:00:00Z', created_by: layer.createdBy }],
  };
}

/** Made once for its digest; made again where it has to be sent. */
async function compressed({ tar }: CodeLayer): Promise<{ readonly diffId: string; readonly blob: BlobSource }> {
  const [raw, sent] = [createHash('sha256'), createHash('sha256')];
  let size = 0;
  const plain = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of tar()) {
      raw.update(chunk);
      yield chunk;
    }
  };
  for await (const chunk of gzipped(plain)) {
    sent.update(chunk);
    size += chunk.length;
  }
  const open = async function* (from: number): AsyncGenerator<Uint8Array> {
    let skip = from;
    for await (const chunk of gzipped(tar)) {
      const rest = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - rest.length;
      if (rest.length > 0) yield rest;
    }
  };
  return { diffId: `sha256:${raw.digest('hex')}`, blob: { digest: `sha256:${sent.digest('hex')}`, size, open } };
}

function gzipped(tar: () => AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  // A fault reaches the reader through the stream.
  return pipeline(tar, createGzip(), () => undefined);
}

function blobOf(bytes: Buffer): BlobSource {
  return {
    digest: sha256Of(bytes),
    size: bytes.length,
    async *open(from) {
      yield bytes.subarray(from);
    },
  };
}

function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
