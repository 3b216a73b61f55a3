import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { startEngine } from '../../.ci/dockerEngine.mjs';
import { MissingPrecondition } from '../../.ci/systemPackages.mjs';
import { bases, engineClient, ensureBases } from '../support/docker.ts';
import type { Workbench } from './pages/workbench.ts';
import { screenshots, Vscode } from './support/vscode.ts';

/** Null where this machine can have none; with CI=true that is a failure. */
const engine = await startEngine().catch((error: unknown) => {
  if (process.env['CI'] === 'true' || !(error instanceof MissingPrecondition)) throw error;
  console.log(`studies in containers are not tested in the editor: ${error.message}`);
  return null;
});

describe.skipIf(engine === null)('a study in containers, on a real engine', () => {
  let vscode: Vscode;
  let workbench: Workbench;

  beforeAll(async () => {
    process.env['DOCKER_HOST'] = engine?.host;
    await ensureBases('python');
    vscode = await Vscode.start(inject('installed'), { env: { DOCKER_HOST: engine?.host ?? '' } });
    writeWorkspace(vscode);
    workbench = await vscode.open();
    await workbench.explorer.open();
  }, 900_000);
  afterAll(async () => {
    await using client = await vscode.connect();
    const { studies } = await client.request('study/list', {});
    for (const { studyId } of studies) await client.request('study/command', { studyId, command: { type: 'delete' } });
    await client.request('agent/clean', { dryRun: false, images: true, all: true });
    await vscode[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.screenshot(join(screenshots, `failed ${task.id}.actual.png`));
  });

  test('the image is made where it is seen, with its reason; the tree says where the study runs', async () => {
    await workbench.openFile('needs.py');
    await workbench.editor.lens('▶ Tune this script').waitFor();
    // Looked for together, as each is gone when the next is there.
    const said = [/starting packages\/needs\.py in Docker \(requirements\.txt beside the script\)/, /RUN|building the image/].map(
      (text) => workbench.notification(text).waitFor(),
    );
    await workbench.runCommand('HPO: Tune This Script in Docker');
    await Promise.all(said);
    await workbench.screenshotIfAsked('makingImage');
    const row = workbench.explorer.row(/^Study needs, ended, 2 of 2.*, in Docker$/);
    await row.waitFor();
    await using client = await vscode.connect();
    const { studyId } = await vscode.newest();
    const { spec } = await client.request('study/view', { studyId });
    expect(spec.executor).toBe('docker');
    expect(spec.container?.image.name).toMatch(/^hpo-env:/);
    expect((await client.request('trial/log', { studyId, trial: 0, offset: 0 })).text).toContain('six 1.12.0');
    await workbench.panel.frame.getByText('Space, search and environment').click();
    await workbench.panel.frame.getByText(/^hpo-env:.* \(requirements\.txt beside the script\)$/).waitFor();
    await workbench.screenshotIfAsked('studyInDocker');
    // What is opened next belongs beside the script.
    await workbench.editor.focus();
  });

  test('with the same packages nothing is made again', async () => {
    const before = (await vscode.newest()).studyId;
    await workbench.openFile('needs.py');
    await workbench.runCommand('HPO: Tune This Script in Docker');
    await workbench.statusBarItem(/in Docker: requirements\.txt beside the script, image is ready/).waitFor();
    await expect.poll(async () => (await vscode.newest()).studyId).not.toBe(before);
    await workbench.explorer
      .row(/^Study needs, ended, 2 of 2/)
      .nth(1)
      .waitFor();
    await using client = await vscode.connect();
    const views = await Promise.all(
      [before, (await vscode.newest()).studyId].map(async (studyId) => await client.request('study/view', { studyId })),
    );
    expect(new Set(views.map(({ spec }) => spec.container?.image.id)).size).toBe(1);
  });

  test('a path that no container has is offered as an annotation, and then the script can read it', async () => {
    await workbench.openFile('outside.py');
    await workbench.runCommand('HPO: Tune This Script in Docker');
    await workbench.quickPickRow(/Add the @hpo\.data annotation/).waitFor();
    await workbench.quickPickRow('Tune as it is').waitFor();
    await workbench.screenshotIfAsked('questionOutside');
    await workbench.quickPickRow(/Add the @hpo\.data annotation/).click();
    await workbench.explorer.row(/^Study outside, ended, 2 of 2.*, in Docker$/).waitFor();
    expect(vscode.read('outside.py').split('\n')[0]).toBe('# @hpo.data ./numbers.bin -> numbers.bin ro');
    await using client = await vscode.connect();
    const { trials } = await client.request('study/view', { studyId: (await vscode.newest()).studyId });
    expect(trials.map(({ state }) => state)).toEqual(['complete', 'complete']);
  });

  test('a development container is asked about, and can be refused for what else there is', async () => {
    await workbench.openFile('boxed.py');
    await workbench.runCommand('HPO: Tune This Script in Docker');
    await workbench.quickPickRow('Use the devcontainer').waitFor();
    await workbench.page.locator('.quick-input-widget input[placeholder*="development container"]').waitFor();
    await workbench.screenshotIfAsked('questionDevcontainer');
    await workbench.quickPickRow('Go by what else there is').click();
    await workbench.explorer.row(/^Study boxed, ended, 2 of 2.*, in Docker$/).waitFor();
  });

  test('much code is asked about before it is stored', async () => {
    const before = (await vscode.newest()).studyId;
    await workbench.openFile('heavy.py');
    await workbench.runCommand('HPO: Tune This Script in Docker');
    const asked = workbench.notification(/would copy 105 MB/);
    await asked.waitFor();
    await asked.hover();
    await asked.getByRole('button', { name: 'Store 105.0 MB' }).waitFor();
    await workbench.screenshotIfAsked('questionSize');
    expect((await vscode.newest()).studyId).toBe(before);
  });

  test('a start that is cancelled while its image is made leaves no study', async () => {
    writeFileSync(vscode.path('packages/requirements.txt'), 'six==1.13.0\nnumpy==1.26.4\npandas==2.2.3\n');
    const before = (await vscode.newest()).studyId;
    await workbench.openFile('needs.py');
    await workbench.runCommand('HPO: Tune This Script in Docker');
    const making = workbench.notification(/starting packages\/needs\.py in Docker/);
    await making.waitFor();
    await making.hover();
    await making.getByRole('button', { name: 'Cancel' }).click();
    await making.waitFor({ state: 'detached' });
    expect((await vscode.newest()).studyId).toBe(before);
    const left = await engineClient().listContainers({ all: true, filters: { label: [`hpo.study=${before}`] } });
    expect(left).toEqual([]);
  });
});

/** Before the window opens: what it lists of files is a moment old. */
function writeWorkspace(vscode: Vscode): void {
  const files = {
    'packages/.python-version': '3.11\n',
    'outside.py': [
      `# @hpo.image ${bases.python}`,
      '# @hpo.objective loss min',
      '# @hpo.search trials=2 sampler=random scheduler=none seed=1',
      'x = 0.5  # @hpo float(0, 1)',
      'numbers = open("numbers.bin", "rb").read(3)',
      'print(f"loss={x + len(numbers)}")',
      '',
    ].join('\n'),
    'boxed/.devcontainer/devcontainer.json': JSON.stringify({ image: 'nowhere.invalid/none:1' }),
    'boxed/.python-version': '3.11\n',
    'boxed/requirements.txt': 'six==1.12.0\n',
    // A project of its own, and no part of the other scripts'.
    '.hpoignore': 'heavy/\n',
    'heavy/.hpoignore': '',
    'heavy/heavy.py': `# @hpo.image ${bases.python}\n# @hpo.objective loss min\nx = 0.5  # @hpo float(0, 1)\nprint(f"loss={x}")\n`,
    'boxed/boxed.py': readFileSync(vscode.path('packages/needs.py'), 'utf8'),
  };
  // Too large for an untracked file to be stored.
  writeFileSync(vscode.path('numbers.bin'), '');
  truncateSync(vscode.path('numbers.bin'), 17 * 1024 * 1024);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(vscode.path(path)), { recursive: true });
    writeFileSync(vscode.path(path), content);
  }
  for (let part = 0; part < 7; part++) {
    writeFileSync(vscode.path(`heavy/part${part}.bin`), '');
    truncateSync(vscode.path(`heavy/part${part}.bin`), 15 * 1024 * 1024);
  }
}
