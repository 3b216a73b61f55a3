// First: env-paths looks for the home folder as it is loaded.
import { userHome } from './homeFolder.ts';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';

/** Folder of the agent's state, absolute: `HPO_HOME`, else the platform's data folder. */
export function defaultHome(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['HPO_HOME'] || envPaths('hpo', { suffix: '' }).data);
}

/** Folder for what can be made again (environments), outside of the state. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['HPO_CACHE'] || envPaths('hpo', { suffix: '' }).cache);
}

/**
 * Makes the folder of the agent's state. Everything in it is its owner's alone, also where the folder itself was there
 * before and lets others in. Throws HPO-5014 where it cannot be made, HPO-5006 where it is another user's.
 */
export function makeHome(home: string): void {
  try {
    makeFolder(home);
    refuseForeign(home, 'HPO_HOME');
    for (const part of privateParts) makePrivate(join(home, part));
  } catch (cause) {
    if (cause instanceof HpoError) throw cause;
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

/** The folders of a home; files beside them have modes of their own. */
const privateParts = ['run', 'studies', 'snapshots'] as const;

/** Makes the folder of environments, whose programs trials run. Throws HPO-5006 where it is another user's, who could change them. */
export function makeCacheFolder(folder: string): void {
  makeFolder(folder);
  refuseForeign(folder, 'HPO_CACHE');
  makePrivate(folder);
}

/** Windows has no such owners and modes: there a user's data folders are the user's own. */
function refuseForeign(folder: string, variable: string): void {
  const { uid } = statSync(folder);
  if (process.platform === 'win32' || uid === process.getuid?.()) return;
  throw new HpoError(
    'HPO-5006',
    `the folder ${folder} belongs to another user (uid ${uid})`,
    `set ${variable} to a folder of your own`,
  );
}

function makePrivate(folder: string): void {
  makeFolder(folder);
  if (process.platform !== 'win32' && (statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
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

/**
 * Tells this home from every other on any machine, 12 hexadecimal digits: drawn once and kept in the home. By it the agent knows its
 * own on a cluster that several share, and a study that moves knows whose it is.
 */
export function homeId(home: string): string {
  const file = join(home, 'id');
  for (let attempt = 1; ; attempt++) {
    const id = readHomeId(file);
    if (id !== null) return id;
    makeHome(home);
    try {
      // Of several at once, one makes it. A file without an id, as a full disk leaves it, is replaced.
      writeFileSync(`${file}.${process.pid}`, randomBytes(6).toString('hex'), { mode: 0o600 });
      if (attempt > 1) renameSync(`${file}.${process.pid}`, file);
      else linkSync(`${file}.${process.pid}`, file);
    } catch (error) {
      if (attempt > 1 && readHomeId(file) === null) throw error;
    } finally {
      rmSync(`${file}.${process.pid}`, { force: true });
    }
  }
}

function readHomeId(file: string): string | null {
  try {
    return /^[0-9a-f]{12}$/.exec(readFileSync(file, 'utf8'))?.[0] ?? null;
  } catch {
    return null;
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
  // Not by userInfo(), which fails for a user without an entry among the accounts, as containers and clusters have them.
  const owner = `hpo-${process.getuid?.() ?? 0}`;
  const candidates = [
    // A relative or empty one is to be ignored, by its specification; it would also be another place for each client.
    ...(runtime === undefined || !isAbsolute(runtime) ? [] : [join(runtime, 'hpo', name)]),
    join(home, 'run', name),
    join(tmpdir(), owner, name),
    join('/tmp', owner, name),
  ];
  const fitting = candidates.find((path) => Buffer.byteLength(path) <= maxSocketPathBytes);
  return fitting ?? join(userHome, '.hpo', name);
}
