import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { cliMain, Hpo } from '../../support/hpo.ts';

const onCluster = ['--on', 'kubernetes', '--image', 'registry.invalid/python:3.11'];

/** The command line of a user with a kubeconfig there, once it is written. */
class Machine extends Hpo {
  #server: Server | null = null;

  constructor(path = (folder: string): string => join(folder, 'kube', 'config')) {
    super();
    this.kubeconfig = path(this.folder);
    this.write('train.py', '# @hpo.objective loss min\nx = 3.0  # @hpo float(0, 10)\nprint(f"loss={x}")\n');
  }

  /** Of the next command. */
  kubeconfig: string;

  /** Contexts with the address of their server, and what the user logs in by. */
  connect(contexts: Readonly<Record<string, string>>, user = 'token: abc'): void {
    mkdirSync(join(this.kubeconfig, '..'), { recursive: true });
    const names = Object.keys(contexts);
    const clusters = Object.entries(contexts).map(([name, server]) => `- {name: ${name}, cluster: {server: "${server}"}}`);
    const list = names.map((name) => `- {name: ${name}, context: {cluster: ${name}, user: me, namespace: ml}}`);
    const text = [
      'apiVersion: v1',
      'kind: Config',
      'clusters:',
      ...clusters,
      'contexts:',
      ...list,
      'users:',
      `- {name: me, user: {${user}}}`,
      `current-context: ${names[0] ?? ''}`,
    ];
    writeFileSync(this.kubeconfig, text.join('\n'));
    chmodSync(this.kubeconfig, 0o600);
  }

