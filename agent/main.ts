/** The agent: one per user and home, started on demand, never tied to a window. usage: agent.cjs --home DIR [--idle-minutes N|never] */
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pino, { type Logger } from 'pino';
import { createStream } from 'rotating-file-stream';
import { cacheFolder, defaultHome, type Discovery, discoveryFile, homeId, makeHome, socketPath } from './client/home.ts';
import { Cleaner } from './clean.ts';
import { clusterImages, registriesOf, registryOfCode } from './preflight/cluster/clusterImages.ts';
import { clusterOnDemand, reachOwn } from './cluster/index.ts';
import { clusterOf } from './preflight/cluster/clusterOf.ts';
import { clusterTools } from './preflight/cluster/clusterTools.ts';
import { containerTools } from './preflight/container/containerTools.ts';
import { Driver } from './driver/driver.ts';
import type { Log } from './driver/ports.ts';
import { endAnyway, endOnSignals } from './ending.ts';
import { engineOnDemand } from './engine/index.ts';
import type { Executor } from './executors/executor.ts';
import { StudyFolders } from './executors/attempt/studyFolders.ts';
import { movedAway } from './executors/kubernetes/awayStudies.ts';
import { DockerExecutor } from './executors/docker/dockerExecutor.ts';
import { KubernetesExecutor } from './executors/kubernetes/kubernetesExecutor.ts';
import { LocalExecutor } from './executors/local/localExecutor.ts';
import { AttemptOutputFiles } from './executors/attempt/outputFile.ts';
import { Moves } from './moves.ts';
import { ImageStore, machineSecrets } from './packaging/image/index.ts';
import { SnapshotStore } from './packaging/snapshot.ts';
import { HpoError } from './protocol/errors.ts';
import { CodeImages, imagesOf } from './registry/codeImages.ts';
import type { ExecutorName } from './protocol/study.ts';
import { startProposer } from './proposerThread.ts';
import { AgentServer } from './server/server.ts';
import { AgentService } from './service.ts';
import { openJournal, SavedStates, type SqliteJournal } from './store/index.ts';
import { refuseNotAFile } from './store/notAFile.ts';
import { type Failpoints, failpointsOf, ProcessFailpoints } from './system/failpoints.ts';
import { nodeSystem } from './system/node.ts';
import type { System } from './system/system.ts';
import { version } from './version.ts';

const logName = 'agent.log';
const maxIdleCheckMs = 5_000;
/** A piece of the journal takes a few milliseconds to check: about a tenth of the time goes to it, for as long as it takes. */
const verifyPauseMs = 20;
/** The answer to the request to stop is on its way before the socket closes. */
const answerLeavesMs = 50;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { home: { type: 'string' }, 'idle-minutes': { type: 'string', default: '10' } } });
  const home = resolve(values.home ?? defaultHome());
  makeHome(home);
  const system = nodeSystem(failpointsOf(process.env['HPO_FAILPOINTS']));
  const journal = openAsOnlyWriter(home, system.failpoints);
  if (journal === null) return;
  const logger = openLog(home);
  try {
    await serve(home, idleMinutes(values['idle-minutes']) * 60_000, journal, logger, system);
  } finally {
    journal[Symbol.dispose]();
    endAnyway(join(home, logName));
  }
}

/** One in a cluster has nobody who would start it again. */
function idleMinutes(text: string): number {
  return text === 'never' ? Infinity : Number(text);
}

/** Of agents started at once, one gets the lock; the others end quietly and their clients find the one. */
function openAsOnlyWriter(home: string, failpoints: Failpoints): SqliteJournal | null {
  refuseLostJournal(home);
  try {
    return openJournal(join(home, 'journal.db'), { failpoints, onTakenOver: () => vanish(home) });
  } catch (error) {
    if (!(error instanceof HpoError && error.code === 'HPO-6001')) throw error;
    // Read by a client that finds no agent all the same.
    process.stderr.write(`${error.code} ${error.message}\n${error.next}\n`);
    return null;
  }
}

