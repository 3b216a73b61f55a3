import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { MissingPrecondition } from '../../.ci/systemPackages.mjs';
import { installVscodeServer } from '../../.ci/vscodeServer.mjs';
import type { Workbench } from '../extension/pages/workbench.ts';
import { install, type Installed } from '../extension/support/globalSetup.ts';
import { screenshots, Vscode } from '../extension/support/vscode.ts';
import { ensureNodeImage, sharedCluster, TestNamespace } from '../support/cluster.ts';
import { ensureBases } from '../support/docker.ts';

/** Why there is no editor to test in; null where there is one. */
const missing = reasonOf();

let folder: string;
let installed: Installed;
let namespace: TestNamespace;
let vscode: Vscode;
let workbench: Workbench;
let image: string;

beforeAll(async () => {
  if (missing !== null) return;
  await ensureBases('python');
  folder = mkdtempSync(join(tmpdir(), 'hpo-vscode-cluster-'));
  installed = await install(folder, { isBuilt: true });
  namespace = await TestNamespace.create();
  image = await ensureNodeImage('python');
  vscode = await Vscode.start(installed, {
    env: { KUBECONFIG: sharedCluster().kubeconfig },
    settings: { 'hpo.kubernetes.context': 'test', 'hpo.kubernetes.namespace': namespace.name },
  });
  workbench = await vscode.open();
  await workbench.explorer.open();
}, 900_000);
afterAll(async () => {
  if (missing !== null) return;
  await vscode[Symbol.asyncDispose]();
  await namespace[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await workbench.screenshot(join(screenshots, `failed ${task.id}.actual.png`));
});

test('a study that was started in the editor says why its trials wait, for each thing that they wait for, until they run', {
  timeout: 600_000,
  skip: missing !== null,
}, async () => {
  // Three doors, which this test opens one after the other: a quota that is full, a label that no node has, and a registry that is away.
  await using registry = await closedRegistry(sharedCluster().registry);
  await namespace.kubectl('create', 'quota', 'door', '--hard=pods=1');
  const overrides = JSON.stringify({ spec: { ...otherPod, containers: [{ ...otherPod.containers[0], image }] } });
  await namespace.kubectl('run', 'other', `--image=${image}`, `--overrides=${overrides}`);
  const label = `hpo.test/${namespace.name}`;
  vscode.write('far.py', farScript(image.replace(sharedCluster().registry, registry.host)));
  vscode.write('pyproject.toml', `[[tool.hpo.kubernetes.pools]]\nname = "rest"\nnodeSelector = { "${label}" = "open" }\n`);
  await workbench.openFile('far.py');
  await workbench.runCommand('HPO: Select Backend…');
  await workbench.quickPickRow('Kubernetes').click();
  await workbench.editor.lens('▶ Tune this script on Kubernetes').click();
  expect(JSON.parse(vscode.read('.vscode/settings.json'))).toEqual({ 'hpo.backend': 'kubernetes' });

  const { explorer, panel } = workbench;
  const study = explorer.row(/^Study far, running, 0 of 3, 2 waiting, on Kubernetes/);
  await study.waitFor({ timeout: 120_000 });
  await explorer.row('Waiting, 2 trials').waitFor();
  await workbench.statusBarItem('0/3 · 2 waiting').waitFor();
  await panel.frame.locator('.tile .state', { hasText: '2 waiting' }).waitFor();
  await panel.frame.locator('[data-state=waiting]', { hasText: '2' }).waitFor();
  const [status] = await vscode.hpo<{ executor: string; trials: Record<string, number> }>('status');
  expect(status).toMatchObject({ executor: 'kubernetes', trials: { waiting: 2, running: 0 } });
  await waitsFor('in a queue', /exceeded quota: door, requested: pods=1, used: pods=1, limited: pods=1/);
  await workbench.screenshotIfAsked('clusterQuota');

  await namespace.kubectl('delete', 'quota/door', 'pod/other', '--grace-period=1');
  await waitsFor('for a place', /0\/\d+ nodes are available: \d+ node\(s\) didn't match Pod's node affinity\/selector/);
  await workbench.screenshotIfAsked('clusterNoPlace');

  await namespace.kubectl('label', 'nodes', '--all', `${label}=open`);
  onTestFinished(async () => void (await namespace.kubectl('label', 'nodes', '--all', `${label}-`)));
  await waitsFor('for its image', /the image localhost:\d+\/hpo-test\/python.* cannot be pulled/);
  await workbench.screenshotIfAsked('clusterNoImage');

  await registry.open();
  await explorer.row(/^Study far, ended, 3 of 3.*, on Kubernetes/).waitFor({ timeout: 240_000 });
  await panel.state('ended').waitFor();
  expect(await explorer.row('Waiting').count()).toBe(0);
  const newest = await vscode.newest();
  expect(newest).toMatchObject({ executor: 'kubernetes', trials: { complete: 3 }, cluster: `test, namespace ${namespace.name}` });
  const value = Number(newest.best?.values['loss']);
  expect(value).toBeCloseTo(Math.abs(Number(newest.best?.params['x']) - 0.3), 9);
  expect(await panel.frame.locator('[data-figure=best]').textContent()).toContain(`trial ${newest.best?.number}`);
  await panel.button('insertBest').click();
  await workbench.quickPickRow(/x.*0\.5 → 0\.\d+/).waitFor();
  await workbench.page.keyboard.press('Enter');
  await workbench.editor.lens('Best values are in the file').waitFor();
  // The editor saves what was inserted, a moment later, with as many digits as matter.
  const inserted = (): number => Number(/^x = (\S+)/m.exec(vscode.read('far.py'))?.[1]);
  await expect.poll(inserted, { timeout: 60_000 }).toBeCloseTo(Number(newest.best?.params['x']), 3);
});

/** In the panel: the banner, the row and the details; in the tree: the row of the trial. */
async function waitsFor(what: string, why: RegExp): Promise<void> {
  const { frame } = workbench.panel;
  const said = new RegExp(`wait ${what.replace('its', 'their')}: ${why.source}`);
  // A Job whose pods are refused tries again once a minute or so.
  await frame.locator('.banner.info', { hasText: said }).waitFor({ timeout: 180_000 });
  const row = frame.locator('[data-trial="0"]');
  await row.filter({ hasText: `waiting ${what}` }).waitFor();
  expect(await row.locator('.cell[title]').getAttribute('title')).toMatch(why);
  await row.click();
  await frame.locator('.attempts', { hasText: why }).waitFor();
  await workbench.explorer
    .row(new RegExp(`^Trial 0, waits ${what}: ${why.source}`))
    .first()
    .waitFor();
}

/** What a namespace that enforces `restricted` takes. */
const otherPod = {
  automountServiceAccountToken: false,
  securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      name: 'other',
      command: ['sleep', '900'],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
};

const farScript = (from: string): string => `# @hpo.image ${from}
# @hpo.resources cpus=0.1 memory=100MB
# @hpo.search trials=3 parallel=2 seed=1
x = 0.5  # @hpo float(0, 1)
# @hpo.objective loss min
print(f"loss={abs(x - 0.3)}")
`;

/** A way to the registry at which nobody listens until it is opened. */
async function closedRegistry(
  target: string,
): Promise<AsyncDisposable & { readonly host: string; readonly open: () => Promise<void> }> {
  const [host = '', port = ''] = target.split(':');
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host, port: Number(port) });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.once('error', () => to.destroy());
      from.once('close', () => sockets.delete(from));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  await closed();
  return {
    host: `localhost:${address.port}`,
    async open() {
      server.listen(address.port, '127.0.0.1');
      await once(server, 'listening');
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await closed();
    },
  };

  async function closed(): Promise<void> {
    server.close();
    await once(server, 'close');
  }
}

function reasonOf(): string | null {
  try {
    installVscodeServer();
    return null;
  } catch (error) {
    if (!(error instanceof MissingPrecondition) || process.env['CI'] === 'true') throw error;
    console.warn(`skipped: ${error.message}`);
    return error.message;
  }
}
