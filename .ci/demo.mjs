// `npm run demo`: from a fresh clone to a tuned example, with nothing that a user's own script would not get.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, environment, root } from './setup.mjs';

ensureBuilt();
const command = ['tune', 'media/examples/digits/train.py', '-n', '40', '--parallel', '2'];
console.error(`\n$ hpo ${command.join(' ')}\n`);
const child = spawn('node', [join(root, 'dist', 'cli.cjs'), ...command], { cwd: root, env: environment(), stdio: 'inherit' });
process.on('SIGINT', () => undefined);
child.once('exit', (code) => {
  if (code === 0) console.error('\nIn this checkout, hpo is written: npm run -s hpo --');
  process.exitCode = code ?? 1;
});
