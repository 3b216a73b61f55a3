import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSilent, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { resolveEndpoint } from '../../../agent/engine/endpoint.ts';
import { connectEngine, engineOnDemand } from '../../../agent/engine/index.ts';
import type { EndpointOptions } from '../../../agent/engine/endpoint.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** A user without anything of Docker's. */
function newUser(): { readonly dir: string; readonly options: EndpointOptions } {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-user-')));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return {
    dir,
    options: { host: null, environment: { XDG_RUNTIME_DIR: join(dir, 'run') }, homeDir: dir, platform: 'linux', systemDir: dir },
  };
}

function writeContext(dir: string, name: string, host: string): void {
  const id = createHash('sha256').update(name).digest('hex');
  const folder = join(dir, '.docker', 'contexts', 'meta', id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'meta.json'), JSON.stringify({ Name: name, Metadata: {}, Endpoints: { docker: { Host: host } } }));
}

function listen(server: Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new Promise((resolve) => server.listen(path, resolve));
}

const ping: RequestListener = (request, response) => {
  response.writeHead(request.url === '/_ping' ? 200 : 500, { 'content-type': 'application/json' });
  response.end(request.url === '/_ping' ? 'OK' : '{"message":"the words of the engine"}');
};

describe('where the engine is looked for', () => {
  const hosts: { name: string; host?: string; environment?: Record<string, string>; expected: string }[] = [
    {
      name: 'a setting before all',
      host: 'unix:///a.sock',
      environment: { DOCKER_HOST: 'unix:///b.sock' },
      expected: 'unix:///a.sock the setting',
    },
    { name: 'a path alone', host: '/a.sock', expected: 'unix:///a.sock the setting' },
    {
      name: 'DOCKER_HOST before a context',
      environment: { DOCKER_HOST: 'unix:///b.sock', DOCKER_CONTEXT: 'c' },
      expected: 'unix:///b.sock DOCKER_HOST',
    },
    { name: 'a host and port', environment: { DOCKER_HOST: '127.0.0.1:2375' }, expected: 'tcp://127.0.0.1:2375 DOCKER_HOST' },
    { name: 'DOCKER_CONTEXT before the chosen one', environment: { DOCKER_CONTEXT: 'c' }, expected: 'unix:///c.sock context c' },
    { name: 'the chosen context', expected: 'tcp://d:2376 context d ü' },
  ];
  it.each(hosts)('$name', ({ host, environment, expected }) => {
    const { dir, options } = newUser();
    writeContext(dir, 'c', 'unix:///c.sock');
    writeContext(dir, 'd ü', 'tcp://d:2376');
    writeFileSync(join(dir, '.docker', 'config.json'), '{"currentContext":"d ü"}');
    const found = resolveEndpoint({ ...options, host: host ?? null, environment: { ...options.environment, ...environment } });
    expect(found.map(({ url, origin }) => `${url} ${origin}`)).toEqual([expected]);
  });

  it('the usual places, where nothing is chosen: Docker, its desktop, without root, Podman', () => {
    const { dir, options } = newUser();
    for (const config of [null, '{}', 'no JSON', '{"currentContext":"default"}']) {
      mkdirSync(join(dir, '.docker'), { recursive: true });
      if (config !== null) writeFileSync(join(dir, '.docker', 'config.json'), config);
      expect(resolveEndpoint(options).map(({ url }) => url.replace(dir, '~'))).toEqual([
        'unix://~/var/run/docker.sock',
        'unix://~/.docker/run/docker.sock',
        'unix://~/.docker/desktop/docker.sock',
        'unix://~/run/docker.sock',
        'unix://~/run/podman/podman.sock',
        'unix://~/run/podman/podman.sock',
      ]);
    }
    expect(resolveEndpoint({ ...options, platform: 'win32' })[0]?.url).toBe('npipe:////./pipe/docker_engine');
  });

  it('certificates, where they are asked for or a context has them', () => {
    const { dir, options } = newUser();
    const certificates = join(dir, 'certificates');
    mkdirSync(certificates);
    for (const name of ['ca', 'cert', 'key']) writeFileSync(join(certificates, `${name}.pem`), name);
    const environment = { DOCKER_HOST: 'tcp://far:2376', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: certificates };
    expect(resolveEndpoint({ ...options, environment })[0]?.tls).toEqual({ ca: 'ca', cert: 'cert', key: 'key' });
    expect(resolveEndpoint({ ...options, environment: { DOCKER_HOST: 'tcp://near:2375' } })[0]?.tls).toBeNull();
  });

  const refused = ['ssh://user@host', 'fd://3', 'tcp://'];
  it.each(refused)('not %s', (host) => {
    const { options } = newUser();
    expect(() => resolveEndpoint({ ...options, host })).toThrow(expect.objectContaining({ code: 'HPO-2409' }) as Error);
  });

  it('not a context that is not there', () => {
    const { options } = newUser();
    const environment = { ...options.environment, DOCKER_CONTEXT: 'gone' };
    expect(() => resolveEndpoint({ ...options, environment })).toThrow(
      expect.objectContaining({ code: 'HPO-2409', message: expect.stringContaining('context gone') as string }) as Error,
    );
  });
});

