// `npm run -s hpo -- …`: the command line from this checkout, built first if needed. Paths are relative to where npm was called.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, environment, root } from './setup.mjs';

ensureBuilt();
const child = spawn('node', [join(root, 'dist', 'cli.cjs'), ...process.argv.slice(2)], {
  cwd: process.env.INIT_CWD ?? process.cwd(),
  env: environment(),
  stdio: 'inherit',
});
// The command line answers an interrupt itself, and says what goes on.
process.on('SIGINT', () => undefined);
child.once('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
});
