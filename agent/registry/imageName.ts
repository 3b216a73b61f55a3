import { splitImageName } from '../engine/registryHost.ts';
import { HpoError } from '../protocol/errors.ts';
import type { ImageName } from './registry.ts';

/** As people write images: `python:3.12`, `host:5000/a/b`, `ghcr.io/a/b:1@sha256:…`. Throws HPO-2473 for what names no image. */
export function parseImageName(text: string): ImageName {
  const { registry, rest } = splitImageName(text);
  const [name = '', digest] = rest.split('@', 2);
  const [, path = '', tag] = /^(.*?)(?::([^:/]*))?$/s.exec(name) ?? [];
  const isShort = registry === hub && !path.includes('/');
  const repository = isShort ? `library/${path}` : path;
  // With both, the digest says which image it is.
  const reference = digest ?? tag ?? 'latest';
  const isValid =
    repositoryPattern.test(repository) &&
    hostPattern.test(registry) &&
    (tag === undefined || tagPattern.test(tag)) &&
    (digest === undefined || isDigest(digest)) &&
    rest.split('@').length <= 2;
  if (!isValid) {
    throw new HpoError(
      'HPO-2473',
      `this is no name of an image: ${text}`,
      'write it as in docker pull: HOST/PATH:TAG or PATH@sha256:…',
      {
        exitCode: 2,
      },
    );
  }
  return { registry, repository, reference };
}

/** As pods and engines take it, always with the registry. */
export function imageText({ registry, repository, reference }: ImageName): string {
  return `${registry}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`;
}

export function isDigest(reference: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(reference);
}

/** Where Docker's own registry answers, which goes by another name. */
export function apiHost(registry: string): string {
  return registry === hub || registry === 'index.docker.io' ? 'registry-1.docker.io' : registry;
}

const hub = 'docker.io';
const hostPattern = /^(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/i;
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
