import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HpoError } from '../../agent/protocol/errors.ts';
import { OciRegistry } from '../../agent/registry/ociRegistry.ts';
import { type RegistryOptions, usualRegistryLimits } from '../../agent/registry/registryClient.ts';
import type { ImageName } from '../../agent/registry/registry.ts';
import { bytesOf, codeOf, platform, quiet, registrySuite, type RegistryWorld, savedImage } from '../contract/registrySuite.ts';
import {
  type RegistryGuard,
  registryLogin,
  type Relay,
  type RelayFault,
  startRegistry,
  startRelay,
} from '../support/registry.ts';

const limits = { ...usualRegistryLimits, pause: 10, maxPause: 2_000 };

/** Docker's configuration of who has logged in, in a folder of its own. */
function loginOf(host: string, folder: string): RegistryOptions {
  const auth = Buffer.from(`${registryLogin.username}:${registryLogin.password}`).toString('base64');
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
  return { environment: { DOCKER_CONFIG: folder }, limits };
}

async function openReal(guard: RegistryGuard): Promise<RegistryWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'hpo-login-'));
  const real = await startRegistry(guard);
  return {
    host: real.host,
    registry: new OciRegistry(loginOf(real.host, folder)),
    stranger: guard === 'nobody' ? null : new OciRegistry({ environment: { DOCKER_CONFIG: join(folder, 'none') }, limits }),
    async [Symbol.asyncDispose]() {
      await real[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

for (const guard of ['nobody', 'htpasswd', 'token'] as const)
  registrySuite(`docker-registry, guarded by ${guard}`, () => openReal(guard));

interface FaultWorld extends AsyncDisposable {
  readonly relay: Relay;
  readonly registry: OciRegistry;
  readonly name: (repository: string, reference?: string) => ImageName;
}

async function openFaults(): Promise<FaultWorld> {
  const real = await startRegistry('nobody');
  const relay = await startRelay(real.host);
  return {
    relay,
    registry: new OciRegistry({ environment: { DOCKER_CONFIG: '/none' }, limits }),
    name: (repository, reference = '1') => ({ registry: relay.host, repository, reference }),
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await real[Symbol.asyncDispose]();
    },
  };
}

const sent = ({ requests }: Relay): number =>
  requests.filter(({ method, path }) => method !== 'GET' && path.includes('/blobs/')).reduce((sum, { bytes }) => sum + bytes, 0);

/** What befalls the first so many requests of a kind. */
function first(count: number, method: string, fault: RelayFault): Relay['fault'] {
  let left = count;
  return (asked) => (asked.method === method && left-- > 0 ? fault : undefined);
}

it('says so where a registry lets nobody remove images', async () => {
  await using real = await startRegistry('nobody', false);
  const registry = new OciRegistry({ environment: { DOCKER_CONFIG: '/none' }, limits });
  const name = { registry: real.host, repository: 'a', reference: '1' };
  const digest = await registry.push(bytesOf(await savedImage([10])), name, quiet);
  expect(await registry.remove({ ...name, reference: digest })).toBe('forbidden');
  expect(await registry.digestOf(name)).toBe(digest);
});

const refusals: readonly (readonly [number, string, string])[] = [
  [405, '', 'forbidden'],
  [501, '', 'forbidden'],
  [400, '{"errors":[{"code":"UNSUPPORTED","message":"no"}]}', 'forbidden'],
  [400, '{"errors":[{"code":"NAME_INVALID"}]}', 'HPO-2473'],
  [403, '', 'HPO-2471'],
  [404, '', 'gone'],
];
it.each(refusals)('takes %s %s to a removal for %s', async (status, text, outcome) => {
  await using world = await openFaults();
  const { relay, registry } = world;
  relay.fault = ({ method }) => (method === 'DELETE' ? { do: 'answer', status, text } : undefined);
  const removal = registry.remove(world.name('a', `sha256:${'a'.repeat(64)}`));
  expect(await removal.catch((error: unknown) => (error instanceof HpoError ? error.code : error))).toBe(outcome);
});

describe('what happens on the way to a registry', () => {
  it('sends no layer a second time, and of changed code its layer alone', async () => {
    await using world = await openFaults();
    const { relay, registry } = world;
    const saved = await savedImage([4_000_000, 500_000]);
    await registry.push(bytesOf(saved), world.name('a'), quiet);
    const once = sent(relay);
    expect(once).toBeGreaterThan(4_500_000);
    await registry.push(bytesOf(saved), world.name('a', '2'), quiet);
    expect(sent(relay)).toBe(once);
    await registry.append(world.name('a'), codeOf('one'), world.name('b'), platform, quiet);
    const withCode = sent(relay) - once;
    expect(withCode).toBeGreaterThan(0);
    expect(withCode).toBeLessThan(3_000);
    const mounts = relay.requests.filter(({ path }) => path.includes('mount='));
    expect(mounts).toHaveLength(2);
    await registry.append(world.name('a'), codeOf('two'), world.name('b'), platform, quiet);
    expect(sent(relay) - once - withCode).toBeLessThan(3_000);
  });

  const passing: readonly (readonly [string, string, RelayFault])[] = [
    ['an overloaded registry', 'POST', { do: 'answer', status: 503 }],
    ['one that asks for patience', 'POST', { do: 'answer', status: 429, headers: { 'retry-after': '1' } }],
    ['a manifest that is not taken at once', 'PUT', { do: 'answer', status: 500 }],
    ['an upload that the registry has forgotten', 'PATCH', { do: 'answer', status: 404 }],
    ['a gateway that breaks off', 'PATCH', { do: 'answer', status: 502 }],
    ['a cut connection at the very beginning', 'PATCH', { do: 'cut request', after: 1 }],
    ['a cut connection in the middle', 'PATCH', { do: 'cut request', after: 3_000_000 }],
    ['an answer that is lost', 'PATCH', { do: 'cut answer', after: 0 }],
    ['a question that is not answered', 'HEAD', { do: 'answer', status: 502 }],
  ];
  it.each(passing)('gets over %s', async (_, method, fault) => {
    await using world = await openFaults();
    const { relay, registry } = world;
    relay.fault = first(2, method, fault);
    const begun = performance.now();
    const digest = await registry.push(bytesOf(await savedImage([5_000_000])), world.name('a'), quiet);
    if (fault.do === 'answer' && fault.status === 429) expect(performance.now() - begun).toBeGreaterThan(2_000);
    relay.fault = () => undefined;
    expect(await registry.digestOf(world.name('a'))).toBe(digest);
    const { layers } = await registry.manifest(world.name('a'), platform);
    const { layers: copied } = await copyOf(world);
    expect(copied).toEqual(layers);
  });

  it('goes on where a cut upload was', async () => {
    await using world = await openFaults();
    const { relay, registry } = world;
    relay.fault = first(1, 'PATCH', { do: 'keep part', bytes: 6_000_000 });
    await registry.push(bytesOf(await savedImage([8_000_000])), world.name('a'), quiet);
    const patches = relay.requests.filter(({ method }) => method === 'PATCH');
    expect(patches).toHaveLength(2);
    expect(patches[1]?.headers['content-range']).toMatch(/^6000000-\d+$/);
    expect(sent(relay)).toBeLessThan(8_100_000);
  });

  it('sends smaller pieces to who takes no large ones', async () => {
    await using world = await openFaults();
    const { relay, registry } = world;
    relay.fault = ({ method, headers }) =>
      method === 'PATCH' && Number(headers['content-length']) > 10_000_000 ? { do: 'answer', status: 413 } : undefined;
    const digest = await registry.push(bytesOf(await savedImage([20_000_000])), world.name('a'), quiet);
    expect(await registry.digestOf(world.name('a'))).toBe(digest);
    const pieces = relay.requests.filter(({ method, bytes }) => method === 'PATCH' && bytes > 0 && bytes < 10_000_000);
    expect(pieces).toHaveLength(3);
  });

  it('reads on where a download was cut, and takes nothing that is not what its digest says', async () => {
    await using world = await openFaults();
    const { relay, registry } = world;
    await registry.push(bytesOf(await savedImage([6_000_000])), world.name('a'), quiet);
    const { layers } = await registry.manifest(world.name('a'), platform);
    await using other = await startRegistry('nobody');
    const to = (reference: string): ImageName => ({ registry: other.host, repository: 'x', reference });
    const ofLayer = (asked: { method: string; path: string }): boolean =>
      asked.method === 'GET' && asked.path.includes(layers[0]?.digest ?? 'none');
    relay.fault = (asked) => (ofLayer(asked) ? { do: 'spoil answer' } : undefined);
    await expect(registry.copy(world.name('a'), to('1'), platform, quiet)).rejects.toMatchObject({ code: 'HPO-2474' });
    expect(await registry.digestOf(to('1'))).toBeNull();
    let cuts = 0;
    relay.fault = (asked) => (ofLayer(asked) && cuts++ < 2 ? { do: 'cut answer', after: 2_000_000 } : undefined);
    relay.requests.length = 0;
    expect(await registry.copy(world.name('a'), to('2'), platform, quiet)).toBe(await registry.digestOf(world.name('a')));
    expect(relay.requests.filter(ofLayer).map(({ headers }) => headers.range !== undefined)).toEqual([false, true, true]);
    relay.fault = ({ path }) => (path.includes('/manifests/') ? { do: 'spoil answer' } : undefined);
    await expect(registry.manifest(world.name('a'), platform)).rejects.toMatchObject({ code: 'HPO-2474' });
  });

  it('says who refuses what for good, and does not ask again', async () => {
    await using world = await openFaults();
    const { relay, registry } = world;
    relay.fault = ({ method }) => (method === 'POST' ? { do: 'answer', status: 403 } : undefined);
    const push = registry.push(bytesOf(await savedImage([10])), world.name('a'), quiet);
    await expect(push).rejects.toMatchObject({ code: 'HPO-2471' });
    expect(relay.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
    relay.fault = ({ method }) => (method === 'POST' ? { do: 'answer', status: 405 } : undefined);
    const again = registry.push(bytesOf(await savedImage([10])), world.name('a'), quiet);
    await expect(again).rejects.toMatchObject({ code: 'HPO-2473' });
    relay.fault = ({ method }) => (method === 'HEAD' ? { do: 'answer', status: 500 } : undefined);
    await expect(registry.digestOf(world.name('a'))).rejects.toMatchObject({ code: 'HPO-2473' });
    const nowhere = new OciRegistry({ environment: {}, limits: { ...limits, tries: 2 } });
    await expect(nowhere.digestOf({ registry: 'localhost:1', repository: 'a', reference: 'b' })).rejects.toMatchObject({
      code: 'HPO-2470',
    });
  });

  it('shows nobody else who asks', async () => {
    await using real = await startRegistry('htpasswd');
    await using elsewhere = await startRegistry('nobody');
    await using relay = await startRelay(real.host);
    await using other = await startRelay(elsewhere.host);
    const folder = mkdtempSync(join(tmpdir(), 'hpo-login-'));
    try {
      const registry = new OciRegistry(loginOf(relay.host, folder));
      const name: ImageName = { registry: relay.host, repository: 'a', reference: '1' };
      const there: ImageName = { registry: other.host, repository: 'a', reference: '1' };
      const saved = await savedImage([5_000]);
      const digest = await registry.push(bytesOf(saved), name, quiet);
      expect(relay.requests.filter(({ headers }) => headers.authorization !== undefined).length).toBeGreaterThan(3);
      expect(await registry.push(bytesOf(saved), there, quiet)).toBe(digest);
      relay.fault = ({ path, headers }) =>
        path.includes('/manifests/') && headers.authorization !== undefined
          ? { do: 'answer', status: 307, headers: { location: `http://${other.host}${path}` } }
          : undefined;
      expect(await registry.digestOf(name)).toBe(digest);
      expect(other.requests.length).toBeGreaterThan(0);
      expect(other.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
      relay.fault = ({ path }) =>
        path.includes('/manifests/')
          ? { do: 'answer', status: 307, headers: { location: 'http://registry.example.com/v2/a/manifests/1' } }
          : undefined;
      await expect(registry.digestOf(name)).rejects.toThrow(/not encrypted/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('stops when it is asked to', async () => {
    await using world = await openFaults();
    const stop = new AbortController();
    world.relay.fault = ({ method }) => {
      if (method !== 'PATCH') return undefined;
      stop.abort(new Error('asked to stop'));
      return { do: 'answer', status: 503 };
    };
    const push = world.registry.push(bytesOf(await savedImage([3_000_000])), world.name('a'), { ...quiet, signal: stop.signal });
    await expect(push).rejects.toThrow('asked to stop');
    expect(world.relay.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
  });

  it('chooses the platform of an index', async () => {
    await using world = await openFaults();
    const { registry, relay } = world;
    const digest = await registry.push(bytesOf(await savedImage([randomBytes(100)])), world.name('a'), quiet);
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest,
          size: (
            await fetch(`http://${relay.host}/v2/a/manifests/1`, {
              headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
            }).then((answer) => answer.arrayBuffer())
          ).byteLength,
          platform: { os: 'linux', architecture: 'amd64' },
        },
      ],
    });
    const put = await fetch(`http://${relay.host}/v2/a/manifests/many`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: index,
    });
    expect(put.status).toBe(201);
    expect((await registry.manifest(world.name('a', 'many'), platform)).digest).toBe(digest);
    const arm = registry.manifest(world.name('a', 'many'), { os: 'linux', architecture: 'arm64' });
    await expect(arm).rejects.toThrow(/linux\/arm64: it is there for linux\/amd64/);
  });
});

async function copyOf({ registry, name }: FaultWorld): Promise<{ readonly layers: readonly unknown[] }> {
  await using other = await startRegistry('nobody');
  const to: ImageName = { registry: other.host, repository: 'copy', reference: '1' };
  await registry.copy(name('a'), to, platform, quiet);
  return await registry.manifest(to, platform);
}
