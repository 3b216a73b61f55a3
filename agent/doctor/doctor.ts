import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { discoveryFile, socketPath } from '../client/home.ts';
import { StudyFolders } from '../executors/attempt/studyFolders.ts';
import { AttemptOutputFiles } from '../executors/attempt/outputFile.ts';
import type { StudyView } from '../protocol/view.ts';
import { lockJournal, openReadOnly } from '../store/index.ts';
import type { System } from '../system/system.ts';
import { checkClusters, type ClusterAccess } from './clusters.ts';
import { checkContainers, type EngineAccess } from './containers.ts';
import { checkDisk, checkPorts, checkProgram, checkPython } from './facts.ts';
import { checkNames, type Finding } from './finding.ts';
import { readHome } from './home.ts';
import { type JournalLook, lookAtJournal } from './journal.ts';
import { folderObstacles, homeObstacle, journalObstacle } from './obstacle.ts';
import { readRecords } from './records.ts';
import { checkFolders, checkPrivacy, checkProcesses, checkRemains } from './remains.ts';
import { checkValues } from './values.ts';

/** The agent of the home, as far as it can be reached. */
export type AgentState =
  | {
      readonly type: 'running';
      readonly pid: number;
      readonly version: string;
      readonly socket: string;
      readonly shown: ReadonlyMap<string, StudyView>;
    }
  /** It says that it is there and cannot be talked to; `why` for people. */
  | { readonly type: 'unreachable'; readonly pid: number; readonly why: string; readonly next: string }
  | { readonly type: 'none' };

export interface DoctorOptions {
  readonly home: string;
  readonly cacheDir: string;
  /** The folder in which a script would be looked for. */
  readonly folder: string;
  readonly version: string;
  readonly system: System;
  readonly agent: AgentState;
  readonly engine: EngineAccess;
  readonly clusters: ClusterAccess;
  /** One study, or all. */
  readonly studyId?: string | undefined;
}

/**
 * Looks at an installation and all its studies: compares the journal with itself, with the agent, with what the trials
 * printed, with the processes and with the files that are there. Changes nothing, beside a running agent or without one.
 */
export async function examine(options: DoctorOptions, aside: string = asideFolder(options)): Promise<readonly Finding[]> {
  const { system, agent, studyId } = options;
  // The files first: whatever has a folder by now was in the journal before.
  const home = readHome(options.home, system.clock.now());
  const files = new StudyFolders(options.home);
  const shown = agent.type === 'running' ? agent.shown : new Map<string, StudyView>();
  const noHome = homeObstacle(options.home);
  const obstacle = journalObstacle(home.journal);
  const look = obstacle === null ? lookAtJournal({ home, studyId, shown, aside }) : { findings: [obstacle], records: null };
  const { records } = look;
  const socket = agent.type === 'running' ? agent.socket : null;
  const findings: Finding[] = [
    checkProgram(options.version),
    ...(noHome === null ? [...checkPrivacy(home, socket), ...folderObstacles(options.home)] : [noHome]),
    checkDisk(options.home),
    ...checkAgent(options),
    ...look.findings,
    checkPorts(agent.type === 'none' ? null : agent.pid),
    ...(await checkPython(options.folder, options.cacheDir, records)),
  ];
  if (records === null)
    findings.push({ check: 'values', state: 'unknown', what: 'not compared, as the journal cannot be trusted' });
  else findings.push(...(await checkValues(records, new AttemptOutputFiles(files, system.files))));
  // Of one study nothing can be said of what belongs to the others.
  if (studyId === undefined) {
    const liveNow = () => (obstacle === null ? liveAttempts(look, home.journal) : null);
    findings.push(...(await checkProcesses(system.processes, files, liveNow)));
    findings.push(...(await checkContainers(options.engine, records, liveNow)));
    findings.push(...(await checkClusters(options.clusters, records, liveNow)));
    findings.push(...checkFolders(home, files, records, { aside, hasAgent: agent.type !== 'none' }));
    findings.push(...checkRemains(home));
  }
  return findings.toSorted((a, b) => checkNames.indexOf(a.check) - checkNames.indexOf(b.check));
}

/** What one round of mending did, or why it could not. */
export interface Mended {
  readonly finding: Finding;
  readonly done: string;
}

/**
 * Mends what was found, a round at a time: what the journal says is needed to see what else is wrong. The caller has seen to
 * it that no agent runs; none can start meanwhile. Throws HPO-6001 where one does.
 */
export async function repair(options: DoctorOptions): Promise<readonly Mended[]> {
  const journal = join(options.home, 'journal.db');
  if (!existsSync(options.home)) return [];
  using _lock = lockJournal(journal);
  const aside = asideFolder(options);
  const mended: Mended[] = [];
  const tried = new Set<string>();
  for (;;) {
    const findings = await examine(options, aside);
    const next = findings.find(({ mend, what }) => mend !== undefined && !tried.has(what));
    if (next?.mend === undefined) return mended;
    tried.add(next.what);
    mended.push({ finding: next, done: await next.mend() });
  }
}

/** Damaged and unknown files of one repair; never deleted by this program. */
function asideFolder({ home, system }: DoctorOptions): string {
  return join(home, 'aside', new Date(system.clock.now()).toISOString().slice(0, 19).replaceAll(':', '-'));
}

/** The attempts that live by now: none without a journal; null where it cannot say. */
function liveAttempts({ records }: JournalLook, journal: string): ReadonlySet<string> | null {
  if ((statSync(journal, { throwIfNoEntry: false })?.size ?? 0) === 0) return new Set();
  if (records === null) return null;
  using reader = openReadOnly(journal);
  const { attempts } = readRecords(reader.read(null, 0), new Map(), { mayGoOn: () => true });
  return new Set([...attempts].flatMap(([text, { isLive }]) => (isLive ? [text] : [])));
}

function checkAgent({ home, agent, system }: DoctorOptions): readonly Finding[] {
  const check = 'agent';
  if (agent.type === 'running')
    return [{ check, state: 'ok', what: `version ${agent.version} runs as process ${agent.pid} and answers at ${agent.socket}` }];
  if (agent.type === 'unreachable') return [{ check, state: 'wrong', what: agent.why, next: agent.next }];
  const left = [discoveryFile(home), ...(process.platform === 'win32' ? [] : [socketPath(home, '')])].filter((path) =>
    existsSync(path),
  );
  const next = 'the next command that needs one starts it';
  if (left.length === 0) return [{ check, state: 'ok', what: `none runs; ${next}` }];
  return [
    {
      check,
      state: 'ok',
      what: `none runs; the last one was ended from outside and left ${left.join(', ')}, which does no harm: ${next}`,
      mend: async () => {
        for (const path of left) await system.files.remove(path);
        return `removed ${left.join(', ')}`;
      },
    },
  ];
}
