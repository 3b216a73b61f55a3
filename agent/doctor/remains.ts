import { chmodSync, existsSync, rmSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StudyFolders } from '../executors/attempt/studyFolders.ts';
import type { Processes } from '../system/processes.ts';
import { type Finding, repairCommand } from './finding.ts';
import type { HomeFiles } from './home.ts';
import { moveAside } from './journal.ts';
import type { Records } from './records.ts';

/** What an attempt that has just ended leaves running is ended within this time. */
const tidyMs = 1_500;
const graceMs = 2_000;

/** Processes with our mark that belong to no attempt that lives. `liveNow` is asked again before anything is said. */
export async function checkProcesses(
  processes: Processes,
  files: StudyFolders,
  liveNow: () => ReadonlySet<string> | null,
): Promise<readonly Finding[]> {
  if (!processes.hasShell)
    return [{ check: 'processes', state: 'unknown', what: 'whose a process is cannot be seen on this system' }];
  const marks = new Set<string>();
  const orphans = (live: ReadonlySet<string>): Promise<readonly number[]> =>
    processes.findMarked((mark) => {
      const key = files.keyOf(mark);
      if (key === null || live.has(`${key.studyId}/${key.trial}/${key.attempt}`)) return false;
      marks.add(mark.slice(0, mark.lastIndexOf('@')));
      return true;
    });
  const before = liveNow();
  if (before === null)
    return [{ check: 'processes', state: 'unknown', what: 'not looked at, as the journal cannot say which attempts live' }];
  const first = await orphans(before);
  if (first.length > 0) await delay(tidyMs);
  marks.clear();
  const left = first.length === 0 ? [] : (await orphans(liveNow() ?? before)).filter((pid) => first.includes(pid));
  if (left.length === 0)
    return [{ check: 'processes', state: 'ok', what: `none runs for an attempt that has ended; ${before.size} attempts run` }];
  return [
    {
      check: 'processes',
      state: 'wrong',
      what: `${left.length} processes (${left.join(', ')}) run for attempts that count no more: ${[...marks].join(', ')}. They take processors and memory, and nobody reads what they find out`,
      next: `${repairCommand}: it ends them`,
      mend: async () => {
        for (const pid of left) processes.send(pid, 'SIGTERM');
        await delay(graceMs);
        for (const pid of await processes.findMarked((mark) => marks.has(mark.slice(0, mark.lastIndexOf('@')))))
          if (left.includes(pid)) processes.send(pid, 'SIGKILL');
        return `ended ${left.length} processes: ${left.join(', ')}`;
      },
    },
  ];
}

/** Folders of studies, attempts and stored code to which the journal does not refer. */
export function checkFolders(
  home: HomeFiles,
  files: StudyFolders,
  records: Records | null,
  { aside, hasAgent }: { readonly aside: string; readonly hasAgent: boolean },
): readonly Finding[] {
  const check = 'folders';
  if (records === null)
    return [{ check, state: 'unknown', what: 'not compared, as the journal cannot say which studies and attempts there are' }];
  const findings: Finding[] = [];
  const unknown = [...home.studies.keys()].filter((id) => !records.views.has(id) && !records.deleted.has(id));
  if (unknown.length > 0) {
    const paths = unknown.map((id) => join(home.path, 'studies', id));
    findings.push({
      check,
      state: 'wrong',
      what: `the journal knows nothing of the studies in ${paths.join(', ')}: they are another journal's, or their events are lost`,
      next: `put back the journal that they belong to; or ${repairCommand}: it moves them aside`,
      mend: () => `moved to ${moveAside(paths, join(aside, 'studies'))}: ${unknown.join(', ')}`,
    });
  }
  // A running agent is about to remove them.
  const deleted = hasAgent ? [] : [...home.studies.keys()].filter((id) => records.deleted.has(id));
  if (deleted.length > 0) {
    findings.push({
      check,
      state: 'wrong',
      what: `${deleted.length} deleted studies still have folders: ${deleted.join(', ')}`,
      next: `nothing: the next agent removes them; or ${repairCommand}`,
      mend: () => {
        for (const id of deleted) rmSync(files.studyDir(id), { recursive: true, force: true });
        return `removed the folders of ${deleted.length} deleted studies`;
      },
    });
  }
  findings.push(...unknownAttempts(home, files, records, aside));
  const kept = new Set([...records.views.values()].map(({ spec }) => spec.snapshot));
  const missing = [...records.views.values()].filter(
    ({ state, spec }) => state !== 'ended' && !home.snapshots.includes(spec.snapshot),
  );
  for (const { studyId, spec } of missing) {
    const what = `the stored code ${spec.snapshot.slice(0, 12)}… of ${studyId} is gone: no further trial of it can start`;
    findings.push({
      check,
      state: 'wrong',
      what,
      next: `stop the study (hpo stop ${studyId}) and tune the script again with --from ${studyId}`,
      studyId,
    });
  }
  const unused = home.snapshots.filter((hash) => !kept.has(hash));
  if (findings.length === 0) {
    const rest = unused.length === 0 ? '' : `; ${unused.length} copies of code that no study uses are removed by the next agent`;
    findings.push({ check, state: 'ok', what: `${home.studies.size} studies have folders, each is known${rest}` });
  }
  return findings;
}

