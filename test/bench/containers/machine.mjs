import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { startEngine } from '../../../.ci/dockerEngine.mjs';
import { MissingPrecondition } from '../../../.ci/systemPackages.mjs';
import { ensureBaseImage } from '../../support/baseImages.ts';

const execute = promisify(execFile);

/** What measures here run on: an engine that has the base image, by which DOCKER_HOST is set for all that is started. Null where there can be none, after the reason was said. */
export async function openEngine(base) {
  let engine;
  try {
    engine = await startEngine((step) => console.error(`· ${step}`));
  } catch (error) {
    if (!(error instanceof MissingPrecondition)) throw error;
    console.error(`Nothing was measured: ${error.message}.`);
    return null;
  }
  process.env.DOCKER_HOST = engine.host;
  const docker = new Docker({ socketPath: engine.host.replace(/^unix:\/\//, '') });
  await ensureBaseImage(docker, base, (step) => console.error(`· ${step}`));
  const { ServerVersion, Driver, CgroupVersion } = await docker.info();
  return {
    docker,
    isOwn: engine.isOwn,
    about: `Docker ${ServerVersion}, ${Driver}, control groups ${CgroupVersion}`,
    client: await clientVersion(),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

async function clientVersion() {
  const { stdout } = await execute('docker', ['version', '--format', '{{.Client.Version}}']);
  return stdout.trim();
}

/** What an image is, to tell whether anything of it was made anew. */
export async function imageFacts(docker, name) {
  const { Id, Created, RootFS } = await docker.getImage(name).inspect();
  return JSON.stringify({ Id, Created, layers: RootFS.Layers });
}
