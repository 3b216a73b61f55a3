import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { discoveredAgent } from '../client/index.ts';
import { cacheFolder, homeId } from '../client/home.ts';
import { connectCluster, readProfiles } from '../cluster/index.ts';
import { type AgentState, type DoctorOptions, examine, type Mended, repair } from '../doctor/doctor.ts';
import { engineOnDemand } from '../engine/index.ts';
import { awayStudies } from '../executors/kubernetes/awayStudies.ts';
import { StudyFolders } from '../executors/attempt/studyFolders.ts';
import type { Finding } from '../doctor/finding.ts';
import { HpoError } from '../protocol/errors.ts';
import type { StudyView } from '../protocol/view.ts';
import { lastHolder, openReadOnly } from '../store/index.ts';
import { nodeSystem } from '../system/node.ts';
import { nodeFiles } from '../system/nodeFiles.ts';
import { version } from '../version.ts';
import type { CommandLine } from './commandLine.ts';
import { findStudy } from './findStudy.ts';
import { isAgentOf } from './forceStop.ts';

export function doctorCommand(program: Command, line: CommandLine): void {
  program
    .command('doctor [study]')
    .description('check this installation and its studies: the journal, what trials printed, processes, files')
    .option('--repair', 'put right what can be; ends the agent first, while running trials go on')
    .option('--json', 'print JSON')
    .action((study: string | undefined, options: { readonly repair?: boolean; readonly json?: boolean }) =>
      doctor(line, study, options),
    );
}

async function doctor(
  line: CommandLine,
  study: string | undefined,
  { repair: isRepair = false, json: isJson = false }: { readonly repair?: boolean; readonly json?: boolean },
): Promise<void> {
  const { home } = line;
  const studyId = study === undefined ? undefined : idOf(home, study);
  const options = {
    home,
    cacheDir: cacheFolder(),
    folder: process.cwd(),
    version,
    system: nodeSystem(),
    engine: engineAccess(home),
    clusters: clusterAccess(home),
    studyId,
  };
  const mended = isRepair ? await mend(line, { ...options, agent: { type: 'none' }, studyId: undefined }) : [];
  const findings = await examine({ ...options, agent: await agentState(line, studyId) });
  const isOk = findings.every(({ state }) => state !== 'wrong');
  if (!isOk) line.exitCode = 1;
  if (isJson) {
    line.printJson({
      home,
      ok: isOk,
      repaired: mended.map(({ finding: { check, what }, done }) => ({ check, what, done })),
      checks: findings.map(({ mend: _mend, ...finding }) => finding),
    });
    return;
  }
  for (const { finding, done } of mended) {
    line.print(`${line.style('green', 'repaired'.padEnd(9))}${finding.check.padEnd(11)}${finding.what}`);
    line.print(`${' '.repeat(20)}${line.style('bold', 'done')}: ${done}`);
  }
  for (const finding of findings) show(line, finding);
  if (isOk) return;
  const canRepair = findings.some(({ state, mend: cure }) => state === 'wrong' && cure !== undefined);
  if (canRepair && !isRepair) line.note('what is wrong can be put right with: hpo doctor --repair');
}

/** As the agent of the home has it. */
function engineAccess(home: string): DoctorOptions['engine'] {
  const host = process.env['HPO_DOCKER_HOST'] || null;
  const images = join(home, 'images');
  return {
    connect: engineOnDemand(() => ({ host, environment: process.env })),
    labels: { 'hpo.home': new StudyFolders(home).homeMark },
    recipes: new Set(existsSync(images) ? readdirSync(images) : []),
  };
}

/** With the kubeconfig that each was connected by; no program of one runs that the user has not agreed to. */
function clusterAccess(home: string): DoctorOptions['clusters'] {
  return {
    profiles: () => readProfiles(home),
    connect: connectCluster,
    homeMark: () => homeId(home),
    away: () => awayStudies(nodeFiles, home),
  };
}

const colours = { ok: 'green', wrong: 'red', unknown: 'yellow' } as const;

function show(line: CommandLine, { state, check, what, next, studyId }: Finding): void {
  const whose = studyId === undefined || what.includes(studyId) ? '' : `${studyId}: `;
  line.print(`${line.style(colours[state], state.padEnd(9))}${check.padEnd(11)}${whose}${what}`);
  if (next !== undefined) line.print(`${' '.repeat(20)}${line.style('bold', 'next')}: ${next}`);
}

/** Read from the journal, as no agent may run. */
function idOf(home: string, text: string): string {
  const journal = join(home, 'journal.db');
  let studies: readonly string[] = [];
  if (existsSync(journal)) {
    using reader = openReadOnly(journal);
    studies = reader.studies();
  }
  return findStudy(
    studies.map((studyId) => ({ studyId })),
    text,
  ).studyId;
}

async function agentState(line: CommandLine, studyId: string | undefined): Promise<AgentState> {
  const { home } = line;
  try {
    const client = await line.runningAgent();
    if (client === null) return silentAgent(home) ?? { type: 'none' };
    const { pid, version: running, socket } = await client.request('agent/status', {});
    const shown = new Map<string, StudyView>();
    for (const { studyId: id } of (await client.request('study/list', {})).studies) {
      if (studyId === undefined || id === studyId) shown.set(id, await client.request('study/view', { studyId: id }));
    }
    return { type: 'running', pid, version: running, socket, shown };
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    const pid = discoveredAgent(home)?.pid ?? 0;
    return { type: 'unreachable', pid, why: `the agent cannot be asked: ${error.message}`, next: error.next };
  }
}

/** One that holds the journal and cannot be found. */
function silentAgent(home: string): AgentState | null {
  const pid = lastHolder(join(home, 'journal.db'));
  if (pid === null || !isAgentOf(pid, home)) return null;
  const why = `process ${pid} is the agent of ${home} and does not answer; it may just be starting`;
  return { type: 'unreachable', pid, why, next: 'wait a moment and look again; if it stays so: hpo agent stop --force' };
}

const endMs = 10_000;

async function mend(line: CommandLine, options: DoctorOptions): Promise<readonly Mended[]> {
  const client = await line.runningAgent();
  if (client !== null) {
    await client.request('agent/stop', {});
    await client.closed;
    line.forgetAgent();
    line.note('the agent was stopped for the repair; running trials go on, and the next command that needs it starts it again');
  }
  // It lets go of the journal a moment after it has closed its socket.
  for (const deadline = performance.now() + endMs; ; await delay(50)) {
    try {
      return await repair(options);
    } catch (error) {
      if (!(error instanceof HpoError && error.code === 'HPO-6001') || performance.now() > deadline) throw error;
    }
  }
}
