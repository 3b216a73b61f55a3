import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The folder outside the checkout that keeps what is expensive to install (virtual environments, editors, browsers),
 * so that a second run of the tests is warm. `HPO_DEV_CACHE` moves it. The folder exists on return.
 */
export function cacheDir(): string {
  const dir = process.env['HPO_DEV_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'hpo-dev');
  mkdirSync(dir, { recursive: true });
  return dir;
}
