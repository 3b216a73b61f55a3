// Installs what the tests in a real VS Code need into the cache folder outside the checkout: the VS Code server that
// code-server carries, built with the Node whose headers it needs, and Chromium from the system's packages.
// usage: node .ci/vscodeServer.mjs   prints one line per step and, last, the paths as JSON
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheDir } from '../test/support/cache.ts';
import { installSystemPackages, MissingPrecondition } from './systemPackages.mjs';

const codeServerVersion = '4.139.1';
const nodeVersion = '24.21.0';
const buildPackages = ['libkrb5-dev', 'libsecret-1-dev', 'libx11-dev', 'libxkbfile-dev', 'pkg-config', 'g++', 'make', 'python3'];
const browsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * Paths of the installed server; installs on the first call (minutes), afterwards answers at once.
 * @param {(step: string) => void} log
 * @returns {{ serverMain: string, chromium: string, node: string }}
 */
export function installVscodeServer(log = console.log) {
  if (process.platform !== 'linux')
    throw new MissingPrecondition(`the tests in a real VS Code need Linux, this is ${process.platform}`);
  if (!['x64', 'arm64'].includes(process.arch)) throw new MissingPrecondition(`no Node is packaged for linux-${process.arch}`);
  const home = join(cacheDir(), `vscode-server-${codeServerVersion}-node-${nodeVersion}`);
  if (!existsSync(join(home, 'done'))) {
    installSystemPackages(buildPackages, log);
    buildServer(home, log);
  }
  if (!browsers.some(existsSync)) installSystemPackages(['chromium'], log);
  const chromium = browsers.find(existsSync);
  if (chromium === undefined) throw new MissingPrecondition(`no Chromium at ${browsers.join(', ')}`);
  return {
    serverMain: join(home, 'node_modules/code-server/lib/vscode/out/server-main.js'),
    chromium,
    node: join(home, nodeFolder, 'bin/node'),
  };
}

const nodeFolder = `node_modules/node-linux-${process.arch}`;

/** Built beside its place and moved there when complete, so that an interrupted installation is never taken for a whole one. */
function buildServer(home, log) {
  const partial = `${home}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  writeFileSync(join(partial, 'package.json'), JSON.stringify({ private: true }));
  const npmLog = join(cacheDir(), 'vscode-server-install.log');
  const install = (packages, env) => npm(['install', '--no-fund', '--no-audit', ...packages], partial, env, npmLog);

  log(`VS Code server: Node ${nodeVersion} with its headers`);
  install([`node-linux-${process.arch}@${nodeVersion}`], {});
  log(`VS Code server: code-server ${codeServerVersion}, built from source (2 to 4 minutes; output in ${npmLog})`);
  const nodeDir = join(partial, nodeFolder);
  install([`code-server@${codeServerVersion}`], {
    PATH: `${join(nodeDir, 'bin')}:${process.env.PATH ?? ''}`,
    npm_config_nodedir: nodeDir,
    // Its native modules are built by install scripts, which npm only runs for packages that it was told to trust.
    npm_config_dangerously_allow_all_scripts: 'true',
  });
  writeFileSync(join(partial, 'done'), '');
  rmSync(home, { recursive: true, force: true });
  renameSync(partial, home);
  log('VS Code server: ready');
}

function npm(args, cwd, env, logFile) {
  const output = openSync(logFile, 'w');
  // What the npm that runs these tests says of itself must not reach this installation: its folders, and the Node that it runs on.
  const own = /^npm_(config_(.*prefix|user_agent|node_gyp|nodedir)|package_.*|lifecycle_.*)$/;
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
  const { status, error } = spawnSync('npm', args, { cwd, env: { ...clean, ...env }, stdio: ['ignore', output, output] });
  if (status === 0) return;
  const tail = readFileSync(logFile, 'utf8').split('\n').slice(-30).join('\n');
  throw new Error(`npm ${args.join(' ')} failed in ${cwd} (${error?.message ?? `exit code ${status}`}):\n${tail}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(JSON.stringify(installVscodeServer()));
