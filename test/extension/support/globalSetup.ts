import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { installVscodeServer } from '../../../.ci/vscodeServer.mjs';

/** What every test file gets: paths of the editor, and an extensions folder into which the package was installed. */
export interface Installed {
  readonly serverMain: string;
  readonly node: string;
  readonly chromium: string;
  readonly extensionsDir: string;
  /** Folder of the installed extension. */
  readonly extensionDir: string;
  /** Module of the tests that run inside of the extension host. */
  readonly hostTests: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    installed: Installed;
  }
}

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Builds and packages the extension and installs the package the way a user does. */
export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'hpo-vscode-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    project.provide('installed', await install(folder));
    return remove;
  } catch (error) {
    remove();
    throw error;
  }
}

/** With `isBuilt`, of the bundles that are there. */
export async function install(folder: string, options: { readonly isBuilt?: boolean } = {}): Promise<Installed> {
  const { serverMain, node, chromium } = installVscodeServer();
  const [vsix, extensionsDir, hostTests] = [join(folder, 'hpo.vsix'), join(folder, 'extensions'), join(folder, 'hostTests.cjs')];
  run(process.execPath, ['.ci/package.mjs', ...(options.isBuilt === true ? ['--no-build'] : []), '--output', vsix]);
  const folders = ['--extensions-dir', extensionsDir, '--server-data-dir', join(folder, 'data')];
  run(node, [serverMain, '--install-extension', vsix, ...folders, '--accept-server-license-terms']);
  const entryPoints = [join(root, 'test/extension/host/index.ts')];
  await build({ entryPoints, outfile: hostTests, bundle: true, platform: 'node', format: 'cjs', external: ['vscode'] });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return { serverMain, node, chromium, extensionsDir, extensionDir: join(extensionsDir, `hpo-tuner.hpo-${version}`), hostTests };
}

function run(command: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with code ${status}:\n${stdout}${stderr}`);
}
