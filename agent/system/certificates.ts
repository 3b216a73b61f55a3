import { readFileSync } from 'node:fs';
import tls from 'node:tls';

export type Certificates = 'bundled' | 'default' | 'system';

/** Where systems keep theirs in one file; the first that is there. */
const systemFiles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** As `tls.getCACertificates`, also before Node 22.15, which has no such function: those of the system are then those of its file. */
export function certificatesOf(
  kind: Certificates,
  { getCACertificates }: Partial<Pick<typeof tls, 'getCACertificates'>> = tls,
): readonly string[] {
  if (getCACertificates !== undefined) return getCACertificates(kind);
  if (kind === 'system') return systemFiles.map(certificatesIn).find(({ length }) => length > 0) ?? [];
  const extra = process.env['NODE_EXTRA_CA_CERTS'];
  return kind === 'bundled' || extra === undefined ? tls.rootCertificates : [...tls.rootCertificates, ...certificatesIn(extra)];
}

function certificatesIn(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  } catch {
    return [];
  }
}
