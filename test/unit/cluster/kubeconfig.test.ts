import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { describeCommand } from '../../../agent/cluster/index.ts';
import { type Access, type KubeCommand, readKubeconfig } from '../../../agent/cluster/kubeconfig.ts';
import { usualKubeconfig } from '../../../agent/cluster/usualKubeconfig.ts';
import { loadServiceAccount } from '../../../agent/cluster/serviceAccount.ts';

let dir = '';
let nFiles = 0;
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-kubeconfig-')));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function write(content: object | string, { mode = 0o600, folder = dir } = {}): string {
  const path = join(folder, `config-${nFiles++}`);
  writeFileSync(path, typeof content === 'string' ? content : stringify(content));
  chmodSync(path, mode);
  return path;
}

const cluster = (name: string, more: object = {}) => ({ name, cluster: { server: `https://${name}.test:6443`, ...more } });
const user = (name: string, more: object = {}) => ({ name, user: more });
const context = (name: string, more: object = {}) => ({ name, context: { cluster: name, user: name, ...more } });
const of = (name: string, clusterMore: object = {}, userMore: object = {}, contextMore: object = {}) => ({
  clusters: [cluster(name, clusterMore)],
  users: [user(name, userMore)],
  contexts: [context(name, contextMore)],
});
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const plain: Access = {
  context: 'a',
  server: 'https://a.test:6443',
  proxyUrl: null,
  tls: { ca: null, cert: null, key: null, serverName: null, isInsecure: false },
  token: null,
  basic: null,
  impersonation: {},
  command: null,
  oidc: null,
};

describe('where it is looked for', () => {
  it.each([
    [{}, ['/home/ada/.kube/config']],
    [{ KUBECONFIG: '' }, ['/home/ada/.kube/config']],
    [{ KUBECONFIG: '/a' }, ['/a']],
    [{ KUBECONFIG: ['/a', '', '/b'].join(delimiter) }, ['/a', '/b']],
  ])('%j', (environment, paths) => {
    expect(usualKubeconfig({ environment, homeDir: '/home/ada' })).toEqual(paths);
  });

  it.each(['config', './config', '../config', ['/a', 'b'].join(delimiter)])('never from the current folder: %s', (KUBECONFIG) => {
    expect(() => usualKubeconfig({ environment: { KUBECONFIG }, homeDir: '/home/ada' })).toThrow(
      expect.objectContaining({ code: 'HPO-2460', message: expect.stringContaining('could come from a project') }),
    );
  });
});

describe('how a server is reached', () => {
  const rows: readonly (readonly [string, object, Partial<Access> | ((path: string) => Partial<Access>)])[] = [
    ['nothing but the server', of('a'), {}],
    ['a slash at its end', of('a', { server: 'https://a.test/k8s/' }), { server: 'https://a.test/k8s' }],
    ['data', of('a', { 'certificate-authority-data': base64('CA') }), { tls: { ...plain.tls, ca: { text: 'CA' } } }],
    [
      'a path from its own folder',
      of('a', { 'certificate-authority': 'pki/ca.crt' }),
      () => ({ tls: { ...plain.tls, ca: { path: join(dir, 'pki/ca.crt') } } }),
    ],
    [
      'data before a path',
      of('a', { 'certificate-authority': 'x', 'certificate-authority-data': base64('CA') }),
      { tls: { ...plain.tls, ca: { text: 'CA' } } },
    ],
    [
      'a client certificate',
      of('a', {}, { 'client-certificate-data': base64('C'), 'client-key': '/k' }),
      { tls: { ...plain.tls, cert: { text: 'C' }, key: { path: '/k' } } },
    ],
    ['another name in the certificate', of('a', { 'tls-server-name': 'b' }), { tls: { ...plain.tls, serverName: 'b' } }],
    ['no look at the certificate', of('a', { 'insecure-skip-tls-verify': true }), { tls: { ...plain.tls, isInsecure: true } }],
    ['a proxy', of('a', { 'proxy-url': 'socks5://p:1' }), { proxyUrl: 'socks5://p:1' }],
    ['a token', of('a', {}, { token: 't' }), { token: { text: 't' } }],
    [
      'a token in a file, which counts before one beside it',
      of('a', {}, { token: 't', tokenFile: 'f' }),
      () => ({ token: { path: join(dir, 'f') } }),
    ],
    ['a password', of('a', {}, { username: 'u', password: 'p' }), { basic: { username: 'u', password: 'p' } }],
    [
      'another user',
      of('a', {}, { as: 'u', 'as-uid': '1', 'as-groups': ['g', 'h'], 'as-user-extra': { 'a/b': ['c'] } }),
      {
        impersonation: {
          'Impersonate-User': 'u',
          'Impersonate-Uid': '1',
          'Impersonate-Group': ['g', 'h'],
          'Impersonate-Extra-a%2Fb': ['c'],
        },
      },
    ],
    [
      'OpenID',
      of('a', {}, { 'auth-provider': { name: 'oidc', config: { 'id-token': 't', 'client-id': 7 } } }),
      { oidc: { 'id-token': 't', 'client-id': '7' } },
    ],
    ['no user', { clusters: [cluster('a')], contexts: [{ name: 'a', context: { cluster: 'a' } }] }, {}],
  ];
  it.each(rows)('%s', (_what, content, expected) => {
    const path = write(content);
    const access = readKubeconfig([path]).access('a');
    expect(access).toEqual({ ...plain, ...(typeof expected === 'function' ? expected(path) : expected) });
  });
});

