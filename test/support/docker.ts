import Docker from 'dockerode';
import { ensureBaseImage } from './baseImages.ts';

/** The base images that recipes use where nothing else is asked for; in the tests each environment asks for one of these. */
export const bases = {
  python: 'python:3.11-slim-bookworm',
  node: 'node:24-bookworm-slim',
  r: 'r-base:4.2.2',
  julia: 'julia:1.5-bullseye',
  debian: 'debian:bookworm-slim',
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
