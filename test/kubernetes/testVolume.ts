import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestNamespace } from '../support/cluster.ts';

/** A volume, in a folder of this machine, where the nodes run, and a claim to it in the namespace. */
export async function testVolume(
  namespace: TestNamespace,
  claim: string,
): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'hpo-volume-'));
  // No one who runs in a pod is its owner.
  chmodSync(folder, 0o777);
  const name = `${namespace.name}-${claim}`;
  const size = { storage: '1Gi' };
  const shared = { accessModes: ['ReadWriteMany'], storageClassName: '' };
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: { ...shared, capacity: size, hostPath: { path: folder }, claimRef: { namespace: namespace.name, name: claim } },
  };
  const request = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: claim },
    spec: { ...shared, resources: { requests: size }, volumeName: name },
  };
  const manifest = `${folder}.json`;
  writeFileSync(manifest, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [volume, request] }));
  await namespace.kubectl('apply', '--filename', manifest);
  await rm(manifest);
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await namespace.kubectl('delete', 'persistentvolume', name, '--wait=false');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
