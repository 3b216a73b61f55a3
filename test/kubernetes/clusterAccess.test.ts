import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Cluster } from '../../agent/cluster/cluster.ts';
import { connectCluster, readKubeconfig } from '../../agent/cluster/index.ts';
import { usualLimits } from '../../agent/cluster/transport.ts';
import { sharedCluster, TestNamespace } from '../support/cluster.ts';

let namespace: TestNamespace;
let dir = '';
/** Of the cluster's administrator. */
let admin: { readonly server: string; readonly ca: string; readonly cert: string; readonly key: string };
/** Of a service account without any role. */
let token = '';
beforeAll(async () => {
  namespace = await TestNamespace.create();
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-access-')));
  const { server, tls } = readKubeconfig([sharedCluster().kubeconfig]).access('test');
  const read = (source: typeof tls.ca): string =>
    source === null ? '' : 'path' in source ? readFileSync(source.path, 'utf8') : source.text;
  admin = { server, ca: base64(read(tls.ca)), cert: base64(read(tls.cert)), key: base64(read(tls.key)) };
  token = (await namespace.kubectl('create', 'token', 'default')).trim();
}, 60_000);
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await namespace[Symbol.asyncDispose]();
});

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

let nFiles = 0;
interface Entries {
  readonly cluster?: object;
  readonly user?: object;
}

function write({ cluster = {}, user = {} }: Entries): string {
  const path = join(dir, `config-${nFiles++}`);
  const entries = { server: admin.server, 'certificate-authority-data': admin.ca, ...cluster };
  const content = {
    clusters: [{ name: 'real', cluster: entries }],
    users: [{ name: 'me', user }],
    contexts: [{ name: 'mine', context: { cluster: 'real', user: 'me' } }],
  };
  writeFileSync(path, stringify(content), { mode: 0o600 });
  return path;
}

const certificate = () => ({ 'client-certificate-data': admin.cert, 'client-key-data': admin.key });

function open(
  entries: Entries,
  more: { environment?: Record<string, string>; confirmedCommands?: readonly string[] } = {},
): Promise<Cluster> {
  const limits = { ...usualLimits, answerMs: 5_000, callMs: 8_000 };
  return connectCluster({
    kubeconfig: [write(entries)],
    context: 'mine',
    namespace: namespace.name,
    environment: {},
    limits,
    ...more,
  });
}

/** How a look at a Job ends; the roles of nobody but the administrator allow it. */
async function outcomeOf(cluster: Cluster): Promise<string> {
  return await cluster.get('Job', 'any').then(
    (job) => (job === null ? 'allowed' : 'there'),
    (error: { readonly code: string }) => error.code,
  );
}