describe('programs that give credentials', () => {
  const commandOf = (exec: object): KubeCommand | null => readKubeconfig([write(of('a', {}, { exec }))]).access('a').command;

  it('are read as they are written', () => {
    const command = commandOf({
      apiVersion: 'client.authentication.k8s.io/v1beta1',
      command: 'aws',
      args: ['eks', 'get-token', '--cluster-name', 'ml'],
      env: [{ name: 'AWS_PROFILE', value: 'dev' }],
      provideClusterInfo: true,
      interactiveMode: 'Never',
      installHint: 'pip install awscli',
    });
    expect(command).toMatchObject({
      program: 'aws',
      args: ['eks', 'get-token', '--cluster-name', 'ml'],
      variables: { AWS_PROFILE: 'dev' },
      apiVersion: 'client.authentication.k8s.io/v1beta1',
      wantsCluster: true,
      isInteractive: false,
      installHint: 'pip install awscli',
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(commandOf({ command: './bin/login', interactiveMode: 'Always' })).toMatchObject({
      program: join(dir, 'bin/login'),
      isInteractive: true,
    });
  });

  it('are agreed to with their arguments and variables, and with nothing else', () => {
    const base = {
      command: 'aws',
      args: ['a', 'b'],
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
    };
    const hash = commandOf(base)?.hash;
    const same = [
      { ...base, installHint: 'other' },
      { ...base, env: base.env.toReversed() },
      { ...base, provideClusterInfo: true },
    ];
    for (const exec of same) expect(commandOf(exec)?.hash).toBe(hash);
    const others = [
      { ...base, command: '/tmp/aws' },
      { ...base, args: ['a b'] },
      { ...base, args: ['b', 'a'] },
      { ...base, args: [] },
      {
        ...base,
        env: [
          { name: 'A', value: '2' },
          { name: 'B', value: '2' },
        ],
      },
      { ...base, env: [...base.env, { name: 'LD_PRELOAD', value: 'x' }] },
    ];
    const hashes = new Set(others.map((exec) => commandOf(exec)?.hash));
    expect(hashes.size).toBe(others.length);
    expect(hashes).not.toContain(hash);
  });

  it.each([
    [
      { command: 'aws', args: ['eks', 'get-token'], env: [{ name: 'AWS_PROFILE', value: 'dev' }] },
      'AWS_PROFILE=dev aws eks get-token',
    ],
    [{ command: 'login', args: ['--client-secret', 'hush', '--name', 'x y'] }, 'login --client-secret *** --name "x y"'],
    [{ command: 'login', args: ['--token=hush', '--credential-type=user'] }, 'login --token=*** --credential-type=user'],
    [{ command: 'login', env: [{ name: 'API_KEY', value: 'hush' }] }, 'API_KEY=*** login'],
  ])('are shown without secrets: %j', (exec, shown) => {
    const command = commandOf(exec);
    expect(command === null ? null : describeCommand(command)).toBe(shown);
  });
});

describe('several files', () => {
  it('are merged as kubectl does: the first to name something counts, and what is not there is passed over', () => {
    const first = write({ ...of('a'), users: [user('a', { token: 'first' })] });
    const second = write({
      'current-context': 'b',
      clusters: [cluster('a', { server: 'https://other' }), cluster('b')],
      users: [user('a', { token: 'second' }), user('b')],
      contexts: [context('a', { namespace: 'other' }), context('b', { namespace: 'ml' })],
    });
    const third = write({ 'current-context': 'a' });
    const config = readKubeconfig([join(dir, 'none'), first, second, third]);
    expect(config.contexts).toEqual([
      { name: 'a', server: 'https://a.test:6443', namespace: 'default', isCurrent: false },
      { name: 'b', server: 'https://b.test:6443', namespace: 'ml', isCurrent: true },
    ]);
    expect(config.access('a')).toEqual({ ...plain, token: { text: 'first' } });
  });

  it('each count paths from their own folder', () => {
    const folder = join(dir, 'deep');
    mkdirSync(folder);
    const first = write({ contexts: [context('a')] });
    const second = write(
      { clusters: [cluster('a', { 'certificate-authority': 'ca' })], users: [user('a', { 'client-key': 'k' })] },
      { folder },
    );
    expect(readKubeconfig([first, second]).access('a').tls).toMatchObject({
      ca: { path: join(folder, 'ca') },
      key: { path: join(folder, 'k') },
    });
  });
});

describe('what cannot be used', () => {
  const secret = 'c2VjcmV0LXRva2Vu';
  it.each([
    ['no YAML', `users: [{name: a, user: {token: ${secret}`, 'HPO-2460', /is no YAML/],
    ['other kinds of values', { clusters: { a: secret } }, 'HPO-2460', /clusters is not what it should be/],
    ['no such context', of('b'), 'HPO-2461', /no context a/],
    [
      'no such cluster',
      { contexts: [context('a')], users: [user('a')] },
      'HPO-2461',
      /names the cluster a, which it does not have/,
    ],
    [
      'no such user',
      { contexts: [context('a')], clusters: [cluster('a')] },
      'HPO-2461',
      /names the user a, whom it does not have/,
    ],
    ['no server', { ...of('a'), clusters: [{ name: 'a', cluster: {} }] }, 'HPO-2461', /no address/],
    ['a server that is none', of('a', { server: 'file:///etc/passwd' }), 'HPO-2461', /no address/],
    [
      'a login that kubectl has given up',
      of('a', {}, { 'auth-provider': { name: 'gcp', config: { 'access-token': secret } } }),
      'HPO-2461',
      /auth-provider gcp/,
    ],
  ])('%s', (_what, content, code, message) => {
    const path = write(content);
    const act = () => readKubeconfig([path]).access('a');
    expect(act).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
    try {
      act();
    } catch (error) {
      expect(JSON.stringify([error, String(error), error instanceof Error ? String(error.cause) : ''])).not.toContain(secret);
    }
  });

  it('no file at all: the paths are named', () => {
    expect(() => readKubeconfig(['/none/a', '/none/b'])).toThrow(
      expect.objectContaining({ code: 'HPO-2460', message: expect.stringContaining('/none/a, /none/b is not there') }),
    );
  });

  it('a file in the project, also by a link, and one beside it', () => {
    const project = join(dir, 'project');
    mkdirSync(join(project, 'deploy'), { recursive: true });
    const inside = write(of('a'), { folder: join(project, 'deploy') });
    const link = join(dir, 'link');
    symlinkSync(inside, link);
    for (const path of [inside, link]) {
      expect(() => readKubeconfig([path], project)).toThrow(
        expect.objectContaining({ code: 'HPO-2460', message: expect.stringContaining('is in the project') }),
      );
    }
    mkdirSync(join(project, '..k'));
    expect(() => readKubeconfig([write(of('a'), { folder: join(project, '..k') })], project)).toThrow(
      expect.objectContaining({ code: 'HPO-2460', message: expect.stringContaining('is in the project') }),
    );
    mkdirSync(join(dir, 'project-2'));
    expect(readKubeconfig([write(of('a'), { folder: join(dir, 'project-2') })], project).contexts).toHaveLength(1);
  });

  it('a file that everybody can write', () => {
    expect(() => readKubeconfig([write(of('a'), { mode: 0o666 })])).toThrow(
      expect.objectContaining({ code: 'HPO-2460', next: expect.stringContaining('chmod o-w') }),
    );
    expect(readKubeconfig([write(of('a'), { mode: 0o664 })]).contexts).toHaveLength(1);
  });
});

it.each([
  ['credentials that others can read', of('a', {}, { token: 't' }), 0o644, [/others on this machine can read the credentials/]],
  ['nothing secret', of('a'), 0o644, []],
  ['what only its owner can read', of('a', {}, { token: 't' }), 0o600, []],
  ['a certificate that is not looked at', of('a', { 'insecure-skip-tls-verify': true }), 0o600, [/cluster a is not looked at/]],
])('warns of %s', (_what, content, mode, warnings) => {
  expect(readKubeconfig([write(content, { mode })]).warnings).toEqual(warnings.map((pattern) => expect.stringMatching(pattern)));
});

describe('in a pod', () => {
  it('the service account is the one context', () => {
    const folder = join(dir, 'account');
    mkdirSync(folder);
    writeFileSync(join(folder, 'token'), 't');
    writeFileSync(join(folder, 'namespace'), 'ml\n');
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    expect(loadServiceAccount(environment, folder)).toMatchObject({
      dir: folder,
      content: {
        clusters: [{ cluster: { server: 'https://[fd00::1]:443', 'certificate-authority': 'ca.crt' } }],
        users: [{ user: { tokenFile: 'token' } }],
        contexts: [{ name: 'in-cluster', context: { namespace: 'ml' } }],
      },
    });
    expect(() => loadServiceAccount({}, folder)).toThrow(expect.objectContaining({ code: 'HPO-2460' }));
    expect(() => loadServiceAccount(environment, join(dir, 'no-account'))).toThrow(expect.objectContaining({ code: 'HPO-2460' }));
  });
});