describe('an engine that cannot be used says why, what to do, and that there is another way', () => {
  const limits = { look: 300, change: 300 };

  it('none is installed; installed and not running', async () => {
    const { dir, options } = newUser();
    const environment = { ...options.environment, PATH: join(dir, 'bin') };
    await expect(connectEngine({ ...options, environment, limits })).rejects.toMatchObject({
      code: 'HPO-2401',
      next: expect.stringMatching(/install Docker .* or run locally: --on local/) as string,
    });
    mkdirSync(join(dir, 'bin'));
    writeFileSync(join(dir, 'bin', 'docker'), '');
    await expect(connectEngine({ ...options, environment, limits })).rejects.toMatchObject({
      code: 'HPO-2402',
      next: 'start it: sudo systemctl start docker, or run locally: --on local',
    });
  });

  it('the first that answers, of those that are there', async () => {
    const { dir, options } = newUser();
    await listen(createSilent(), join(dir, 'var', 'run', 'docker.sock'));
    const silent = connectEngine({ ...options, limits });
    await expect(silent).rejects.toMatchObject({ code: 'HPO-2404' });
    await listen(createServer(ping), join(dir, 'run', 'podman', 'podman.sock'));
    await using engine = await connectEngine({ ...options, limits });
    await expect(engine.listContainers({})).rejects.toMatchObject({ code: 'HPO-2405' });
  });

  it('a socket that nobody listens on', async () => {
    const { dir, options } = newUser();
    const path = join(dir, 'run', 'docker.sock');
    const server = createSilent();
    await listen(server, path);
    // The file of a socket stays where its owner is killed.
    writeFileSync(join(dir, 'keep'), '');
    await new Promise((resolve) => server.close(resolve));
    await expect(connectEngine({ ...options, host: `unix://${path}`, limits })).rejects.toMatchObject({
      code: 'HPO-2402',
      message: expect.stringContaining(`unix://${path} (the setting)`) as string,
      next: 'start the engine that listens there, or correct the setting, or run locally: --on local',
    });
  });

  it('a socket that this user may not use', async () => {
    const { dir, options } = newUser();
    const path = join(dir, 'docker.sock');
    await listen(createServer(ping), path);
    chmodSync(dir, 0o755);
    chmodSync(path, 0o000);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.('nobody');
    try {
      await expect(connectEngine({ ...options, host: `unix://${path}`, limits })).rejects.toMatchObject({
        code: 'HPO-2403',
        next: expect.stringMatching(/group docker .* or run locally: --on local/) as string,
      });
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  it('an engine that takes the question and never answers', async () => {
    const { dir, options } = newUser();
    const path = join(dir, 'docker.sock');
    await listen(createSilent(), path);
    const asked = performance.now();
    await expect(connectEngine({ ...options, host: `unix://${path}`, limits })).rejects.toMatchObject({
      code: 'HPO-2404',
      next: expect.stringContaining('--on local') as string,
    });
    expect(performance.now() - asked).toBeLessThan(3_000);
  });

  it('an engine that hangs, breaks off or refuses later on', async () => {
    const { dir, options } = newUser();
    const path = join(dir, 'docker.sock');
    let answer = ping;
    await listen(
      createServer((request, response) => answer(request, response)),
      path,
    );
    await using engine = await connectEngine({ ...options, host: path, limits });
    await expect(engine.listContainers({})).rejects.toMatchObject({
      code: 'HPO-2405',
      message: expect.stringContaining('the words of the engine') as string,
    });
    answer = () => undefined;
    const hung = [engine.info(), engine.inspectContainer('a'), engine.removeContainer('a'), engine.inspectImage('a')];
    for (const call of hung) await expect(call).rejects.toMatchObject({ code: 'HPO-2404' });
    answer = (_request, response) => response.destroy();
    await expect(engine.inspectContainer('a')).rejects.toMatchObject({ code: 'HPO-2404' });
  });

  it('is tried again by the next who asks, and kept from then on', async () => {
    const { dir, options } = newUser();
    const path = join(dir, 'docker.sock');
    const engine = engineOnDemand(() => ({ ...options, host: path, limits }));
    await expect(engine()).rejects.toMatchObject({ code: 'HPO-2402' });
    await listen(createServer(ping), path);
    expect(await engine()).toBe(await engine());
  });
});
