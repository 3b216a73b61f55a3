import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { HpoError } from '../protocol/errors.ts';
import { ask } from './ask.ts';
import { DockerEngine, type EngineLimits, openClient, usualLimits } from './docker.ts';
import { type Endpoint, type EndpointOptions, resolveEndpoint, socketOf } from './endpoint.ts';
import type { Engine } from './engine.ts';
import { byNearness, engineError, isNotRunning, noEngine, notRunning } from './engineError.ts';
import { limited } from './limited.ts';

export interface ConnectOptions extends EndpointOptions {
  readonly limits?: EngineLimits;
}

/** One that does not answer such a question in this time is as good as stuck. */
const helloMs = 5_000;

/** The engine that answers, see `resolveEndpoint`. Rejects with HPO-2401 to HPO-2404 or HPO-2409, see `engine.ts`. */
export async function connectEngine(options: ConnectOptions): Promise<Engine> {
  const endpoints = resolveEndpoint(options);
  const faults: HpoError[] = [];
  for (const endpoint of endpoints) {
    const path = socketOf(endpoint);
    // Of many places most are empty; one that was named is asked in any case.
    if (endpoint.kind !== 'named' && path !== null && path.startsWith('/') && !existsSync(path)) continue;
    try {
      return await connect(endpoint, options.limits ?? usualLimits);
    } catch (error) {
      faults.push(engineError(error, endpoint, 'whether it is there'));
    }
  }
  const [fault] = faults.toSorted(byNearness);
  const { environment, platform = process.platform } = options;
  // A pipe cannot be looked for without asking, so there a fault of that kind says nothing yet.
  if (fault !== undefined && (platform !== 'win32' || !isNotRunning(fault) || endpoints.length === 1)) throw fault;
  throw isInstalled(environment, platform) ? notRunning(null, platform) : noEngine();
}

/**
 * The engine, connected when it is first needed and from then on kept. Where connecting failed, the next caller tries anew.
 */
export function engineOnDemand(options: () => ConnectOptions): () => Promise<Engine> {
  let engine: Promise<Engine> | null = null;
  return () => {
    if (engine === null) {
      const connecting = connectEngine(options());
      connecting.catch(() => (engine = null));
      engine = connecting;
    }
    return engine;
  };
}

async function connect(endpoint: Endpoint, limits: EngineLimits): Promise<Engine> {
  const client = await openClient(endpoint);
  await limited(Math.min(helloMs, limits.look), (signal) => ask(client, '/_ping', signal));
  return new DockerEngine(client, endpoint, limits);
}

function isInstalled(environment: EndpointOptions['environment'], platform: NodeJS.Platform): boolean {
  const folders = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const programs = platform === 'win32' ? ['docker.exe', 'podman.exe'] : ['docker', 'dockerd', 'podman'];
  return (
    folders.some((folder) => programs.some((program) => existsSync(join(folder, program)))) ||
    (platform === 'darwin' && existsSync('/Applications/Docker.app'))
  );
}
