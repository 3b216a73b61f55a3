import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { certificatesOf } from '../../../agent/system/certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'hpo-certificates-'));
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it('are those that Node names', () => {
  expect(certificatesOf('system', { getCACertificates: (kind) => [String(kind)] })).toEqual(['system']);
});

it('are those of files where Node names none', () => {
  const block = (text: string): string => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`;
  const path = join(folder, 'extra.pem');
  writeFileSync(path, `# one\n${block('AAAA')}\n# another\n${block('BBBB')}\n`);
  vi.stubEnv('NODE_EXTRA_CA_CERTS', path);
  expect(certificatesOf('bundled', {})).toEqual(rootCertificates);
  expect(certificatesOf('default', {})).toEqual([...rootCertificates, block('AAAA'), block('BBBB')]);
  vi.stubEnv('NODE_EXTRA_CA_CERTS', join(folder, 'none'));
  expect(certificatesOf('default', {})).toEqual(rootCertificates);
  for (const one of certificatesOf('system', {})) expect(one).toMatch(/^-----BEGIN CERTIFICATE-----\n/);
});
