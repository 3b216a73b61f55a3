import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  createServer,
  request,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createPrivateKey, createSign, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Who may push and pull where that is asked for. */
export const registryLogin = { username: 'tester', password: 'right password' } as const;
/** Of that password, by bcrypt. */
const passwordLine = 'tester:$2b$04$SEgNrgUX681hB6Jg/FFeIOGN1BdhoZPAKHwClXIk2/gU/gpAhVgNa\n';

/** A registry of Debian's docker-registry, on this machine's loopback interface, with nothing in it. */
export interface TestRegistry extends AsyncDisposable {
  /** `localhost:PORT` */
  readonly host: string;
}

export type RegistryGuard = 'nobody' | 'htpasswd' | 'token';

/** `deletes`: whether images can be removed, which its makers leave off. */
export async function startRegistry(guard: RegistryGuard, deletes = true): Promise<TestRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'hpo-registry-'));
  const port = await freePort();
  const tokens = guard === 'token' ? await startTokenServer(folder) : null;
  writeFileSync(join(folder, 'htpasswd'), passwordLine);
  const auth = {
    nobody: {},
    htpasswd: { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } },
    token: {
      auth: {
        token: { realm: tokens?.realm, service: tokenService, issuer: tokenIssuer, rootcertbundle: join(folder, 'token.crt') },
      },
    },
  }[guard];
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: deletes } },
    http: { addr: `127.0.0.1:${port}`, relativeurls: true },
    ...auth,
  };
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'] });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const ended = once(child, 'exit');
  for (let n = 0; ; n++) {
    const answer = await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => null);
    if (answer !== null) break;
    if (child.exitCode !== null || n > 600) throw new Error(`docker-registry does not answer: ${Buffer.concat(said).toString()}`);
    await sleep(50);
  }
  return {
    host: `localhost:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
      tokens?.server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const tokenService = 'test-registry';
const tokenIssuer = 'test-issuer';

/** Gives tokens as the distribution project describes it: to whom it knows, what is asked for; to others nothing. */
async function startTokenServer(folder: string): Promise<{ readonly server: Server; readonly realm: string }> {
  const [keyPath, certificatePath] = [join(folder, 'token.key'), join(folder, 'token.crt')];
  const subject = ['-subj', '/CN=test-issuer', '-days', '2'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyPath, '-out', certificatePath, ...subject],
    {
      stdio: 'ignore',
    },
  );
  const key = createPrivateKey(readFileSync(keyPath));
  const certificate = readFileSync(certificatePath, 'utf8').replaceAll(/-----[A-Z ]+-----|\s/g, '');
  const wanted = `Basic ${Buffer.from(`${registryLogin.username}:${registryLogin.password}`).toString('base64')}`;
  const { server, port } = await serve((asked, answer) => {
    const url = new URL(asked.url ?? '', 'http://localhost');
    if (asked.headers.authorization !== wanted || url.searchParams.get('service') !== tokenService) {
      answer.writeHead(401).end();
      return;
    }
    const access = url.searchParams.getAll('scope').map((scope) => {
      const [type = '', name = '', actions = ''] = scope.split(':');
      return { type, name, actions: actions.split(',') };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: tokenIssuer,
      sub: registryLogin.username,
      aud: tokenService,
      nbf: now - 5,
      exp: now + 300,
      jti: randomUUID(),
      access,
    };
    const text = [{ typ: 'JWT', alg: 'RS256', x5c: [certificate] }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const token = `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`;
    answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token, expires_in: 300 }));
  });
  return { server, realm: `http://localhost:${port}/token` };
}

/** What was sent through a relay, by method and path. */
export interface RelayedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Bytes of its body that were passed on. */
  bytes: number;
}

