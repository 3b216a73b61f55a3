import { join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { records } from '../unknown.ts';
import type { Search } from './finding.ts';
import { noManifest } from './lockedFiles.ts';
import { type Pyproject, readPyproject } from './pyproject.ts';

/** A lock in TOML beside the pyproject.toml that it locks. */
export interface TomlLock {
  /** Of the lock, relative to the root. */
  readonly path: string;
  readonly source: string;
  /** Null when it cannot be read; `faults` says why. */
  readonly lock: Record<string, unknown> | null;
  readonly manifest: string;
  readonly own: Pyproject | null;
  readonly packages: readonly Record<string, unknown>[];
  /** To be added to. */
  readonly faults: Diagnostic[];
}

/** Null where the folder has no such lock. */
export async function readTomlLock(project: Search['project'], folder: string, name: string): Promise<TomlLock | null> {
  const path = join(folder, name);
  const source = await project.text(path);
  if (source === null) return null;
  const faults: Diagnostic[] = [];
  const lock = await project.toml(path, faults);
  const manifest = join(folder, 'pyproject.toml');
  const own = await readPyproject(project, manifest, faults);
  if (own === null && faults.length === 0) faults.push(noManifest(path, source, 'pyproject.toml'));
  return { path, source, lock, manifest, own, packages: records(lock?.['package']), faults };
}
