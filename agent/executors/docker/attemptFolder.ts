import { dirname, join, posix } from 'node:path';
import type { ContainerMount } from '../../engine/engine.ts';
import type { MountPlan } from '../../packaging/mountPlan.ts';
import type { ContainerSettings } from '../../protocol/study.ts';
import type { Owner } from '../../system/files.ts';
import type { System } from '../../system/system.ts';
import { checkpointPlace, isInside } from '../attempt/checkpointPlace.ts';
import { copyCheckpoint } from '../attempt/copyCheckpoint.ts';
import type { StudyFolders } from '../attempt/studyFolders.ts';
import type { AttemptStart } from '../executor.ts';
import { hideSecrets, type KnownHidden } from './hiddenMounts.ts';
import { places } from './places.ts';
import { mountWork, type Overlay } from './workMounts.ts';

export interface FolderOptions {
  readonly system: System;
  readonly attempt: AttemptStart;
  readonly files: StudyFolders;
  readonly plan: MountPlan;
  readonly data: ContainerSettings['mounts'];
  readonly shimPath: string;
  /** Who runs the attempt; null where that is the agent's own user. */
  readonly owner: Owner | null;
}

/**
 * Makes the attempt's folder and returns what of it, of the snapshot and of the data the container gets. Nothing of the code is
 * copied. What an agent before this one began is gone on with: the attempt has not run yet.
 */
export async function makeAttemptFolder(options: FolderOptions): Promise<ContainerMount[]> {
  const { system, attempt, files, plan, owner } = options;
  const { files: disk } = system;
  const dir = files.attemptDir(attempt.key);
  const work = join(dir, 'work');
  const checkpoint = files.checkpointDir(attempt.key);
  await disk.makeFolder(dir);
  if (attempt.checkpointFrom === null) await disk.makeFolder(checkpoint);
  else await copyCheckpoint(system, files.checkpointDir({ ...attempt.key, trial: attempt.checkpointFrom }), checkpoint);
  const overlays = await overlaysOf(options, work, checkpoint);
  const mounts = await mountWork(disk, plan, work, overlays);
  if (owner !== null) for (const folder of [dir, checkpoint]) await disk.changeOwner(folder, owner);
  const data = [...mounts, ...outside(options.data)];
  const sources = new Set([...plan.links.map(({ target }) => target), ...options.data.map(({ source }) => source)]);
  const known = knownHidden.get(system) ?? new Map();
  knownHidden.set(system, known);
  const hiding = await hideSecrets(disk, data, sources, dirname(options.shimPath), { known, studyId: attempt.key.studyId });
  return [
    { source: work, target: places.work, isReadOnly: false },
    { source: dir, target: places.attempt, isReadOnly: false },
    // No less read-only by this way.
    ...(attempt.files.length === 0
      ? []
      : [{ source: join(dir, spliced), target: posix.join(places.attempt, spliced), isReadOnly: true }]),
    { source: checkpoint, target: places.checkpoint, isReadOnly: false },
    { source: options.shimPath, target: places.shim, isReadOnly: true },
    ...data,
    ...hiding,
  ];
}

const spliced = 'spliced';

const knownHidden = new WeakMap<System, KnownHidden>();

/** The later ones count more. */
async function overlaysOf(
  { system: { files: disk }, attempt, plan, data, files }: FolderOptions,
  work: string,
  checkpoint: string,
): Promise<readonly Overlay[]> {
  const overlays: Overlay[] = [];
  for (const { path, target, isFolder } of plan.links) overlays.push({ path, source: target, isReadOnly: true, isFolder });
  const stored = new Set(plan.topLevel.map(({ name }) => name));
  for (const path of plan.folders) {
    const source = join(work, path);
    await disk.makeFolder(source);
    // Elsewhere the folder can be written as it is.
    if (stored.has(path.split('/')[0] ?? '')) overlays.push({ path, source, isReadOnly: false, isFolder: true });
  }
  for (const { source, target, readOnly } of data) {
    if (!target.startsWith(`${places.work}/`)) continue;
    const path = target.slice(places.work.length + 1);
    const isFolder = (await disk.stat(source))?.isFolder ?? true;
    overlays.push({ path, source, isReadOnly: readOnly, isFolder });
  }
  for (const { path, content } of attempt.files) {
    if (!isInside(path)) throw new RangeError(`a spliced file must be stored in the snapshot: ${path}`);
    const source = join(files.attemptDir(attempt.key), spliced, path);
    await disk.makeFolder(dirname(source));
    await disk.writeText(`${source}.new`, content);
    await disk.rename(`${source}.new`, source);
    overlays.push({ path, source, isReadOnly: true, isFolder: false });
  }
  const { checkpointDir } = attempt;
  if (checkpointDir !== null) {
    const path = checkpointPlace(checkpointDir);
    overlays.push({ path, source: checkpoint, isReadOnly: false, isFolder: true });
  }
  return overlays;
}

function outside(data: ContainerSettings['mounts']): readonly ContainerMount[] {
  return data
    .filter(({ target }) => !target.startsWith(`${places.work}/`))
    .map(({ source, target, readOnly }) => ({ source, target, isReadOnly: readOnly }));
}