/** A new journal in the place of one that was lost would give its studies' numbers and folders away again. */
function refuseLostJournal(home: string): void {
  const folder = join(home, 'studies');
  // In this order: a study has its folder only after the journal was made.
  const studies = existsSync(folder) ? readdirSync(folder) : [];
  const journal = join(home, 'journal.db');
  refuseNotAFile(journal);
  if (studies.length === 0 || (statSync(journal, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  throw new HpoError(
    'HPO-6010',
    `The journal ${journal} is missing or empty, but the folders of its studies are there (${studies.length} in ${folder}). Nothing was changed.`,
    'Put the journal back from a backup, with its -wal; or run `hpo doctor --repair`: it moves the folders aside, and a new journal begins.',
  );
}

/**
 * Another agent is in charge, as this one was stopped for long and somebody deleted the lock's file. Socket, discovery file and
 * attempts are the other one's now, so this one must not even tidy up: it ends at once.
 */
function vanish(home: string): void {
  const line = { level: 50, time: Date.now(), pid: process.pid, msg: 'another agent has taken over; this one ends' };
  appendFileSync(join(home, logName), `${JSON.stringify(line)}\n`);
  process.kill(process.pid, 'SIGKILL');
}

async function serve(home: string, idleMs: number, journal: SqliteJournal, logger: Logger, system: System): Promise<void> {
  const log: Log = {
    info: (message, data) => logger.info(data ?? {}, message),
    error: (message, data) => logger.error(data ?? {}, message),
  };
  const { failpoints } = system;
  const token = randomBytes(24).toString('hex');
  const socket = socketPath(home, token);
  const snapshots = new SnapshotStore(join(home, 'snapshots'));
  const output = new AttemptOutputFiles(new StudyFolders(home), system.files);
  const stop = Promise.withResolvers<string>();
  endOnSignals(stop);
  // A client's terminal going away is no reason to end.
  process.on('SIGHUP', () => undefined);
  // It was stopped, for however long.
  if (process.platform !== 'win32') process.on('SIGCONT', () => void journal.isOurs());

  const dockerHost = process.env['HPO_DOCKER_HOST'] || null;
  const engine = engineOnDemand(() => ({ host: dockerHost, environment: process.env }));
  const mark = new StudyFolders(home).homeMark;
  const agentId = homeId(home);
  const images = new ImageStore({ dir: join(home, 'images'), mark, system, engine, secrets: () => machineSecrets() });
  await using clusters = clusterOnDemand();
  const registry = registriesOf(process.env);
  const codeImages = new CodeImages(system.files, home, registryOfCode(registry));
  const executors = new Map<ExecutorName, Executor>();
  using saved = openSaved(home, journal, log);
  await using driver = new Driver({
    journal,
    saved,
    clock: system.clock,
    failpoints,
    output,
    snapshots,
    log,
    proposer: startProposer,
    onForgotten: () => limitImages(cleaner, log),
    executors: (listener) => {
      const options = { system, homeDir: home, snapshots, listener, environment: process.env };
      executors.set('local', new LocalExecutor(options));
      executors.set('docker', new DockerExecutor({ ...options, images, engine }));
      const cluster = clusterOf({ home, clusters, environment: process.env });
      executors.set(
        'kubernetes',
        new KubernetesExecutor({
          ...options,
          cluster,
          homeMark: agentId,
          epoch: journal.epoch,
          movedAway: () => movedAway(journal.read(null, 0)),
          codeImages: {
            remove: (digest, since) => codeImages.removeOf(digest, imagesOf(driver.views()), since),
            giveAway: (digest) => codeImages.giveAway(digest),
          },
        }),
      );
      return executors;
    },
  });
  const cleaner = new Cleaner({
    views: () => driver.views(),
    executors: () => executors.values(),
    snapshots,
    engine,
    labels: { 'hpo.home': mark },
    images,
  });
  await driver.open().catch((error: unknown) => {
    throw journal.explain(error);
  });
  const service = new AgentService({
    driver,
    output,
    snapshots,
    socket,
    home,
    cacheDir: cacheFolder(),
    dockerHost,
    dockerHostVariable: process.env['DOCKER_HOST'] || null,
    cleaner,
    reach: () => reachOwn(process.env),
    agentId,
    moves: new Moves({
      home,
      agentId,
      driver,
      journal,
      snapshots,
      clock: system.clock,
      leaveAlone: async (studyId) => {
        for (const executor of executors.values()) await executor.release?.(studyId, { removeFiles: false });
      },
    }),
    clusters: clusterTools({
      home,
      clusters,
      images: clusterImages({
        registry,
        codeImages,
        engine,
        ensure: (recipe, progress) => images.ensure(recipe, progress),
        mountPlan: (hash) => snapshots.mountPlan(hash),
        builds: { clock: system.clock, homeMark: mark, secrets: () => machineSecrets(), environment: process.env },
      }),
      homeMark: agentId,
      environment: process.env,
    }),
    containers: containerTools({ engine, images, cacheDir: cacheFolder(), environment: process.env, home }),
    requestStop: () => setTimeout(() => stop.resolve('asked to stop'), answerLeavesMs),
  });
  await using server = new AgentServer({ socket, token, service, log });
  await server.listen();
  driver.onFault((fault) => server.tell(fault === null ? 'The journal is written again: everything goes on.' : messageOf(fault)));
  failpoints.step('agent.discovery', () => writeDiscovery(home, { pid: process.pid, version, socket, token }, failpoints));
  const verifying = verifyJournal(journal, () => {
    log.error('the journal is damaged', { error: String(journal.failure) });
    if (journal.failure !== null) server.tell(messageOf(journal.failure));
  });
  log.info('the agent listens', { socket, version, pid: process.pid });

  const idle = setInterval(
    () => {
      const { quietSince } = server;
      journal.isOurs();
      if (quietSince !== null && !driver.isBusy && Date.now() - quietSince > idleMs) stop.resolve('idle');
    },
    Math.min(maxIdleCheckMs, idleMs),
  );
  const reason = await stop.promise;
  clearInterval(idle);
  verifying[Symbol.dispose]();
  log.info('the agent ends', { reason, ...(failpoints instanceof ProcessFailpoints ? { failpoints: failpoints.passed } : {}) });
  rmSync(discoveryFile(home), { force: true });
}

/** Where the engine is away, the next deletion or `hpo clean` does it. */
function limitImages(cleaner: Cleaner, log: Log): void {
  cleaner.limitImages().catch((error: unknown) => log.info('images could not be looked at', { error: String(error) }));
}

/** Null where there can be none, as on a full disk: the journal is folded then. */
function openSaved(home: string, journal: SqliteJournal, log: Log): SavedStates | null {
  try {
    return new SavedStates(join(home, 'folded.db'), thisProgram(), journal);
  } catch (error) {
    log.error('saved states cannot be kept', { error: String(error) });
    return null;
  }
}

/** Tells this program from any other: a state is only read by the one that folded it. */
function thisProgram(): string {
  return createHash('sha256')
    .update(readFileSync(process.argv[1] ?? ''))
    .digest('hex');
}

/** Checks what earlier agents wrote, a piece at a time, while there is other work to do. */
function verifyJournal(journal: SqliteJournal, onDamage: () => void): Disposable {
  const timer = setInterval(() => {
    if (journal.verifySome()) return;
    clearInterval(timer);
    if (journal.failure?.code === 'HPO-6005') onDamage();
  }, verifyPauseMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function messageOf(fault: Error): string {
  return fault instanceof HpoError ? `${fault.message} ${fault.next}` : fault.message;
}

/** Written aside and renamed, so that no client reads half of it. */
function writeDiscovery(home: string, discovery: Discovery, failpoints: Failpoints): void {
  const path = discoveryFile(home);
  writeFileSync(`${path}.new`, failpoints.written('agent.discovery', JSON.stringify(discovery)), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function openLog(home: string): Logger {
  const stream = createStream(logName, { path: home, size: '5M', maxFiles: 5, mode: 0o600 });
  return pino({ base: { pid: process.pid } }, stream);
}

main().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof HpoError ? `${error.code} ${error.message}\n${error.next}` : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = 1;
});
