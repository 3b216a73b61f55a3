// Keys, certificates and kubeconfigs of a test cluster, for a month.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const days = '30';
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** In a folder that is there. Of `NAME`, `NAME.key` and `NAME.crt`. */
export class Certificates {
  #folder;

  constructor(folder) {
    this.#folder = folder;
    if (existsSync(this.path('ca.crt'))) return;
    openssl([
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      this.path('ca.key'),
      '-out',
      this.path('ca.crt'),
      '-subj',
      '/CN=hpo-test-ca',
      '-days',
      days,
    ]);
    openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', this.path('accounts.key')]);
    openssl(['ec', '-in', this.path('accounts.key'), '-pubout', '-out', this.path('accounts.pub')]);
  }

  path(file) {
    return join(this.#folder, file);
  }

  /** `subject` as in `/O=system:masters/CN=admin`; `names` as in `IP:127.0.0.1`. */
  sign(name, subject, names = []) {
    const extensions = [
      'extendedKeyUsage=clientAuth,serverAuth',
      ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : []),
    ];
    writeFileSync(this.path(`${name}.ext`), `${extensions.join('\n')}\n`);
    openssl(['req', ...newKey, '-keyout', this.path(`${name}.key`), '-out', this.path(`${name}.csr`), '-subj', subject]);
    const ca = ['-CA', this.path('ca.crt'), '-CAkey', this.path('ca.key'), '-CAcreateserial'];
    const files = ['-in', this.path(`${name}.csr`), '-out', this.path(`${name}.crt`), '-extfile', this.path(`${name}.ext`)];
    openssl(['x509', '-req', ...files, ...ca, '-days', days]);
  }

  /** Of who was signed as `name`; with everything in it, so that it can be copied. */
  kubeconfig(name, server) {
    const data = (file) => readFileSync(this.path(file)).toString('base64');
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': data('ca.crt') } }],
      users: [{ name, user: { 'client-certificate-data': data(`${name}.crt`), 'client-key-data': data(`${name}.key`) } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: name } }],
    });
  }
}

function openssl(args) {
  const { status, stderr, error } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${error?.message ?? stderr}`);
}
