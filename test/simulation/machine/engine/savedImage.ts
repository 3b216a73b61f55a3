import { createHash } from 'node:crypto';
import type { ImageInfo } from '../../../../agent/engine/engine.ts';

const blockBytes = 512;

/** What `docker save` writes of an image, with one layer that holds its id. */
export function savedImage({ id, labels, environment, names }: ImageInfo): Uint8Array {
  const layer = archive({ 'etc/hpo-image': id });
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    config: { Labels: labels, Env: environment },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
    history: [{ created_by: 'simulated' }],
  });
  const manifest = JSON.stringify([{ Config: 'config.json', RepoTags: names, Layers: ['one/layer.tar'] }]);
  return archive({ 'one/layer.tar': layer, 'config.json': config, 'manifest.json': manifest });
}

/** The `ustar` format; written here, as the simulation waits for no stream. */
function archive(files: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  const parts: Buffer[] = [];
  for (const [name, content] of Object.entries(files)) {
    const bytes = Buffer.from(content);
    const header = Buffer.alloc(blockBytes);
    header.write(name, 0);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        0', 148);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, bytes, Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}
