import Docker from 'dockerode';
import { baseOf } from '../../agent/packaging/image/plain.ts';
import { ensureBaseImage } from './baseImages.ts';

/** The base images that the tests begin with. */
export const bases = {
  python: baseOf({ language: 'python', languageVersion: '3.11' }),
  node: baseOf({ language: 'node', languageVersion: '' }),
  r: baseOf({ language: 'r', languageVersion: '' }),
  julia: baseOf({ language: 'julia', languageVersion: '' }),
  debian: baseOf({ language: 'other', languageVersion: '' }),
  /** No recipe begins with it: the least that a pod of ours can run in. */
  busybox: 'busybox:1',
} as const;
export type Base = keyof typeof bases;

/** A client of the engine that the tests run on: the one that DOCKER_HOST names, which the project's set-up sees to. */
export function engineClient(): Docker {
  const host = process.env['DOCKER_HOST'] ?? '';
  return host.startsWith('unix://') ? new Docker({ socketPath: host.slice('unix://'.length) }) : new Docker();
}

/** To be called before tests that build on these; minutes on a machine where no registry answers, the first time. */
export async function ensureBases(...names: readonly Base[]): Promise<void> {
  for (const name of names) await ensureBaseImage(engineClient(), bases[name]);
}
