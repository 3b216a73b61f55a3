import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';
import { Hpo } from '../support/hpo.ts';

/**
 * kind, gcloud and the like cannot run here: programs that stand in for them on PATH record their arguments, and write the kubeconfig
 * that they were asked for. Its server listens nowhere if nothing else is said, so that what comes after the tool fails.
 */
const tool = `#!/bin/sh
printf '%s' "$(basename "$0")" >>"$RECORD"
for word in "$@"; do printf ' [%s]' "$word" >>"$RECORD"; done
printf '\\n' >>"$RECORD"
cat >>"$RECORD.input"
case "$*" in *delete*) exit 0 ;; esac
[ -z "$TOOL_FAILS" ] || exit 7
while [ $# -gt 0 ]; do case "$1" in --kubeconfig | --output | --file) KUBECONFIG=$2 ;; esac; shift; done
case "$KUBECONFIG" in /dev/null/*) exit 0 ;; esac
cat >"$KUBECONFIG" <<END
apiVersion: v1
kind: Config
current-context: made
clusters: [{name: made, cluster: {server: "$TOOL_SERVER"}}]
users: [{name: made, user: {token: t}}]
contexts: [{name: made, context: {cluster: made, user: made}}]
END
`;

class Tools extends Hpo {
  readonly record: string;

  constructor(names: readonly string[], env: Readonly<Record<string, string>> = {}) {
    super({
      // Nothing of the user's own is read, and the tools of this machine are not found.
      PATH: ['bin', ...(process.env['PATH'] ?? '').split(delimiter)].join(delimiter),
      KUBECONFIG: '/dev/null/nowhere',
      TOOL_SERVER: 'https://127.0.0.1:9',
      ...env,
    });
    this.record = join(this.folder, 'record');
    mkdirSync(join(this.project, 'bin'));
    for (const name of names) chmodSync(this.write(`bin/${name}`, tool.replaceAll('$RECORD', this.record)), 0o755);
  }

  get calls(): readonly string[] {
    if (!existsSync(this.record)) return [];
    const text = readFileSync(this.record, 'utf8').replaceAll(this.folder, 'DIR');
    return text.trim().split('\n');
  }
}

const file = (make: string) => `name: lab\nnamespace: hpo-lab\nmake: ${make}\n`;

it.each<[string, string, readonly string[], readonly string[]]>([
  [
    'kind',
    '{with: kind, nodes: 2}',
    ['kind [create] [cluster] [--name] [lab] [--kubeconfig] [DIR/home/kubeconfigs/lab.yml] [--wait] [5m] [--config] [-]'],
    ['kind [delete] [cluster] [--name] [lab] [--kubeconfig] [DIR/home/kubeconfigs/lab.yml]'],
  ],
  [
    'k3d',
    '{with: k3d}',
    [
      'k3d [cluster] [create] [lab] [--wait] [--kubeconfig-update-default=false]',
      'k3d [kubeconfig] [write] [lab] [--output] [DIR/home/kubeconfigs/lab.yml]',
    ],
    ['k3d [cluster] [delete] [lab]'],
  ],
  [
    'eksctl',
    '{with: eksctl, region: eu-central-1, arguments: ["--tags=a=$(id) b"]}',
    [
      'eksctl [create] [cluster] [--name] [lab] [--kubeconfig] [DIR/home/kubeconfigs/lab.yml] [--region] [eu-central-1] [--tags=a=$(id) b]',
    ],
    ['eksctl [delete] [cluster] [--name] [lab] [--region] [eu-central-1] [--wait]'],
  ],
  [
    'gcloud',
    '{with: gcloud, region: europe-west1, project: ml}',
    [
      'gcloud [container] [clusters] [create] [lab] [--region] [europe-west1] [--project] [ml] [--quiet]',
      'gcloud [container] [clusters] [get-credentials] [lab] [--region] [europe-west1] [--project] [ml] [--quiet]',
    ],
    ['gcloud [container] [clusters] [delete] [lab] [--region] [europe-west1] [--project] [ml] [--quiet]'],
  ],
  [
    'az',
    '{with: az, group: ml}',
    [
      'az [aks] [create] [--name] [lab] [--generate-ssh-keys] [--resource-group] [ml]',
      'az [aks] [get-credentials] [--name] [lab] [--resource-group] [ml] [--file] [DIR/home/kubeconfigs/lab.yml]',
    ],
    ['az [aks] [delete] [--name] [lab] [--resource-group] [ml] [--yes]'],
  ],
])('%s makes a cluster, and takes away what it made', async (name, make, creating, destroying) => {
  await using hpo = new Tools([name]);
  hpo.write('cluster.yml', file(make));
  const made = await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--yes');
  expect(hpo.calls).toEqual(creating);
  // The server of the kubeconfig that the tool wrote was asked.
  expect(made).toMatchObject({ code: 1, stdout: '' });
  expect(made.stderr).toMatch(/HPO-2462.*127\.0\.0\.1:9/s);
  if (name === 'kind') expect(readFileSync(`${hpo.record}.input`, 'utf8')).toContain('- role: worker');

  expect(await hpo.json('cluster', 'list')).toMatchObject([{ name: 'lab', madeBy: name, namespace: 'hpo-lab' }]);
  const gone = await hpo.run('cluster', 'destroy', 'lab', '--yes');
  expect(gone).toMatchObject({ code: 0 });
  expect(hpo.calls).toEqual([...creating, ...destroying]);
  expect(await hpo.json('cluster', 'list')).toEqual([]);
  expect(existsSync(join(hpo.home, 'kubeconfigs', 'lab.yml'))).toBe(false);
});

