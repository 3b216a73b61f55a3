import { describe, expect, it } from 'vitest';
import { type Challenge, parseChallenge } from '../../../agent/registry/challenge.ts';
import { isLoopback, retryAfterMs } from '../../../agent/registry/registryClient.ts';

const bearer = (realm: string, service: string | null = null, scope: string | null = null): Challenge => ({
  scheme: 'bearer',
  realm,
  service,
  scope,
});

const headers: readonly (readonly [header: string, challenge: Challenge | null])[] = [
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    bearer('https://auth.docker.io/token', 'registry.docker.io', 'repository:a/b:pull,push'),
  ],
  ['bearer  realm = "https://a/t" , service=x', bearer('https://a/t', 'x')],
  ['Bearer realm="https://a/t",service="say \\"x\\", y"', bearer('https://a/t', 'say "x", y')],
  ['Basic realm="Registry Realm"', { scheme: 'basic' }],
  ['Basic', { scheme: 'basic' }],
  ['Basic realm="x", Bearer realm="https://a/t"', bearer('https://a/t')],
  ['Negotiate, Basic realm="x"', { scheme: 'basic' }],
  ['Bearer realm="no address"', null],
  ['Bearer', null],
  ['Digest realm="x"', null],
  ['', null],
];

describe('what registries want to see of who asks', () => {
  it.each(headers)('%s', (header, challenge) => {
    expect(parseChallenge(header)).toEqual(challenge);
  });

  it.each([
    [null, 0],
    ['3', 3_000],
    ['Thu, 01 Jan 1970 00:00:09 GMT', 4_000],
    ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
    ['soon', 0],
  ])('waits after %s', (header, ms) => {
    expect(retryAfterMs(header, 5_000)).toBe(ms);
  });

  it.each([
    ['localhost', true],
    ['localhost:5000', true],
    ['127.0.0.1:5000', true],
    ['127.9.9.9', true],
    ['[::1]:5000', true],
    ['localhost.example.com', false],
    ['127.0.0.1.example.com', false],
    ['10.0.0.1:5000', false],
  ])('whether %s is of this machine', (host, isOwn) => {
    expect(isLoopback(host)).toBe(isOwn);
  });
});
