import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { ImageManifest, Platform } from './registry.ts';

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstdLayer: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

/** What is asked for: registries turn a manifest into an older form for who does not name the newer ones. */
export const acceptedManifests = [mediaTypes.manifest, mediaTypes.index, mediaTypes.dockerManifest, mediaTypes.dockerIndex].join(
  ', ',
);

const descriptorSchema = z.object({
  mediaType: z.optional(z.string()),
  digest: z.string(),
  size: z.number(),
  urls: z.optional(z.array(z.string())),
});
const manifestSchema = z.looseObject({
  mediaType: z.optional(z.string()),
  config: z.looseObject({ ...descriptorSchema.shape }),
  layers: z.array(z.looseObject({ ...descriptorSchema.shape })),
});
export type RawManifest = z.infer<typeof manifestSchema>;

const indexSchema = z.object({
  manifests: z.array(
    z.object({
      digest: z.string(),
      mediaType: z.optional(z.string()),
      platform: z.optional(z.object({ os: z.string(), architecture: z.string(), variant: z.optional(z.string()) })),
    }),
  ),
});

/** Configuration of an image, with all that it says. */
export const configSchema = z.looseObject({
  os: z.optional(z.string()),
  architecture: z.optional(z.string()),
  created: z.optional(z.string()),
  config: z.optional(z.nullable(z.looseObject({ Labels: z.optional(z.nullable(z.record(z.string(), z.string()))) }))),
  rootfs: z.looseObject({ type: z.string(), diff_ids: z.array(z.string()) }),
  history: z.optional(z.array(z.looseObject({}))),
});
export type ImageConfig = z.infer<typeof configSchema>;

/** A manifest of one image; null for what is none, such as an index or the first schema. */
export function readManifest(text: string): RawManifest | null {
  const parsed = manifestSchema.safeParse(json(text));
  return parsed.success ? parsed.data : null;
}

/** The digest for the platform; `missing` with those that there are; null for what is no index. */
export function chooseManifest(
  text: string,
  { os, architecture }: Platform,
): { readonly digest: string } | { readonly missing: readonly string[] } | null {
  const parsed = indexSchema.safeParse(json(text));
  if (!parsed.success) return null;
  const { manifests } = parsed.data;
  const found = manifests.find(({ platform }) => platform?.os === os && platform.architecture === architecture);
  if (found !== undefined) return { digest: found.digest };
  // Attestations stand there as images of an unknown platform.
  return {
    missing: manifests.flatMap(({ platform }) =>
      platform === undefined || platform.os === 'unknown' ? [] : [`${platform.os}/${platform.architecture}`],
    ),
  };
}

/** Architectures of the index's images for Linux; null for what is no index. */
export function architecturesIn(text: string): readonly string[] | null {
  const parsed = indexSchema.safeParse(json(text));
  if (!parsed.success) return null;
  const found = parsed.data.manifests.flatMap(({ platform }) => (platform?.os === 'linux' ? [platform.architecture] : []));
  return [...new Set(found)];
}

export function readConfig(text: string): ImageConfig | null {
  const parsed = configSchema.safeParse(json(text));
  return parsed.success ? parsed.data : null;
}

export function imageManifest(digest: string, raw: RawManifest, mediaType: string): ImageManifest {
  return {
    digest,
    mediaType: raw.mediaType ?? mediaType,
    config: { digest: raw.config.digest, size: raw.config.size },
    layers: raw.layers.map((layer) => ({
      digest: layer.digest,
      size: layer.size,
      mediaType: layer.mediaType ?? mediaTypes.layer,
    })),
  };
}

export function sha256Of(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
