// The programs of a test cluster, built from their Go modules into the cache folder outside the checkout. Which versions: go/go.mod.
// usage: node .ci/cluster/programs.mjs   builds what is not there yet (about 8 minutes), and prints the folders
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheDir } from '../../test/support/cache.ts';
import { exclusive } from '../../test/support/exclusive.ts';
import { installSystemPackages, MissingPrecondition } from '../systemPackages.mjs';

const sources = join(import.meta.dirname, 'go');
const goVersion = '1.26.8';
const architectures = { x64: 'amd64', arm64: 'arm64' };
const kubernetesVersion = versionOf('k8s.io/kubernetes');
const kueueVersion = versionOf('sigs.k8s.io/kueue');

/**
 * @param {(step: string) => void} log
 * @returns {Promise<{ version: string, kubelite: string, kubectl: string, pause: string }>} paths
 */
export async function installKubernetes(log = console.log) {
  const version = '-X k8s.io/component-base/version';
  const [major, minor] = kubernetesVersion.split('.');
  const set = `-s -w ${version}.gitVersion=v${kubernetesVersion} ${version}.gitMajor=${major} ${version}.gitMinor=${minor}`;
  const folder = await install(
    `kubernetes-${kubernetesVersion}`,
    ['kubelite', 'pause', 'go.mod', 'go.sum'],
    log,
    async (into, go) => {
      await go(['build', '-trimpath', '-ldflags', set, '-o', join(into, 'kubelite'), './kubelite']);
      await go(['build', '-trimpath', '-ldflags', set, '-o', join(into, 'kubectl'), 'k8s.io/kubernetes/cmd/kubectl']);
      await go(['build', '-trimpath', '-ldflags', '-s -w', '-o', join(into, 'pause'), './pause']);
    },
  );
  const path = (name) => join(folder, name);
  return { version: `v${kubernetesVersion}`, kubelite: path('kubelite'), kubectl: path('kubectl'), pause: path('pause') };
}

/**
 * @param {(step: string) => void} log
 * @returns {Promise<{ version: string, kueue: string, definitions: string }>} definitions: folder with its custom resources and webhooks
 */
export async function installKueue(log = console.log) {
  const folder = await install(`kueue-${kueueVersion}`, ['go.mod', 'go.sum'], log, async (into, go) => {
    await go(['build', '-trimpath', '-ldflags', '-s -w', '-o', join(into, 'kueue'), 'sigs.k8s.io/kueue/cmd/kueue']);
    const module = (await go(['list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/kueue'])).trim();
    mkdirSync(join(into, 'definitions'));
    for (const file of globSync(['crd/bases/*.yaml', 'webhook/manifests.yaml'], { cwd: join(module, 'config/components') }))
      writeFileSync(join(into, 'definitions', basename(file)), readFileSync(join(module, 'config/components', file)));
  });
  return { version: `v${kueueVersion}`, kueue: join(folder, 'kueue'), definitions: join(folder, 'definitions') };
}

/** Built beside its place and moved there when complete, so that an interrupted build is never taken for a whole one. */
async function install(name, madeOf, log, build) {
  if (process.platform !== 'linux') throw new MissingPrecondition(`a test cluster needs Linux, this is ${process.platform}`);
  if (architectures[process.arch] === undefined) throw new MissingPrecondition(`no Go is packaged for linux-${process.arch}`);
  const home = join(cacheDir(), `${name}-${hashOf(madeOf)}`);
  if (existsSync(home)) return home;
  await using _lock = await exclusive(join(cacheDir(), 'go-programs.lock'));
  if (existsSync(home)) return home;
  const partial = `${home}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const logFile = join(cacheDir(), `${name}-build.log`);
  const go = toolchain(log);
  log(`${name}: built from source (minutes; output in ${logFile})`);
  await build(partial, (args) => run(go, args, logFile));
  renameSync(partial, home);
  log(`${name}: ready`);
  return home;
}

/**
 * The one version of Go that all machines build with: its toolchains are modules, which any Go can fetch and check, also one that is
 * too old to build with it. Where there is none, Debian's is.
 */
function toolchain(log) {
  if (spawnSync('go', ['version']).status !== 0) installSystemPackages(['golang-go', 'ca-certificates'], log);
  const module = `golang.org/toolchain@v0.0.1-go${goVersion}.linux-${architectures[process.arch]}`;
  const { status, stdout, stderr } = spawnSync('go', ['mod', 'download', '-json', module], {
    env: { ...process.env, GOTOOLCHAIN: 'local' },
    cwd: '/',
    encoding: 'utf8',
  });
  if (status !== 0) throw new MissingPrecondition(`Go ${goVersion} cannot be fetched: ${stderr}${stdout}`.trim().slice(0, 500));
  const { Dir } = JSON.parse(stdout);
  // Files of modules are never executable.
  for (const folder of ['bin', `pkg/tool/linux_${architectures[process.arch]}`])
    for (const name of readdirSync(join(Dir, folder))) chmodSync(join(Dir, folder, name), 0o555);
  return join(Dir, 'bin', 'go');
}

/** Resolves with its standard output. */
function run(go, args, logFile) {
  const log = openSync(logFile, 'a');
  // Without C: nothing that is built needs any, and no compiler for it is there on a bare machine.
  const env = {
    ...process.env,
    GOTOOLCHAIN: 'local',
    GOFLAGS: '-mod=readonly',
    GOWORK: 'off',
    CGO_ENABLED: '0',
    GOROOT: undefined,
  };
  const child = spawn(go, args, { cwd: sources, env, stdio: ['ignore', 'pipe', log] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else {
        const tail = readFileSync(logFile, 'utf8').split('\n').slice(-30).join('\n');
        reject(new Error(`go ${args.join(' ')} ended with ${code}:\n${tail}`));
      }
    });
  });
}

function hashOf(names) {
  const hash = createHash('sha256').update(goVersion).update(process.arch);
  for (const name of names)
    for (const file of globSync([name, `${name}/*.go`], { cwd: sources }).filter((path) => /\.\w+$/.test(path)))
      hash.update(file).update(readFileSync(join(sources, file)));
  return hash.digest('hex').slice(0, 10);
}

function versionOf(module) {
  const text = readFileSync(join(sources, 'go.mod'), 'utf8');
  return new RegExp(`^\\s*${module} v(\\S+)`, 'm').exec(text)[1];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  console.log(JSON.stringify({ kubernetes: await installKubernetes(), kueue: await installKueue() }, null, 2));