  override spawn(...args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
    const env = {
      ...process.env,
      HOME: this.folder,
      KUBECONFIG: this.kubeconfig,
      HPO_HOME: this.home,
      HPO_CACHE: join(this.folder, 'cache'),
      NO_COLOR: '1',
    };
    return spawn(process.execPath, [cliMain, ...args], { cwd: this.project, env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Starts an API server that answers like this, on the loopback; returns its address. */
  async serve(answer: RequestListener): Promise<string> {
    this.#server = createServer(answer);
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo; // it listens on a port
    return `http://127.0.0.1:${port}`;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

const json =
  (status: number, body: object): RequestListener =>
  (request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
const refused = (status: number, reason: string): RequestListener =>
  json(status, { kind: 'Status', status: 'Failure', reason, message: reason, code: status });
const version = { major: '1', minor: '34', gitVersion: 'v1.34.4' };

/** It answers, and lets nobody do anything. */
const forbidding: RequestListener = (request, response) => {
  const { url = '' } = request;
  if (url.startsWith('/version')) return json(200, version)(request, response);
  if (url.includes('/selfsubjectaccessreviews'))
    return json(201, { kind: 'SelfSubjectAccessReview', status: { allowed: false } })(request, response);
  return refused(403, 'Forbidden')(request, response);
};

describe.concurrent('without a cluster that can be used', () => {
  const rows: readonly [string, (machine: Machine) => Promise<void> | void, string, RegExp, RegExp][] = [
    ['there is no kubeconfig', () => {}, 'HPO-2460', /there is no kubeconfig: .*config is not there/, /get one|KUBECONFIG/],
    ['the kubeconfig has no context', (machine) => machine.connect({}), 'HPO-2484', /no cluster is known/, /kubectl/],
    [
      'nobody answers at its address',
      (machine) => machine.connect({ prod: 'https://127.0.0.1:1' }),
      'HPO-2462',
      /127\.0\.0\.1:1/,
      /./,
    ],
    [
      'it does not know who asks',
      async (machine) => machine.connect({ prod: await machine.serve(refused(401, 'Unauthorized')) }),
      'HPO-2463',
      /prod/,
      /./,
    ],
    [
      'this user may do nothing there',
      async (machine) => machine.connect({ prod: await machine.serve(forbidding) }),
      'HPO-2464',
      /does not let you create jobs in the namespace ml/,
      /Role that hpo cluster create --dry-run prints/,
    ],
    [
      'the kubeconfig names a program that nobody agreed to',
      (machine) =>
        machine.connect(
          { prod: 'https://127.0.0.1:1' },
          'exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [/nowhere]}',
        ),
      'HPO-2469',
      /touch \/nowhere/,
      /hpo cluster connect/,
    ],
  ];

  test.each(rows)('%s: what, why, what next and the way around it', async (_name, arrange, code, message, next) => {
    await using machine = new Machine();
    await arrange(machine);
    const [preview] = await machine.json<{ questions: readonly unknown[]; cluster: unknown }>(
      'preview',
      'train.py',
      ...onCluster,
    );
    expect(preview?.questions).toEqual([
      { type: 'cluster', code, message: expect.stringMatching(message), next: expect.stringMatching(next) },
    ]);
    expect(preview?.cluster).toBe(null);
    const text = await machine.run('preview', 'train.py', ...onCluster);
    expect(text.stdout).toMatch(/^but {4}.*--on local/m);

    const tune = await machine.run('tune', 'train.py', '-n', '2', ...onCluster);
    expect([tune.code, tune.stderr]).toEqual([4, expect.stringContaining(`error ${code}: `)]);
    expect(tune.stderr.split('\n').findLast((line) => line.includes('next: '))).toMatch(/--on local/);
    expect(await machine.json('status')).toEqual([]);

    // What runs here needs no cluster.
    const local = await machine.run('tune', 'train.py', '--on', 'local', '--env', 'current', '-n', '2', '--seed', '1');
    expect([local.code, local.stdout]).toEqual([0, expect.stringMatching(/^ended \(budget\).*2 complete/m)]);
  });

  test('of several clusters one has to be chosen', async () => {
    await using machine = new Machine();
    machine.connect({ prod: 'https://127.0.0.1:1', lab: 'https://127.0.0.1:2' });
    const [preview] = await machine.json<{ questions: readonly unknown[] }>('preview', 'train.py', ...onCluster);
    const kubeconfig = [machine.kubeconfig];
    expect(preview?.questions).toEqual([
      {
        type: 'context',
        message: expect.any(String),
        choices: [
          { label: 'prod', namespace: 'ml', server: 'https://127.0.0.1:1', wish: { context: 'prod', kubeconfig } },
          { label: 'lab', namespace: 'ml', server: 'https://127.0.0.1:2', wish: { context: 'lab', kubeconfig } },
        ],
      },
    ]);
    const tune = await machine.run('tune', 'train.py', ...onCluster);
    expect([tune.code, tune.stderr]).toEqual([4, expect.stringContaining('error HPO-2484: several clusters could be meant')]);
    expect(tune.stderr).toContain('--context prod, --context lab');
    const chosen = await machine.run('tune', 'train.py', ...onCluster, '--context', 'lab');
    expect([chosen.code, chosen.stderr]).toEqual([4, expect.stringContaining('127.0.0.1:2')]);
  });

  test('the kubeconfig of the command counts, not that of the agent that runs already', async () => {
    await using machine = new Machine();
    machine.connect({ prod: 'https://127.0.0.1:1' });
    await machine.json('preview', 'train.py', ...onCluster);
    machine.kubeconfig = join(machine.folder, 'other');
    machine.connect({ prod: 'https://127.0.0.1:2' });
    const tune = await machine.run('tune', 'train.py', ...onCluster, '--context', 'prod');
    expect([tune.code, tune.stderr]).toEqual([4, expect.stringContaining('127.0.0.1:2')]);
    expect(tune.stderr).not.toContain('127.0.0.1:1');
  });

  test('a kubeconfig of the project is not used', async () => {
    await using machine = new Machine((folder) => join(folder, 'project', 'kubeconfig'));
    machine.connect({ prod: 'https://127.0.0.1:1' });
    const tune = await machine.run('tune', 'train.py', ...onCluster);
    expect([tune.code, tune.stderr]).toEqual([4, expect.stringContaining('error HPO-2460: ')]);
    expect(tune.stderr).toContain('is in the project');
    // Nor by whoever connects a cluster in there.
    machine.write('.git/HEAD', 'ref: refs/heads/main\n');
    const connect = await machine.run('cluster', 'connect', '--yes');
    expect([connect.code, connect.stderr]).toEqual([1, expect.stringContaining('is in the project')]);
  });

  test('options of a cluster without one are wrong usage', async () => {
    await using machine = new Machine();
    const tune = await machine.run('tune', 'train.py', '--context', 'prod');
    expect([tune.code, tune.stderr]).toEqual([2, expect.stringContaining('error HPO-4050: ')]);
  });
});
