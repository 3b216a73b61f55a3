import { createHash } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';

/** Folder of the agent's state, absolute: `HPO_HOME`, else the platform's data folder. */
export function defaultHome(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['HPO_HOME'] ?? envPaths('hpo', { suffix: '' }).data);
}

/** Folder for what can be made again (environments), outside of the state. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['HPO_CACHE'] ?? envPaths('hpo', { suffix: '' }).cache);
}

/** Makes the folder of the agent's state. Throws HPO-5014 where that cannot be. */
export function makeHome(home: string): void {
  try {
    makeFolder(join(home, 'run'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HpoError(
      'HPO-5014',
      `the folder ${home} cannot be made: ${reason}`,
      'set HPO_HOME to a folder that you may write to',
      {
        cause,
      },
    );
  }
}

/** Not by `recursive: true`, which in Node never returns for a folder below /proc. */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process may have made it meanwhile.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

/** Where a running agent says how it is reached; readable by its owner only. */
export function discoveryFile(home: string): string {
  return join(home, 'run', 'agent.json');
}

export const discoverySchema = z.object({ pid: z.number(), version: z.string(), socket: z.string(), token: z.string() });
export type Discovery = z.infer<typeof discoverySchema>;

/** Longest path of a Unix socket that every platform takes (macOS: 104 bytes with the terminator). */
const maxSocketPathBytes = 100;

/**
 * The agent's socket. One name per home, so that agents of several homes live side by side in XDG_RUNTIME_DIR.
 * On Windows the pipe's name is unguessable instead, as pipes have no folder to protect them.
 */
export function socketPath(home: string, token: string, env: NodeJS.ProcessEnv = process.env): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\hpo-${token}`;
  const name = `${createHash('sha256').update(home).digest('hex').slice(0, 12)}.sock`;
  const runtime = env['XDG_RUNTIME_DIR'];
  const candidates = [
    ...(runtime === undefined ? [] : [join(runtime, 'hpo', name)]),
    join(home, 'run', name),
    join(tmpdir(), `hpo-${userInfo().uid}`, name),
    join('/tmp', `hpo-${userInfo().uid}`, name),
  ];
  const fitting = candidates.find((path) => Buffer.byteLength(path) <= maxSocketPathBytes);
  return fitting ?? join(homedir(), '.hpo', name);
}
