import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RegistryCredentials, registryCredentials } from '../../../agent/engine/registryCredentials.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hpo-docker-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function ask(host: string, config: unknown): Promise<RegistryCredentials | null> {
  writeFileSync(join(folder, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
  const helper = join(folder, 'docker-credential-test');
  const known =
    'read host; case $host in helped.example) echo \'{"Username":"u","Secret":"from helper"}\';; token.example) echo \'{"Username":"<token>","Secret":"t"}\';; *) echo "credentials not found"; exit 1;; esac';
  writeFileSync(helper, `#!/bin/sh\n${known}\n`);
  chmodSync(helper, 0o755);
  return registryCredentials(host, { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env['PATH']}` });
}

const auth = Buffer.from('me:pa:ss').toString('base64');

describe('what the user logged in with', () => {
  it.each<[string, string, unknown, RegistryCredentials | null]>([
    ['in the configuration', 'a.example', { auths: { 'a.example': { auth } } }, { username: 'me', secret: 'pa:ss' }],
    ['under an address', 'a.example', { auths: { 'https://a.example': { auth } } }, { username: 'me', secret: 'pa:ss' }],
    [
      "of Docker's own registry",
      'registry-1.docker.io',
      { auths: { 'https://index.docker.io/v1/': { auth } } },
      { username: 'me', secret: 'pa:ss' },
    ],
    ['as a token', 'a.example', { auths: { 'a.example': { identitytoken: 't' } } }, { username: '', secret: 't' }],
    [
      'from the helper of a host',
      'helped.example',
      { credHelpers: { 'helped.example': 'test' } },
      { username: 'u', secret: 'from helper' },
    ],
    ['from the helper of all', 'token.example', { credsStore: 'test' }, { username: '', secret: 't' }],
    [
      'where the helper knows nothing',
      'a.example',
      { credsStore: 'test', auths: { 'a.example': { auth } } },
      { username: 'me', secret: 'pa:ss' },
    ],
    ['where the helper is not there', 'a.example', { credsStore: 'none', auths: { 'a.example': {} } }, null],
    ['where the helper is no name', 'a.example', { credsStore: '../docker-credential-test' }, null],
    ['of another host', 'b.example', { auths: { 'a.example': { auth } } }, null],
    ['in a file that is none', 'a.example', '{', null],
    ['in a file of another shape', 'a.example', { auths: [] }, null],
  ])('%s', async (_what, host, config, expected) => expect(await ask(host, config)).toEqual(expected));
});