/** What befalls a request on its way; undefined: nothing. */
export type RelayFault =
  | {
      readonly do: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly text?: string;
    }
  /** The connection breaks once so many bytes of its body have been passed on. */
  | { readonly do: 'cut request'; readonly after: number }
  /** The connection breaks once so many bytes of the answer have been passed on. */
  | { readonly do: 'cut answer'; readonly after: number }
  | { readonly do: 'spoil answer' }
  /** So many bytes arrive, and the connection breaks; the registry remembers them, as docker-registry does not by itself. */
  | { readonly do: 'keep part'; readonly bytes: number };

/** Stands between a client and a registry, counts, and does what the fault says. */
export interface Relay extends AsyncDisposable {
  readonly host: string;
  readonly requests: RelayedRequest[];
  fault: (asked: RelayedRequest) => RelayFault | undefined;
}

export async function startRelay(registry: string): Promise<Relay> {
  const requests: RelayedRequest[] = [];
  /** Of uploads of which a part was kept, by their path: what the registry says of them. */
  const kept = new Map<string, OutgoingHttpHeaders>();
  const relay = { fault: (): RelayFault | undefined => undefined } as Pick<Relay, 'fault'>;
  const { server, port } = await serve((asked, answer) => {
    const entry: RelayedRequest = { method: asked.method ?? '', path: asked.url ?? '', headers: asked.headers, bytes: 0 };
    requests.push(entry);
    const fault = relay.fault(entry);
    if (fault?.do === 'answer') {
      asked.resume();
      answer.writeHead(fault.status, fault.headers).end(fault.text);
      return;
    }
    const upload = entry.path.split('?')[0] ?? '';
    const known = entry.method === 'GET' ? kept.get(upload) : undefined;
    if (known !== undefined) {
      answer.writeHead(204, known).end();
      return;
    }
    if (fault?.do === 'keep part') {
      void keepPart(registry, asked, fault.bytes).then((headers) => {
        entry.bytes = fault.bytes;
        kept.set(upload, headers);
        asked.socket.destroy();
      });
      return;
    }
    const { hostname, port: target } = new URL(`http://${registry}`);
    const options = {
      hostname: hostname === 'localhost' ? '127.0.0.1' : hostname,
      port: target,
      method: asked.method,
      path: asked.url,
      headers: asked.headers,
    };
    const further = request(options, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      let passed = 0;
      got.on('data', (chunk: Buffer) => {
        passed += chunk.length;
        if (fault?.do === 'spoil answer') chunk[0] = (chunk[0] ?? 0) ^ 1;
        answer.write(chunk);
        if (fault?.do === 'cut answer' && passed >= fault.after) answer.destroy();
      });
      got.on('end', () => answer.end());
    });
    further.on('error', () => answer.destroy());
    asked.on('data', (chunk: Buffer) => {
      entry.bytes += chunk.length;
      further.write(chunk);
      // What was passed on arrives all the same.
      if (fault?.do === 'cut request' && entry.bytes >= fault.after) {
        asked.pause();
        setTimeout(() => {
          asked.socket.destroy();
          further.destroy();
        }, 50);
      }
    });
    asked.on('end', () => further.end());
  });
  return Object.assign(relay, {
    host: `localhost:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}

async function keepPart(registry: string, asked: IncomingMessage, bytes: number): Promise<OutgoingHttpHeaders> {
  const chunks: Buffer[] = [];
  let size = 0;
  await new Promise<void>((resolve) => {
    asked.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= bytes) resolve(void asked.pause());
    });
  });
  const body = Buffer.concat(chunks).subarray(0, bytes);
  const answer = await fetch(`http://${registry}${asked.url ?? ''}`, { method: 'PATCH', body });
  return { location: answer.headers.get('location') ?? '', range: answer.headers.get('range') ?? '' };
}

async function serve(
  listener: (asked: IncomingMessage, answer: ServerResponse) => void,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

async function freePort(): Promise<number> {
  const { server, port } = await serve(() => undefined);
  server.close();
  await once(server, 'close');
  return port;
}
