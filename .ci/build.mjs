// Makes everything in dist/ from the sources. usage: node .ci/build.mjs [--if-needed] [--production]
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './setup.mjs';

const stamp = join(root, 'dist', '.built');
const isProduction = process.argv.includes('--production');

if (!process.argv.includes('--if-needed') || isStale()) await buildAll();

async function buildAll() {
  mkdirSync(join(root, 'dist'), { recursive: true });
  rmSync(stamp, { force: true });
  const common = {
    bundle: true,
    minify: isProduction,
    sourcemap: !isProduction,
    legalComments: 'none',
    logLevel: 'warning',
    absWorkingDir: root,
  };
  const node = {
    ...common,
    platform: 'node',
    target: 'node22.13',
    // jsonc-parser's CommonJS build loads its parts in a way that no bundler follows; its ES module does not.
    mainFields: ['module', 'main'],
    format: 'cjs',
    define: { 'import.meta.dirname': '__dirname' },
  };
  await Promise.all([
    build({ ...node, entryPoints: ['agent/main.ts'], outfile: 'dist/agent.cjs' }),
    build({ ...node, entryPoints: ['agent/proposer.ts'], outfile: 'dist/proposer.cjs' }),
    build({ ...node, entryPoints: ['agent/cli.ts'], outfile: 'dist/cli.cjs', banner: { js: '#!/usr/bin/env node' } }),
    build({ ...node, entryPoints: ['extension/main.ts'], outfile: 'dist/extension.cjs', external: ['vscode'] }),
    build({
      ...common,
      entryPoints: ['webview/main.ts'],
      outfile: 'dist/webview.js',
      platform: 'browser',
      target: 'es2022',
      format: 'esm',
      minify: true,
      // The report carries this file inline; a map would only point to a file that is not there.
      sourcemap: false,
    }),
  ]);
  writeFileSync(stamp, isProduction ? 'production' : 'development');
}

function isStale() {
  if (!existsSync(stamp)) return true;
  const builtAt = statSync(stamp).mtimeMs;
  return (
    ['agent', 'extension', 'webview'].some((folder) => newest(join(root, folder)) > builtAt) ||
    statSync(join(root, 'package-lock.json')).mtimeMs > builtAt
  );
}

function newest(folder) {
  const times = readdirSync(folder, { withFileTypes: true }).map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? newest(path) : statSync(path).mtimeMs;
  });
  return Math.max(0, ...times);
}
