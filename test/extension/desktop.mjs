// The API tests in the desktop build of VS Code, on a machine that can download it.
// usage: node test/extension/desktop.mjs [VERSION]   (default: the oldest that the extension supports)
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTests } from '@vscode/test-electron';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const version = process.argv[2] ?? engines.vscode.replace('^', '');
const folder = mkdtempSync(join(tmpdir(), 'hpo-desktop-'));
try {
  const extensionTestsPath = join(folder, 'hostTests.cjs');
  await build({
    entryPoints: [join(root, 'test/extension/host/index.ts')],
    outfile: extensionTestsPath,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['vscode'],
  });
  const workspace = join(folder, 'workspace');
  cpSync(join(root, 'test/extension/workspace'), workspace, { recursive: true });
  process.exitCode = await runTests({
    version,
    extensionDevelopmentPath: root,
    extensionTestsPath,
    launchArgs: [workspace, '--disable-workspace-trust', '--user-data-dir', join(folder, 'user')],
    extensionTestsEnv: { HPO_HOME: join(folder, 'home'), HPO_CACHE: join(folder, 'cache') },
  });
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
