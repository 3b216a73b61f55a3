// Makes hpo-<version>.vsix, which installs on every platform.
// usage: node .ci/package.mjs [--no-build] [-o FILE]
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePackages, root } from './setup.mjs';

const largestBytes = 4 * 1024 * 1024;

const { values } = parseArgs({
  options: { 'no-build': { type: 'boolean', default: false }, output: { type: 'string', short: 'o' } },
});
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const output = values.output ?? join(root, `hpo-${version}.vsix`);

ensurePackages();
if (!values['no-build']) run([join(root, '.ci/build.mjs'), '--production']);
// Everything is bundled, so the package carries no node_modules.
run([
  join(root, 'node_modules/@vscode/vsce/vsce'),
  'package',
  '--no-dependencies',
  '--allow-missing-repository',
  '--no-rewrite-relative-links',
  '--out',
  output,
]);
const { size } = statSync(output);
if (size > largestBytes) {
  throw new Error(`${output} has ${size} bytes, more than the ${largestBytes} that a universal package may have`);
}
console.log(`${output}: ${(size / 1024 / 1024).toFixed(2)} MB`);

function run(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
