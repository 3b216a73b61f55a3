// `npm run bench -- NAME`: runs one benchmark, ours and its peers side by side. Without a name: lists them.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, root, runOrExit } from './setup.mjs';

const names = readdirSync(join(root, 'test', 'bench'))
  .filter((name) => name.endsWith('.mjs'))
  .map((name) => name.slice(0, -4));
const [name, ...args] = process.argv.slice(2);
if (!names.includes(name)) {
  console.error(`usage: npm run bench -- NAME   (${names.join(', ')})`);
  process.exit(2);
}
ensureBuilt();
runOrExit('node', [join('test', 'bench', `${name}.mjs`), ...args]);
