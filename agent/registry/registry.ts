/**
 * An image registry over the OCI distribution API, without a container engine. Rejects with an HpoError: HPO-2470 it cannot be
 * reached, HPO-2471 who asks may not, or is not known (names the host and where credentials were looked for), HPO-2472 there is no
 * such image, HPO-2473 it refuses something else or broke off, HPO-2474 what it sent is not what its digest says.
 */
export interface Registry {
  /** Of one image: an index is resolved to the platform's manifest. */
  manifest(name: ImageName, platform: Platform): Promise<ImageManifest>;
  /** Copies what is not there yet, layer by layer, also between registries. Returns the digest under which it is there. */
  copy(from: ImageName, to: ImageName, platform: Platform, progress: RegistryProgress): Promise<string>;
  /** An image of the base and one more layer, with its configuration changed as said. The base's layers are copied or mounted where they are missing. */
  append(base: ImageName, layer: CodeLayer, to: ImageName, platform: Platform, progress: RegistryProgress): Promise<string>;
  /** Pushes an image that an engine saved (`docker save`, both of its layouts). Layers that are there are not sent again. */
  push(saved: AsyncIterable<Uint8Array>, to: ImageName, progress: RegistryProgress): Promise<string>;
  /** For which architectures of Linux there is an image under that name: those of an index, or the one of an image. */
  architectures(name: ImageName): Promise<readonly string[]>;
  /** Null where the tag or digest is not there. */
  digestOf(name: ImageName): Promise<string | null>;
  /** Of an image by its digest, with all of its tags. `forbidden`: the registry lets nobody remove anything this way. */
  remove(name: ImageName, signal?: AbortSignal): Promise<Removal>;
}

/** What came of it; `gone`: it was not there. */
export type Removal = 'removed' | 'gone' | 'forbidden';

/** `registry` is `HOST[:PORT]`; `reference` a tag or `sha256:…`. */
export interface ImageName {
  readonly registry: string;
  readonly repository: string;
  readonly reference: string;
}

export interface Platform {
  readonly os: 'linux';
  readonly architecture: string;
}

export interface ImageManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly config: { readonly digest: string; readonly size: number };
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly mediaType: string }[];
}

/** A tar of files, made twice where it has to be: once for its digest and once for the upload; both the same, byte for byte. */
export interface CodeLayer {
  readonly tar: () => AsyncIterable<Uint8Array>;
  readonly labels: Readonly<Record<string, string>>;
  /** For `docker history`. */
  readonly createdBy: string;
}

export interface RegistryProgress {
  /** A line for people. */
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}
