// What Kueue needs in a cluster where it runs beside the API server instead of in a pod: the same resources and webhooks, called by URL.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** Of what the tests have: the webhooks of other kinds would be in the way of clusters without those. */
const groups = ['batch', 'kueue.x-k8s.io'];

/** Whose versions differ in more than their name. */
const converted = ['clusterqueues', 'cohorts', 'localqueues', 'multikueueclusters', 'workloads'];

/** As a list for kubectl. `definitions` is the folder that `installKueue` names; `ca` the certificate that signed that of `url`. */
export function kueueObjects(definitions, url, ca) {
  const caBundle = readFileSync(ca).toString('base64');
  const client = (path) => ({ url: `${url}${path}`, caBundle });
  const items = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kueue-system' } }];
  for (const file of readdirSync(definitions))
    for (const object of parseAllDocuments(readFileSync(join(definitions, file), 'utf8')).map((one) => one.toJS())) {
      if (object === null) continue;
      if (object.kind === 'CustomResourceDefinition') {
        if (converted.includes(object.spec.names.plural))
          object.spec.conversion = {
            strategy: 'Webhook',
            webhook: { clientConfig: client('/convert'), conversionReviewVersions: ['v1'] },
          };
      } else {
        object.metadata.name = `kueue-${object.metadata.name}`;
        object.webhooks = object.webhooks
          .filter(({ rules }) => rules.every(({ apiGroups }) => apiGroups.every((group) => groups.includes(group))))
          .map((webhook) => ({ ...webhook, clientConfig: client(webhook.clientConfig.service.path) }));
      }
      items.push(object);
    }
  return { apiVersion: 'v1', kind: 'List', items };
}

export function kueueConfig({ port, healthPort, certificates }) {
  return {
    apiVersion: 'config.kueue.x-k8s.io/v1beta2',
    kind: 'Configuration',
    health: { healthProbeBindAddress: `127.0.0.1:${healthPort}` },
    metrics: { bindAddress: '0' },
    webhook: { host: '127.0.0.1', port, certDir: certificates },
    leaderElection: { leaderElect: false },
    internalCertManagement: { enable: false },
    integrations: { frameworks: ['batch/job'] },
  };
}
