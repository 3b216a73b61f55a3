import type { CheckpointStore } from './study.ts';

/** The words in which annotations, settings and options speak of what a cluster has. */

/** Whether it can be the name of an object of Kubernetes (DNS-1123 subdomain). */
export function isObjectName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/.test(text);
}

const gpuResources: Readonly<Record<string, string>> = {
  nvidia: 'nvidia.com/gpu',
  amd: 'amd.com/gpu',
  intel: 'gpu.intel.com/i915',
};

/** The resource of a vendor's GPUs, or the resource itself (`nvidia.com/mig-1g.5gb`); null for neither. */
export function gpuResourceOf(text: string): string | null {
  if (Object.hasOwn(gpuResources, text)) return gpuResources[text] ?? null;
  const [domain, name, ...more] = text.split('/');
  if (domain === undefined || name === undefined || more.length > 0 || !isObjectName(domain)) return null;
  return /^[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$/.test(name) ? text : null;
}

/** A folder of a volume claim of the namespace. */
export interface VolumeFolder {
  readonly claim: string;
  /** Without a slash at its beginning and end; empty for all of the volume. */
  readonly path: string;
}

export function isVolume(text: string): boolean {
  return text.startsWith('pvc:');
}

/** `pvc://CLAIM/PATH`; else what is wrong, in words behind "needs". */
export function parseVolume(text: string): VolumeFolder | string {
  const [, claim = '', path = ''] = /^pvc:\/\/([^/]*)(?:\/(.*))?$/s.exec(text) ?? [];
  if (!isObjectName(claim)) return 'a volume claim and a path in it, such as pvc://datasets/images';
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return 'a path that stays in its volume, without ..';
  return { claim, path: parts.join('/') };
}

const storeExample = 'pvc://CLAIM/PATH or s3://BUCKET/PREFIX?secret=NAME';

/**
 * `pvc://CLAIM/PATH`, or `s3://BUCKET/PREFIX?secret=NAME&region=REGION&endpoint=URL&image=NAME`, where only the secret has to be said; else
 * what is wrong, in words behind "needs".
 */
export function parseStore(text: string): CheckpointStore | string {
  if (isVolume(text)) {
    const volume = parseVolume(text);
    return typeof volume === 'string' ? volume : { type: 'volume', ...volume };
  }
  const [, bucket = '', path = '', query = ''] = /^s3:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return storeExample;
  const words = new Map<string, string>();
  for (const word of query.split('&').filter((part) => part !== '')) {
    const [, key = '', value = ''] = /^(secret|region|endpoint|image)=(\S+)$/.exec(word) ?? [];
    if (key === '') return `secret=, region=, endpoint= and image= behind the question mark, and nothing like ${word}`;
    words.set(key, value);
  }
  const secret = words.get('secret') ?? '';
  if (!isObjectName(secret))
    return 'the name of a Secret of the namespace with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as in s3://BUCKET/PREFIX?secret=NAME';
  const endpoint = words.get('endpoint') ?? null;
  if (endpoint !== null && !/^https?:\/\/[^\s/?#@]+$/.test(endpoint)) return 'an endpoint such as https://minio.example.com:9000';
  const prefix = path
    .split('/')
    .filter((part) => part !== '')
    .join('/');
  const [region, image] = [words.get('region') ?? 'us-east-1', words.get('image') ?? null];
  return { type: 's3', bucket, prefix, region, endpoint, secret, image };
}