/** A trial that is started under the number of a forgotten one would take its folder for its own. */
function unknownAttempts(home: HomeFiles, files: StudyFolders, { views, attempts }: Records, aside: string): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [studyId, keys] of home.studies) {
    if (!views.has(studyId)) continue;
    const unknown = keys.filter(({ trial, attempt }) => !attempts.has(`${studyId}/${trial}/${attempt}`));
    if (unknown.length === 0) continue;
    const shown = unknown.map(({ trial, attempt }) => `${trial}/attempt-${attempt}`).join(', ');
    findings.push({
      check: 'folders',
      state: 'wrong',
      what: `${studyId} has folders of attempts that the journal knows nothing of: ${shown}. What was last written to the journal is lost (was its -wal removed?)`,
      next: `put back the journal with its -wal; or ${repairCommand}: it moves the folders aside, and the trials are run again`,
      studyId,
      mend: () => {
        for (const key of unknown)
          moveAside([files.attemptDir(key)], join(aside, 'studies', studyId, 'trials', String(key.trial)));
        return `moved ${unknown.length} folders of attempts of ${studyId} to ${aside}`;
      },
    });
  }
  return findings;
}

/** Files that an interrupted step left. */
export function checkRemains({ unfinished: paths }: HomeFiles): readonly Finding[] {
  if (paths.length === 0) return [{ check: 'remains', state: 'ok', what: 'no step was left half done' }];
  return [
    {
      check: 'remains',
      state: 'wrong',
      what: `${paths.length} files were left by something that was interrupted: ${paths.slice(0, 5).join(', ')}${paths.length > 5 ? ' …' : ''}. They take room only`,
      next: `${repairCommand}: it removes them`,
      mend: () => {
        for (const path of paths) rmSync(path, { recursive: true, force: true });
        return `removed ${paths.length} files`;
      },
    },
  ];
}

/** Of what a link leads to: the rights of a link mean nothing. Null for what is not there, and for what this user may not see. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}

/** What others of this machine could read or write. */
export function checkPrivacy(home: HomeFiles, socket: string | null): readonly Finding[] {
  const check = 'home';
  if (process.platform === 'win32')
    return [{ check, state: 'ok', what: `${home.path}; who may read it is up to the user's data folder` }];
  const folders = [join(home.path, 'run'), join(home.path, 'studies'), join(home.path, 'snapshots')];
  const names = [
    'journal.db',
    'journal.db-wal',
    'journal.db-shm',
    'journal.db.lock',
    'journal.db.end',
    'folded.db',
    'folded.db-wal',
    'folded.db-shm',
    'agent.log',
    'run/agent.json',
    'run/agent.stderr',
  ];
  const sockets = socket === null ? [] : [socket];
  const isOpen = (path: string, bits: number): boolean => ((statOf(path)?.mode ?? 0) & bits) !== 0;
  // What is there instead of a file or a folder holds nothing of this, and is told as what it is.
  const kept = [
    ...folders.filter((path) => statOf(path)?.isDirectory() === true),
    ...names.map((name) => join(home.path, name)).filter((path) => statOf(path)?.isFile() === true),
  ];
  const secret = [...kept, ...sockets, ...sockets.map((path) => dirname(path))];
  // A home that the user made may be seen; what is in it may not, and nobody else may put anything there.
  const open = [...secret.filter((path) => isOpen(path, 0o077)), ...[home.path].filter((path) => isOpen(path, 0o022))];
  if (open.length === 0) return [{ check, state: 'ok', what: `${home.path}; what is in it is for its owner alone` }];
  return [
    {
      check,
      state: 'wrong',
      what: `other users of this machine may get at ${open.join(', ')}: in there is your code, and what trials print`,
      next: `${repairCommand}: it takes away their rights`,
      mend: () => {
        for (const path of open) if (existsSync(path)) chmodSync(path, statOf(path)?.isDirectory() === true ? 0o700 : 0o600);
        return `${open.length} files and folders are for their owner alone now`;
      },
    },
  ];
}
