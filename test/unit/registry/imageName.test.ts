import { describe, expect, it } from 'vitest';
import { apiHost, imageText, parseImageName } from '../../../agent/registry/imageName.ts';

const digest = `sha256:${'a'.repeat(64)}`;

const names: readonly (readonly [text: string, registry: string, repository: string, reference: string])[] = [
  ['python', 'docker.io', 'library/python', 'latest'],
  ['python:3.12-slim', 'docker.io', 'library/python', '3.12-slim'],
  ['user/image', 'docker.io', 'user/image', 'latest'],
  ['docker.io/python:3', 'docker.io', 'library/python', '3'],
  [`python@${digest}`, 'docker.io', 'library/python', digest],
  ['localhost/a:1', 'localhost', 'a', '1'],
  ['localhost:5000/a/b', 'localhost:5000', 'a/b', 'latest'],
  ['ghcr.io/a/b/c:v1.0_x', 'ghcr.io', 'a/b/c', 'v1.0_x'],
  [`registry.example.com:443/a__b/c-d.e:1@${digest}`, 'registry.example.com:443', 'a__b/c-d.e', digest],
];

const faults = [
  '',
  'A/b:c',
  'a b',
  'a:',
  'a@sha256:12',
  `a@${digest}@${digest}`,
  'host.io/',
  'a//b',
  'a:t/../../x',
  'host:99999999/a',
  'a?x=1',
];

describe('names of images', () => {
  it.each(names)('%s', (text, registry, repository, reference) => {
    const name = parseImageName(text);
    expect(name).toEqual({ registry, repository, reference });
    expect(parseImageName(imageText(name))).toEqual(name);
  });

  it.each(faults)('refuses %j', (text) => {
    expect(() => parseImageName(text)).toThrow(expect.objectContaining({ code: 'HPO-2473' }));
  });

  it('knows where the registry of Docker answers', () => {
    expect(apiHost('docker.io')).toBe('registry-1.docker.io');
    expect(apiHost('ghcr.io')).toBe('ghcr.io');
  });
});
