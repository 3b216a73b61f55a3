// The image that holds the namespaces of pods, made of its one program.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pack } from 'tar-stream';

export const pauseImage = 'docker.io/hpo-test/pause:1';

/** As `docker save` writes one. */
export function pauseArchive(program) {
  const layer = tar([['pause', readFileSync(program), 0o755]]);
  const config = JSON.stringify({
    architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch],
    os: 'linux',
    config: { Entrypoint: ['/pause'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
  });
  const manifest = JSON.stringify([{ Config: 'config.json', RepoTags: [pauseImage], Layers: ['layer.tar'] }]);
  return tar([
    ['config.json', config],
    ['layer.tar', layer],
    ['manifest.json', manifest],
  ]);
}

function tar(files) {
  const archive = pack();
  for (const [name, content, mode] of files) archive.entry({ name, mode: mode ?? 0o644, mtime: new Date(0) }, content);
  archive.finalize();
  const chunks = [];
  for (let chunk = archive.read(); chunk !== null; chunk = archive.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
