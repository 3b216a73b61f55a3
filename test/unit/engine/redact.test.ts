import { describe, expect, it } from 'vitest';
import { redactor } from '../../../agent/engine/redact.ts';

const pem = '-----BEGIN CERTIFICATE-----\nMIIBcert\n-----END CERTIFICATE-----\n';

describe('lines of a build are shown without', () => {
  it.each<[string, string, string, string]>([
    [
      'a password in an address',
      'index-url = https://me:p%40ss1@host/x',
      'GET https://host/x p@ss1 p%40ss1',
      'GET https://host/x *** ***',
    ],
    ['a user and password as a whole', 'https://me:pass1@host/x', 'me:pass1', '***'],
    ['a token', '//npm.example/:_authToken=abcdef', 'token abcdef is wrong', 'token *** is wrong'],
    ['a password of .netrc', 'machine a login b password hunter22', 'tried hunter22', 'tried ***'],
    ['a variable', "export NPM_TOKEN='abcdef'", 'abcdef', '***'],
    ['a secret that is one line', 'just-a-secret\n', 'x just-a-secret y', 'x *** y'],
    ['a login that is in no secret', '', 'from git+https://u:p@host/x.git', 'from git+https://***@host/x.git'],
  ])('%s', (_what, secret, line, shown) => expect(redactor({ a: Buffer.from(secret) })(line)).toBe(shown));

  it.each<[string, string, string]>([
    ['addresses', 'index-url = https://index.example/simple\n', 'Looking in https://index.example/simple'],
    ['an address that is the whole of a secret', 'https://index.example/simple', 'Looking in https://index.example/simple'],
    ['certificates', pem, 'MIIBcert'],
    ['words that are too short to be one', 'password ab', 'crab'],
  ])('and with %s', (_what, secret, line) => expect(redactor({ a: Buffer.from(secret) })(line)).toBe(line));
});
