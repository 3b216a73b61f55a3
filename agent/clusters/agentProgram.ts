import { createHash } from 'node:crypto';
import { brotliCompressSync, constants } from 'node:zlib';
import type { V1ConfigMap } from '@kubernetes/client-node';
import type { Labels } from '../cluster/cluster.ts';
import { HpoError } from '../protocol/errors.ts';

export interface ProgramFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** A ConfigMap may have 1 MiB in all. */
const partBytes = 900_000;
const maxParts = 10;
/** The best but one: most of what the best saves, in a tenth of its time. */
const quality = 9;

/**
 * Our programs as ConfigMaps, so that an agent in the cluster needs no image but Node's own: no registry, no login, no build. Named by
 * their content: those of another version lie beside them until the pod has changed.
 */
export function programObjects(
  agent: string,
  files: readonly ProgramFile[],
  labels: Labels,
): { readonly hash: string; readonly objects: readonly (V1ConfigMap & { readonly metadata: { readonly name: string } })[] } {
  const plain = Buffer.concat(
    files.flatMap(({ name, content }) => [Buffer.from(`${JSON.stringify({ name, bytes: content.length })}\n`), content]),
  );
  const hash = createHash('sha256').update(plain).digest('hex').slice(0, 12);
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
  const packed = brotliCompressSync(plain, { params });
  const nParts = Math.ceil(packed.length / partBytes);
  if (nParts > maxParts)
    throw new HpoError(
      'HPO-2512',
      `the programs have ${packed.length} bytes, too many for ConfigMaps`,
      'build them with --production',
    );
  const objects = Array.from({ length: nParts }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${agent}-program-${hash}-${i}`, labels: { ...labels, ...programLabel(agent) } },
    immutable: true,
    binaryData: { part: packed.subarray(i * partBytes, (i + 1) * partBytes).toString('base64') },
  }));
  return { hash, objects };
}

/** On the ConfigMaps of an agent's programs. */
export function programLabel(agent: string): Labels {
  return { 'hpo.agent-program': agent };
}
