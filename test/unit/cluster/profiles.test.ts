import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  chosenProfile,
  clusterOnDemand,
  type ClusterProfiles,
  profilesPath,
  readKubeconfig,
  readProfiles,
  withoutProfile,
  withProfile,
  writeProfiles,
} from '../../../agent/cluster/index.ts';
import type { ClusterProfile } from '../../../agent/cluster/profile.ts';

function openHome() {
  const dir = mkdtempSync(join(tmpdir(), 'hpo-home-'));
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

const profile = (name: string, more: Partial<ClusterProfile> = {}): ClusterProfile => ({
  name,
  kubeconfig: ['/home/ada/.kube/config'],
  context: name,
  namespace: 'ml',
  registry: { push: 'localhost:5000/hpo', pull: 'registry:5000/hpo', isPlain: true },
  queue: null,
  pullSecrets: ['pull'],
  checkpoints: 'pvc://scratch',
  confirmedCommands: ['ab'],
  made: {
    by: 'kind',
    tool: { name, region: null, project: null, group: null },
    objects: [{ kind: 'Role', name: 'hpo', uid: '1' }],
  },
  ...more,
});
const none: ClusterProfiles = { profiles: [], inUse: null };

it('keeps profiles, and nobody else can read them', () => {
  using home = openHome();
  expect(readProfiles(join(home.dir, 'none'))).toEqual(none);
  const profiles = {
    profiles: [profile('a'), profile('b', { kubeconfig: null, registry: null, made: null, usualCpus: 0.5 })],
    inUse: 'b',
  };
  writeProfiles(home.dir, none);
  writeProfiles(home.dir, profiles);
  expect(readProfiles(home.dir)).toEqual(profiles);
  expect(statSync(profilesPath(home.dir)).mode & 0o777).toBe(0o600);
  expect(readdirSync(home.dir)).toEqual(['clusters.json']);
});

it.each([
  ['half of it', '{"version":1,"profi', /is damaged or cannot be read/],
  ['nothing', '', /is damaged/],
  ['another form', '{"version":1,"inUse":null,"profiles":[{"name":"a"}]}', /is damaged/],
  ['a later version', '{"version":2,"all":"new"}', /later version/],
])('says so where it finds %s, and leaves it', (_what, text, message) => {
  using home = openHome();
  writeFileSync(profilesPath(home.dir), text);
  expect(() => readProfiles(home.dir)).toThrow(
    expect.objectContaining({ code: 'HPO-2460', message: expect.stringMatching(message) }),
  );
  expect(readFileSync(profilesPath(home.dir), 'utf8')).toBe(text);
});

it('uses the first one, another where that is said, and the last that stays', () => {
  const one = withProfile(none, profile('a'), false);
  expect(one).toMatchObject({ inUse: 'a' });
  const two = withProfile(one, profile('b'), false);
  expect(two).toMatchObject({ inUse: 'a', profiles: [{ name: 'a' }, { name: 'b' }] });
  expect(withProfile(two, profile('b', { namespace: 'other' }), true)).toMatchObject({
    inUse: 'b',
    profiles: [{ name: 'a' }, { name: 'b', namespace: 'other' }],
  });
  expect(withoutProfile(two, 'a')).toMatchObject({ inUse: 'b', profiles: [{ name: 'b' }] });
  const three = withProfile(two, profile('c'), false);
  expect(withoutProfile(three, 'a').inUse).toBeNull();
  expect(withoutProfile(three, 'c').inUse).toBe('a');
  expect(withoutProfile(one, 'a')).toEqual(none);
});

it('chooses by name, else the one in use, and says what there is', () => {
  const two = withProfile(withProfile(none, profile('a'), true), profile('b'), false);
  expect(chosenProfile(two, null).name).toBe('a');
  expect(chosenProfile(two, 'b').name).toBe('b');
  const fault = (message: RegExp) =>
    expect.objectContaining({ code: 'HPO-2461', exitCode: 4, message: expect.stringMatching(message) });
  expect(() => chosenProfile(two, 'c')).toThrow(fault(/no cluster of the name c/));
  expect(() => chosenProfile({ ...two, inUse: null }, null)).toThrow(fault(/none of the connected clusters is in use/));
  expect(() => chosenProfile(none, null)).toThrow(fault(/no cluster is connected/));
});

it('connects one cluster for each place, and tries anew where that failed', async () => {
  using home = openHome();
  await using clusters = clusterOnDemand();
  const path = join(home.dir, 'config');
  const address = { kubeconfig: [path], context: 'a', namespace: 'ml', confirmedCommands: [] };
  await expect(clusters.get(address)).rejects.toMatchObject({ code: 'HPO-2460' });
  const content = {
    clusters: [{ name: 'a', cluster: { server: 'https://127.0.0.1:1' } }],
    users: [{ name: 'a', user: {} }],
    contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
  };
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  const [first, second, other] = await Promise.all([
    clusters.get(address),
    clusters.get({ ...address }),
    clusters.get({ ...address, namespace: 'other' }),
  ]);
  expect(second).toBe(first);
  expect(other).not.toBe(first);
  expect(first.place).toEqual({ context: 'a', namespace: 'ml', server: 'https://127.0.0.1:1' });
  // An agent that has ended has nobody who would close a connection that is made late.
  await clusters[Symbol.asyncDispose]();
  await expect(clusters.get(address)).rejects.toMatchObject({ code: 'HPO-5002' });
});

it('connects none whose kubeconfig names a program that nobody has agreed to', async () => {
  using home = openHome();
  await using clusters = clusterOnDemand();
  const path = join(home.dir, 'config');
  const content = {
    clusters: [{ name: 'a', cluster: { server: 'https://127.0.0.1:1' } }],
    users: [{ name: 'a', user: { exec: { command: 'login', args: ['--for', 'me'] } } }],
    contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
  };
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  const address = { kubeconfig: [path], context: 'a', namespace: 'ml', confirmedCommands: ['another'] };
  await expect(clusters.get(address)).rejects.toMatchObject({
    code: 'HPO-2469',
    message: expect.stringContaining('login --for me'),
  });
  const hash = readKubeconfig([path]).access('a').command?.hash ?? '';
  expect((await clusters.get({ ...address, confirmedCommands: [hash] })).place.context).toBe('a');
});