/** Lets connections through to where they want to go, and counts them. */
async function openProxy() {
  const targets: string[] = [];
  const server = createServer((_request, answer) => answer.writeHead(405).end());
  server.on('connect', (request, socket, head) => {
    targets.push(request.url ?? '');
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    targets,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('certificates', () => {
  const rows: readonly (readonly [string, () => Entries, string])[] = [
    ['a client certificate', () => ({ user: certificate() }), 'allowed'],
    ['no credentials', () => ({}), 'HPO-2464'],
    [
      'an authority that is not known',
      () => ({ cluster: { 'certificate-authority-data': '' }, user: certificate() }),
      'HPO-2461',
    ],
    [
      'a name that is not in the certificate',
      () => ({ cluster: { 'tls-server-name': 'other.test' }, user: certificate() }),
      'HPO-2461',
    ],
    [
      'a name that is in the certificate',
      () => ({ cluster: { 'tls-server-name': 'localhost' }, user: certificate() }),
      'allowed',
    ],
    [
      'no look at it',
      () => ({ cluster: { 'certificate-authority-data': '', 'insecure-skip-tls-verify': true }, user: certificate() }),
      'allowed',
    ],
    [
      'a certificate in a file',
      () => ({ user: { 'client-certificate': file('crt', admin.cert), 'client-key': file('key', admin.key) } }),
      'allowed',
    ],
    ['a file that is not there', () => ({ user: { 'client-certificate': 'none', 'client-key': 'none' } }), 'HPO-2463'],
    ['a server that nobody is', () => ({ cluster: { server: 'https://127.0.0.1:1' }, user: certificate() }), 'HPO-2462'],
    ['a server that has no name', () => ({ cluster: { server: 'https://none.invalid' }, user: certificate() }), 'HPO-2462'],
  ];
  it.each(rows)('%s', async (_what, entries, expected) => {
    await using cluster = await open(entries());
    expect(await outcomeOf(cluster)).toBe(expected);
  });

  function file(name: string, data: string): string {
    writeFileSync(join(dir, name), Buffer.from(data, 'base64'), { mode: 0o600 });
    return name;
  }
});

describe('tokens', () => {
  it('are shown to the server, and in no words of ours', async () => {
    await using good = await open({ user: { token } });
    // The server knows who it is, and that such a one may do nothing.
    await expect(good.get('Job', 'any')).rejects.toMatchObject({ code: 'HPO-2464' });
    await using bad = await open({ user: { token: `${token}x` } });
    const error: unknown = await bad.get('Job', 'any').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'HPO-2463', message: expect.stringContaining('have expired') });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(token);
  });

  it('of files are read again when they are refused', async () => {
    const path = join(dir, 'rotated');
    writeFileSync(path, 'old\n');
    await using cluster = await open({ user: { tokenFile: path } });
    expect(await outcomeOf(cluster)).toBe('HPO-2463');
    writeFileSync(path, `${token}\n`);
    expect(await outcomeOf(cluster)).toBe('HPO-2464');
    writeFileSync(path, 'old\n');
    // Until it is refused, or a minute has passed, the one that was read is good.
    expect(await outcomeOf(cluster)).toBe('HPO-2464');
  });
});

describe('programs that give credentials', () => {
  /** A program that writes down how it was called, and says what is in a file. */
  function program(name: string): {
    readonly exec: object;
    readonly says: (status: object) => void;
    readonly calls: () => readonly string[];
  } {
    const [script, answer, log] = ['sh', 'json', 'log'].map((kind) => join(dir, `${name}.${kind}`)) as [string, string, string];
    const lines = ['#!/bin/sh', `echo "$LOGIN $* $KUBERNETES_EXEC_INFO" >>${log}`, `cat ${answer}`];
    writeFileSync(script, lines.join('\n'), { mode: 0o755 });
    return {
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: `./${name}.sh`,
        args: ['get-token'],
        env: [{ name: 'LOGIN', value: 'dev' }],
        interactiveMode: 'IfAvailable',
        provideClusterInfo: true,
      },
      says: (status) => writeFileSync(answer, JSON.stringify({ kind: 'ExecCredential', status })),
      calls: () => readFileSync(log, 'utf8').trim().split('\n'),
    };
  }
  const hashOf = (exec: object): string => readKubeconfig([write({ user: { exec } })]).access('mine').command?.hash ?? '';

  it('are not run before they were agreed to, nor when they have changed', async () => {
    const { exec, says, calls } = program('unknown');
    says({ token });
    const refusal = { code: 'HPO-2469', message: expect.stringContaining(`LOGIN=dev ${join(dir, 'unknown.sh')} get-token`) };
    await expect(open({ user: { exec } })).rejects.toMatchObject(refusal);
    const confirmedCommands = [hashOf(exec)];
    await expect(open({ user: { exec: { ...exec, args: ['other'] } } }, { confirmedCommands })).rejects.toMatchObject({
      code: 'HPO-2469',
    });
    expect(calls).toThrow(/ENOENT/);
  });

  it('are run once for what they give, and again when that ends or is refused', async () => {
    const { exec, says, calls } = program('login');
    const confirmedCommands = [hashOf(exec)];
    says({ token });
    await using cluster = await open({ user: { exec } }, { confirmedCommands });
    expect(await Promise.all([outcomeOf(cluster), outcomeOf(cluster), outcomeOf(cluster)])).toEqual(Array(3).fill('HPO-2464'));
    expect(calls()).toHaveLength(1);
    const [, info] = /^dev get-token (.*)$/.exec(calls()[0] ?? '') ?? [];
    expect(JSON.parse(info ?? '')).toMatchObject({
      kind: 'ExecCredential',
      spec: { interactive: false, cluster: { server: admin.server, 'certificate-authority-data': admin.ca } },
    });
    says({ token: 'refused' });
    await using refused = await open({ user: { exec } }, { confirmedCommands });
    // Not again and again: it may ask somebody to log in.
    for (let n = 0; n < 3; n++) expect(await outcomeOf(refused)).toBe('HPO-2463');
    expect(calls()).toHaveLength(2);
    says({ token, expirationTimestamp: new Date(Date.now() + 1_000).toISOString() });
    await using ending = await open({ user: { exec } }, { confirmedCommands });
    for (let n = 0; n < 2; n++) {
      expect(await outcomeOf(ending)).toBe('HPO-2464');
      await sleep(1_100);
    }
    expect(calls()).toHaveLength(4);
    says({
      clientCertificateData: Buffer.from(admin.cert, 'base64').toString(),
      clientKeyData: Buffer.from(admin.key, 'base64').toString(),
    });
    await using certified = await open({ user: { exec } }, { confirmedCommands });
    expect(await outcomeOf(certified)).toBe('allowed');
  });

  it.each([
    ['fails', 'echo "token abcdefghijklmnopqrstuvwxyz012345 is over" >&2; exit 1', /\*\*\* is over$/],
    ['says something else', 'echo secret-but-no-json', /what it wrote is no ExecCredential$/],
  ])('say why they gave none: one that %s', async (_what, line, message) => {
    const path = join(dir, 'faulty.sh');
    writeFileSync(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    const exec = { command: path };
    await using cluster = await open({ user: { exec } }, { confirmedCommands: [hashOf(exec)] });
    await expect(cluster.get('Job', 'any')).rejects.toMatchObject({ code: 'HPO-2463', message: expect.stringMatching(message) });
  });

  it('that are not installed, or want a terminal, are named with what helps', async () => {
    const missing = { command: 'no-such-login', installHint: 'install no-such-login from its site' };
    await using without = await open({ user: { exec: missing } }, { confirmedCommands: [hashOf(missing)] });
    await expect(without.get('Job', 'any')).rejects.toMatchObject({ code: 'HPO-2463', next: missing.installHint });
    const asking = { command: 'sh', interactiveMode: 'Always' };
    await using silent = await open({ user: { exec: asking } }, { confirmedCommands: [hashOf(asking)] });
    await expect(silent.get('Job', 'any')).rejects.toMatchObject({
      message: expect.stringContaining('wants to ask at a terminal'),
    });
  });
});

describe('proxies', () => {
  const target = () => new URL(admin.server).host;

  it('are those of the kubeconfig', async () => {
    using proxy = await openProxy();
    await using cluster = await open({ cluster: { 'proxy-url': proxy.url }, user: certificate() });
    expect(await outcomeOf(cluster)).toBe('allowed');
    expect(await outcomeOf(cluster)).toBe('allowed');
    expect(proxy.targets).toEqual([target()]);
  });

  it('that are not there are said', async () => {
    await using cluster = await open({ cluster: { 'proxy-url': 'http://127.0.0.1:1' }, user: certificate() });
    expect(await outcomeOf(cluster)).toBe('HPO-2462');
  });
});