it('the command is shown, and does not run without a yes', async () => {
  await using hpo = new Tools(['kind']);
  hpo.write('cluster.yml', file('{with: kind}'));
  const asked = await hpo.run('cluster', 'create', '-f', 'cluster.yml');
  expect(asked).toMatchObject({ code: 2, stdout: '' });
  expect(asked.stderr).toContain(`kind create cluster --name lab --kubeconfig ${hpo.home}/kubeconfigs/lab.yml --wait 5m`);
  expect(asked.stderr).toContain('HPO-2493');
  expect(hpo.calls).toEqual([]);
});

it('a tool that fails leaves something that destroy finds', async () => {
  await using hpo = new Tools(['kind'], { TOOL_FAILS: '1' });
  hpo.write('cluster.yml', file('{with: kind}'));
  const failed = await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--yes');
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('HPO-2492: kind ended with 7');
  expect((await hpo.run('cluster', 'destroy')).stderr).toContain('HPO-2493');
  expect(hpo.calls).toHaveLength(1);
  expect((await hpo.run('cluster', 'destroy', '--yes')).code).toBe(0);
  expect(hpo.calls.at(-1)).toBe('kind [delete] [cluster] [--name] [lab] [--kubeconfig] [DIR/home/kubeconfigs/lab.yml]');
});

it('a tool that is missing is named before anything is asked, with how to get it', async () => {
  await using hpo = new Tools([]);
  hpo.write('cluster.yml', file('{with: k3d}'));
  const { code, stderr } = await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--yes');
  expect(code).toBe(4);
  expect(stderr).toMatch(/HPO-2491: k3d is not on PATH\n.*https:\/\/k3d\.io/);
});

it('a dry run needs no tool, no cluster and no kubeconfig', async () => {
  await using hpo = new Tools([]);
  hpo.write('cluster.yml', file('{with: kind}'));
  const { code, stdout } = await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--dry-run');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^# first: kind create cluster --name lab --kubeconfig \S+ --wait 5m\napiVersion: v1\nkind: Namespace/);
  const [plan] = await hpo.json<{ commands: string[][]; objects: { kind: string }[] }>(
    'cluster',
    'create',
    '-f',
    'cluster.yml',
    '--dry-run',
  );
  expect(plan?.commands[0]?.slice(0, 3)).toEqual(['kind', 'create', 'cluster']);
  expect(plan?.objects.map(({ kind }) => kind)).toContain('Role');
  expect(existsSync(join(hpo.home, 'clusters.json'))).toBe(false);
});

it.each<[string, readonly string[], number, RegExp]>([
  ['no file', ['create'], 2, /HPO-2490: no cluster\.yml was named/],
  ['a file that is not there', ['create', '-f', 'nowhere.yml'], 2, /HPO-2490: nowhere\.yml cannot be read/],
  ['no kubeconfig', ['connect'], 1, /HPO-2460: there is no kubeconfig: \/dev\/null\/nowhere/],
  ['nothing connected', ['status'], 4, /HPO-2461: no cluster is connected/],
  ['nothing to destroy', ['destroy', 'lab'], 4, /HPO-2461: no cluster is connected/],
  ['nothing to use', ['use', 'lab'], 4, /HPO-2461/],
])('%s', async (_what, args, code, text) => {
  await using hpo = new Tools([]);
  const result = await hpo.run('cluster', ...args);
  expect(result.stderr).toMatch(text);
  expect(result.code).toBe(code);
});

it('a program of a kubeconfig runs only after a yes', async () => {
  await using hpo = new Tools([]);
  const mark = join(hpo.folder, 'ran');
  const kubeconfig = hpo.write(
    'config',
    `current-context: c
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: ["${mark}"]}}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
`,
  );
  const refused = await hpo.run('cluster', 'connect', '--kubeconfig', kubeconfig);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain(`touch ${mark}`);
  expect(existsSync(mark)).toBe(false);
  // It gives no credentials, but it has run.
  const agreed = await hpo.run('cluster', 'connect', '--kubeconfig', kubeconfig, '--yes');
  expect(agreed.stderr).toContain('HPO-2463');
  expect(existsSync(mark)).toBe(true);
});

it('a kubeconfig of a project is refused where it is connected, and a relative one counts from the current folder', async () => {
  await using hpo = new Tools([]);
  hpo.write('kube/config', 'contexts: []\n');
  // Nothing says yet that the folder is a project.
  expect((await hpo.run('cluster', 'connect', '--kubeconfig', 'kube/config')).stderr).toContain('the kubeconfig has no context');
  hpo.write('pyproject.toml', '');
  const { code, stderr } = await hpo.run('cluster', 'connect', '--kubeconfig', 'kube/config');
  expect(code).not.toBe(0);
  expect(stderr.replaceAll(hpo.project, 'DIR')).toMatch(/HPO-2460: the kubeconfig DIR\/kube\/config is in the project DIR:/);
});

it('a cluster that its tool has made is used, also where what came after that failed', async () => {
  // As much of a cluster as says that it is one.
  const server = createServer((request, response) => {
    const isVersion = request.url === '/version';
    response.writeHead(isVersion ? 200 : 403, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isVersion ? { gitVersion: 'v1.34.0' } : { reason: 'Forbidden', message: 'nothing is allowed' }));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  await using _server = { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())) };
  const { port } = server.address() as AddressInfo;
  await using hpo = new Tools(['kind'], { TOOL_SERVER: `http://127.0.0.1:${port}` });
  hpo.write('cluster.yml', file('{with: kind}'));
  for (const [times, said] of [
    [1, /is made by kind/],
    [2, /lab is there: kind has made it before/],
  ] as const) {
    const { code, stderr } = await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--yes');
    expect([times, code, stderr]).toEqual([times, 1, expect.stringMatching(said)]);
    expect(stderr).toContain('HPO-2464: you may not get namespaces');
  }
  expect(hpo.calls).toHaveLength(1);
});
