import { existsSync, readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { HpoError } from '../protocol/errors.ts';
import type { KubeconfigFile } from './kubeconfig.ts';

/** Where every cluster puts it. */
const usualDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Name of the one context that a pod has. */
export const inCluster = 'in-cluster';

/** What a pod is given to speak to its cluster, as a kubeconfig would say it. The token is read anew, as it changes every hour. */
export function loadServiceAccount(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  dir: string = usualDir,
): KubeconfigFile {
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '';
  if (host === '' || port === '' || !existsSync(join(dir, 'token'))) {
    throw new HpoError(
      'HPO-2460',
      'this is no pod of a cluster, or it has no token of a service account',
      'connect a cluster by a kubeconfig: hpo cluster connect',
    );
  }
  const namespace = join(dir, 'namespace');
  return {
    dir,
    content: {
      'current-context': inCluster,
      clusters: [
        {
          name: inCluster,
          cluster: { server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`, 'certificate-authority': 'ca.crt' },
        },
      ],
      users: [{ name: inCluster, user: { tokenFile: 'token' } }],
      contexts: [
        {
          name: inCluster,
          context: {
            cluster: inCluster,
            user: inCluster,
            namespace: existsSync(namespace) ? readFileSync(namespace, 'utf8').trim() : 'default',
          },
        },
      ],
    },
  };
}
