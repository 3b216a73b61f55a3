import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { type ClusterAddress, type Clusters, writeProfiles } from '../../../agent/cluster/index.ts';
import type { ClusterProfile } from '../../../agent/cluster/profile.ts';
import { clusterOf } from '../../../agent/preflight/cluster/clusterOf.ts';
import { clusterTools } from '../../../agent/preflight/cluster/clusterTools.ts';
import type { ClusterIdentity, ClusterSettings } from '../../../agent/protocol/study.ts';
import { simulatedClusterSettings } from '../../simulation/agent/clusterSettings.ts';

const dir = mkdtempSync(join(tmpdir(), 'hpo-cluster-of-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A kubeconfig whose context `test` is a cluster of that name. */
function kubeconfig(name: string): string {
  const path = join(dir, name);
  const content = {
    clusters: [{ name: 'c', cluster: { server: `https://${name}.example` } }],
    contexts: [{ name: 'test', context: { cluster: 'c' } }],
  };
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  return path;
}

const [L, G] = [kubeconfig('l'), kubeconfig('g')];
const gone = join(dir, 'gone');
const ofL: ClusterIdentity = { cluster: 'l', namespace: 'l/ml' };
const ofG: ClusterIdentity = { cluster: 'g', namespace: 'g/ml' };

const profile = (path: string, identity: ClusterIdentity, namespace = 'ml'): ClusterProfile => ({
  name: 'lab',
  kubeconfig: [path],
  context: 'test',
  namespace,
  identity,
  registry: null,
  queue: null,
  pullSecrets: [],
  checkpoints: null,
  confirmedCommands: ['c'],
  made: null,
});

const noImages = { look: () => Promise.reject(new Error('no')), make: () => Promise.reject(new Error('no')) };

/** Which files an agent of that environment reaches the cluster of a study by. */
async function filesOf(
  settings: Partial<ClusterSettings>,
  profiles: readonly ClusterProfile[],
  environment: NodeJS.ProcessEnv,
): Promise<ClusterAddress['kubeconfig']> {
  const asked: ClusterAddress[] = [];
  const clusters: Clusters = {
    get: (address) => {
      asked.push(address);
      return Promise.reject(new Error('only the address counts'));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  writeProfiles(dir, { profiles, inUse: null });
  const study = { ...simulatedClusterSettings, context: 'test', namespace: 'ml', ...settings };
  await expect(clusterOf({ home: dir, clusters, environment })(study)).rejects.toThrow('only the address counts');
  return asked[0]?.kubeconfig ?? null;
}

describe('a study goes on by the kubeconfig that it was started with, whatever the next agent was started with', () => {
  test.each<readonly [string, Partial<ClusterSettings>, readonly ClusterProfile[], readonly string[]]>([
    ['no profile', { kubeconfig: [G], identity: ofG }, [], [G]],
    ['a profile of the same context that is another cluster', { kubeconfig: [G], identity: ofG }, [profile(L, ofL)], [G]],
    ['one that nothing is known of', { kubeconfig: [G] }, [profile(L, ofL)], [G]],
    ['the profile of its files', { kubeconfig: [G], identity: ofG }, [profile(G, ofG)], [G]],
    ['a profile of the same cluster by other files', { kubeconfig: [G], identity: ofG }, [profile(L, ofG)], [L]],
    [
      'by its namespace alone',
      { kubeconfig: [G], identity: { ...ofG, cluster: null } },
      [profile(L, { ...ofG, cluster: null })],
      [L],
    ],
    ['files that are gone, as on another machine', { kubeconfig: [gone], identity: ofG }, [], [L]],
    ['files that are gone, and a profile', { kubeconfig: [gone], identity: ofG }, [profile(G, ofG)], [G]],
    ['a study of before', {}, [], [L]],
    ['a study of before, and a profile', {}, [profile(G, ofG)], [G]],
  ])('%s', async (_what, settings, profiles, files) => {
    expect(await filesOf(settings, profiles, { KUBECONFIG: L })).toEqual(files);
  });
});

it('in a cluster it is the service account of the agent', async () => {
  expect(await filesOf({ kubeconfig: [G] }, [], { KUBECONFIG: L, HPO_AGENT_CLUSTER: '1' })).toBeNull();
});

test.each([
  ['those of who asks', [G], 'https://g.example', [G]],
  ['else those of the agent', null, 'https://l.example', [L]],
])('the contexts to choose from are of the kubeconfig files: %s', (_which, wanted, server, files) => {
  writeProfiles(dir, { profiles: [], inUse: null });
  const clusters: Clusters = {
    get: () => Promise.reject(new Error('nothing is asked')),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const tools = clusterTools({ home: dir, clusters, images: noImages, homeMark: 'ab', environment: { KUBECONFIG: L } });
  const known = tools.known(join(dir, 'project'), wanted);
  expect(known).toMatchObject({ kubeconfig: files, contexts: [{ name: 'test', server }] });
});
