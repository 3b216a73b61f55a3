// Makes everything in dist/ from the sources. usage: node .ci/build.mjs [--if-needed] [--production]
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages, root } from './setup.mjs';

ensurePackages();
const { build } = await import('esbuild');

const stamp = join(root, 'dist', '.built');
const isProduction = process.argv.includes('--production');

/** An engine is never reached by ssh, whose library brings compiled parts that no bundle can hold. */
const withoutSsh = {
  name: 'without-ssh',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^ssh2$/ }, () => ({ path: 'ssh2', namespace: 'without-ssh' }));
    onLoad({ filter: /.*/, namespace: 'without-ssh' }, () => ({ contents: 'module.exports = {}' }));
  },
};

/** What talks to clusters is a chunk of its own, which is read when a cluster is first asked something. */
const clusterClient = {
  name: 'cluster-client',
  setup({ onResolve }) {
    onResolve({ filter: /\/client\.ts$/ }, ({ kind, importer }) =>
      kind === 'dynamic-import' && importer.startsWith(join(root, 'agent/cluster'))
        ? { path: './clusterClient.cjs', external: true }
        : undefined,
    );
  },
};

/**
 * Of the cluster's client its models and its reading of kubeconfig files are used: requests are ours, over Node's own HTTP. What it
 * would send requests with stays out, which is most of it, and needs a later Node.
 */
const modelsOnly = {
  name: 'models-only',
  setup({ onResolve, onLoad, resolve }) {
    onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'models-only' }));
    onLoad({ filter: /.*/, namespace: 'models-only' }, () => ({ contents: 'module.exports = {}' }));
    // Its package does not say that its files do nothing but define things, so that those that nobody uses could be left out.
    onResolve({ filter: /.*/ }, async ({ path, pluginData, ...options }) => {
      if (
        pluginData === 'resolved' ||
        (!options.importer.includes('@kubernetes/client-node') && !path.startsWith('@kubernetes/client-node'))
      )
        return undefined;
      const found = await resolve(path, { ...options, pluginData: 'resolved' });
      return found.errors.length > 0 ? found : { ...found, sideEffects: false };
    });
  },
};

/** Said before anything that an older Node lacks is loaded. */
const nodeCheck = `{
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 13)) {
    process.stderr.write('hpo needs Node 22.13 or later, and this is ' + process.version + ': run it with a newer one\\n');
    process.exit(4);
  }
}`;

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
    plugins: [withoutSsh, clusterClient],
  };
  await Promise.all([
    build({ ...node, entryPoints: ['agent/main.ts'], outfile: 'dist/agent.cjs', banner: { js: nodeCheck } }),
    build({ ...node, entryPoints: ['agent/proposer.ts'], outfile: 'dist/proposer.cjs' }),
    build({
      ...node,
      entryPoints: ['agent/cli.ts'],
      outfile: 'dist/cli.cjs',
      banner: { js: `#!/usr/bin/env node\n${nodeCheck}` },
    }),
    build({
      ...node,
      entryPoints: ['agent/cluster/client.ts'],
      outfile: 'dist/clusterClient.cjs',
      minify: true,
      sourcemap: false,
      plugins: [modelsOnly],
    }),
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
