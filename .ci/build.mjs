// Makes everything in dist/ from the sources. usage: node .ci/build.mjs [--types]   (--types also checks the types)
import { spawnSync } from 'node:child_process';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const production = { bundle: true, sourcemap: true, legalComments: 'none', logLevel: 'warning', absWorkingDir: root };
const node = { ...production, platform: 'node', target: 'node22.13', format: 'cjs', define: { 'import.meta.url': '__importMetaUrl' }, inject: ['.ci/importMetaUrl.js'] };

await Promise.all([
  build({ ...node, entryPoints: ['agent/main.ts'], outfile: 'dist/agent.cjs' }),
  build({ ...node, entryPoints: ['agent/cli.ts'], outfile: 'dist/cli.cjs', banner: { js: '#!/usr/bin/env node' } }),
  build({ ...node, entryPoints: ['extension/main.ts'], outfile: 'dist/extension.cjs', external: ['vscode'] }),
  build({ ...production, entryPoints: ['webview/main.ts'], outfile: 'dist/webview.js', platform: 'browser', target: 'es2022', format: 'esm', minify: true, loader: { '.css': 'text' } }),
]);
if (process.argv.includes('--types')) process.exitCode = spawnSync('tsc', ['-b'], { cwd: root, stdio: 'inherit' }).status ?? 1;
