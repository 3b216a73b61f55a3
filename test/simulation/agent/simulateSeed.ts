import { setImmediate as settled } from 'node:timers/promises';
import type { V1ObjectMeta } from '@kubernetes/client-node';
import type { InvariantName, Violation } from '../../../agent/audit/invariants.ts';
import { createRng, type Rng } from '../../../agent/core/math/index.ts';
import { failpointNames } from '../../../agent/system/failpoints.ts';
import { isFailed } from '../../../agent/cluster/jobStatus.ts';
import { sweepLabel } from '../../../agent/executors/kubernetes/names.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import type { AttemptKey } from '../../../agent/protocol/study.ts';
import type { StudyCommand } from '../../../agent/protocol/requests.ts';
import { type Fault, Killed, type Place, requestFaults } from '../machine/agentProcess.ts';
import { Machine, type MachineOptions } from '../machine/machine.ts';
import { Checker, keyOf } from './checker.ts';
import { JournalDisk } from './journalDisk.ts';
import { isTraining, keyOfContainer, strikeEngine } from './engineCalamities.ts';
import {
  type Calamity,
  type ClusterCalamity,
  type Deed,
  drawScenario,
  engineCalamities,
  type EngineCalamity,
  type Scenario,
  type SimulatedExecutor,
} from './scenario.ts';
import { Kube } from '../machine/cluster/kube.ts';
import type { PodRun } from '../machine/cluster/podRun.ts';
import { strikeCluster } from './clusterCalamities.ts';
import { simulatedImage } from './images.ts';
import { homeDir, SimulatedAgent } from './simulatedAgent.ts';
import { training } from './training.ts';

export interface SeedResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly checks: ReadonlyMap<InvariantName, number>;
  /** Faults that were injected, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  readonly steps: number;
  /** What happened, line by line; empty unless asked for. */
  readonly trace: readonly string[];
}

/** How long a client waits before it starts an agent where it finds none, in ms. */
const clientMs = 400;
/** After the calm everything must come to its end in this time. */
const patienceMs = 3_600_000;
/** After the calm has begun the engine is there again within this time, and has done what it was asked to before. */
const engineBackMs = 15 * 60_000;
/** How long an agent with nothing to do stays, in ms; a real one stays longer. */
const quietMs = 15_000;
/** The same where it has something to clean up, and the engine was away until now. */
const cleanupMs = 150_000;
/**
 * A study has tried again what it tries again, and says why it waits, after so many ms without an engine: a request that went out before
 * waits a minute for its answer, and three waits of 1, 4 and 16 s follow, each up to half as long again.
 */
const saysSoMs = 100_000;
const maxSteps = 40_000;
const cpus = 4;
/** Most requests of an agent to the cluster in any minute, beyond those that go with each attempt that begins in it. */
const maxRequests = 600;

/** Lives one seed through: agents, programs, a user, faults; then a calm in which all must come to its end. */
export async function simulateSeed(seed: number, executor: SimulatedExecutor, isTraced = false): Promise<SeedResult> {
  using world = new World(drawScenario(seed, executor), isTraced);
  return await world.run();
}

class World implements Disposable {
  readonly #scenario: Scenario;
  readonly #isTraced: boolean;
  readonly #rng: Rng;
  readonly #faultRng: Rng;
  readonly #machine: Machine;
  /** Beside it, where its studies run in pods. */
  readonly #kube: Kube | null;
  readonly #disk: JournalDisk;
  readonly #checker: Checker;
  readonly #agents: SimulatedAgent[] = [];
  readonly #closed = new Set<SimulatedAgent>();
  readonly #faults = new Map<string, number>();
  readonly #trace: string[] = [];
  readonly #places = new Set<string>(failpointNames);
  /** Studies whose creation was acknowledged. */
  readonly #created = new Set<string>();
  readonly #receipts: { readonly seq: number; readonly hash: string }[] = [];
  #isCalm = false;
  /** The user closes the last window. */
  #isLeaving = false;
  #isOver = false;
  #quietSince = 0;
  #mayHaveCommitted = false;
  /** What a client that follows the journal has heard of. */
  #heard = 0;
  #followed: SimulatedAgent | null = null;
  #nResumed = 0;
  /** Since when, in the calm, the engine does not run; null while it does. */
  #downSince: number | null = null;

  constructor(scenario: Scenario, isTraced: boolean) {
    this.#scenario = scenario;
    this.#isTraced = isTraced;
    this.#rng = createRng(scenario.seed, 0x77);
    this.#faultRng = createRng(scenario.seed, 0xfa);
    this.#disk = new JournalDisk(`seed-${scenario.seed}`);
    this.#checker = new Checker(this.#disk, () => this.#machine.timeline.now);
    if (isTraced) this.#checker.onEntry = ({ studyId, event }) => this.#log(`recorded: ${studyId} ${JSON.stringify(event)}`);
    const now = (): number => this.#machine.timeline.now;
    const train = training(scenario, now, (run) => {
      this.#log(`program ${run.key.studyId}/${run.key.trial}/${run.key.attempt} begins as ${run.process.pid}`);
      this.#checker.began(run);
    });
    const program: MachineOptions['program'] = ([name]) => (name === 'python' ? train : null);
    const { seed } = scenario;
    this.#machine = new Machine({ seed, program });
    const { timeline } = this.#machine;
    this.#kube =
      scenario.executor === 'kubernetes'
        ? new Kube({ seed, timeline, program, ...scenario.cluster, onRotate: (run) => this.#rotated(run) })
        : null;
    this.#kube?.store.onChange(({ kind, type, object }) => {
      const phase = 'status' in object && object.status !== undefined && 'phase' in object.status ? object.status.phase : '';
      const isGoing = object.metadata?.deletionTimestamp !== undefined;
      this.#log(`cluster: ${type} ${kind} ${object.metadata?.name} ${phase}${isGoing ? ', to be deleted' : ''}`);
    });
    this.#checker.isOutOfReach = ({ process }) => {
      const run = this.#kube?.runs.find(({ kernel }) => kernel.processes.includes(process));
      const node = run === undefined ? null : this.#kube?.nodeOf(run);
      return node?.isCutOff === true || node?.isUnknown === true;
    };
    if (scenario.executor === 'docker') this.#machine.engine.addImage(simulatedImage);
  }

  async run(): Promise<SeedResult> {
    const { studies, calmAt, agentsAtOnce } = this.#scenario;
    const { timeline } = this.#machine;
    for (let n = 0; n < agentsAtOnce; n++) this.#startAgent();
    for (const { studyId, at } of studies) timeline.after(at, () => this.#create(studyId));
    timeline.after(clientMs, () => this.#client());
    timeline.after(this.#wait(this.#scenario.calamityMs), () => this.#calamity());
    timeline.after(this.#wait(this.#scenario.deedMs), () => this.#deed());
    timeline.after(calmAt, () => this.#calm());
    // It would end a real agent.
    const onRejection = (error: unknown): void =>
      void (error instanceof Killed || this.#fail(`a rejection that nobody handles: ${String(error)}`));
    process.on('unhandledRejection', onRejection);
    using _rejections = { [Symbol.dispose]: () => void process.off('unhandledRejection', onRejection) };
    let steps = 0;
    for (; !this.#isOver && this.#checker.violations.length === 0; steps++) {
      if (!timeline.step()) this.#fail('nothing happens any more');
      await settled();
      if (this.#mayHaveCommitted) this.#checker.look();
      this.#mayHaveCommitted = false;
      if (timeline.now > calmAt + patienceMs || steps > maxSteps) {
        const states = [...this.#checker.views].map(({ studyId, state, message }) => `${studyId} ${state} ${message}`);
        this.#fail(
          `${steps} steps and ${Math.round(timeline.now / 1000)} s went by without an end: ${states.join(', ')}; agents: ${this.#agents.filter(({ isAlive }) => isAlive).length}`,
        );
      }
    }
    if (this.#checker.violations.length === 0) this.#checkEnd();
    const { violations, checks } = this.#checker;
    return { seed: this.#scenario.seed, violations, checks, faults: this.#faults, steps, trace: this.#trace };
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents) {
      agent.process.die('the simulation is over');
      agent.close();
    }
    this.#disk[Symbol.dispose]();
  }

  #log(line: string): void {
    if (this.#isTraced) this.#trace.push(`${this.#machine.timeline.now.toFixed(1).padStart(9)} ${line}`);
  }

  #fail(what: string): void {
    this.#checker.check('progress', false, null, () => what);
  }

  #wait(meanMs: number): number {
    return -Math.log(1 - this.#rng.next()) * meanMs;
  }

  // Agents

  #startAgent(): void {
    const name = `agent ${this.#agents.length}`;
    this.#log(`${name} starts`);
    const agent: SimulatedAgent = new SimulatedAgent({
      machine: this.#machine,
      journalPath: this.#disk.path,
      cpus,
      executor: this.#scenario.executor,
      kube: this.#kube,
      faults: (place) => this.#faultAt(place, name),
      log: (line) => this.#log(`${name}: ${line}`),
      onAppend: () => {
        this.#mayHaveCommitted = true;
      },
      onDeath: (cause) => {
        this.#log(`${name} ends: ${cause}`);
        const isExpected = !cause.startsWith('uncaught') || cause.includes('injected at');
        this.#checker.check('progress', isExpected, null, () => `${name} ended: ${cause}`);
        // Its files are closed when its code has come to a stop.
        this.#machine.timeline.after(0, () => this.#close(agent));
      },
    });
    this.#agents.push(agent);
  }

  #close(agent: SimulatedAgent): void {
    if (this.#closed.has(agent)) return;
    this.#closed.add(agent);
    agent.close();
  }

  /** The agent that clients find. */
  get #current(): SimulatedAgent | null {
    return this.#agents.findLast((agent) => agent.isReady && agent.isAlive && !agent.isStopping) ?? null;
  }

  #faultAt(place: Place, name: string): Fault | null {
    const isNamed = this.#places.has(place);
    if (this.#machine.disk.isFull && (place === 'journal.append' || place === 'journal.epoch')) return 'ENOSPC';
    if (this.#isCalm) return null;
    const { perPlace, perCall, perRequest } = this.#scenario;
    const chance = isNamed ? perPlace : isRequest(place) ? perRequest : perCall;
    if (this.#faultRng.next() >= chance) return null;
    const fault = this.#faultOf(place);
    if (fault === null) return null;
    this.#count(`${fault} ${place}`);
    if (place.startsWith('files.') && !fault.startsWith('kill')) this.#checker.excuses.hadReadFault = true;
    this.#log(`${name}: ${fault} ${place}`);
    return fault;
  }

  #faultOf(place: Place): Fault | null {
    const kills: readonly Fault[] = ['kill before', 'kill after'];
    const errors: readonly Fault[] = ['EIO', 'ENOSPC'];
    // Rarely: an agent that dies at each request comes to nothing.
    if (isRequest(place)) {
      const all: readonly Fault[] = this.#faultRng.next() < 0.1 ? kills : requestFaults;
      return all[this.#faultRng.int(all.length)] ?? null;
    }
    const possible: readonly Fault[] =
      place === 'journal.append' || place === 'journal.checkpoint'
        ? [...kills, ...errors, 'EIO after']
        : place === 'turn.tell' || place === 'processes.signalGroup' || place === 'processes.send' || place === 'attempt.stop'
          ? kills
          : place === 'files.writeText' || place === 'files.writeAt' || place === 'attempt.loss'
            ? [...kills, ...errors, 'short write']
            : place === 'files.copyFolder'
              ? [...kills, ...errors, 'short write']
              : [...kills, ...errors];
    return possible[this.#faultRng.int(possible.length)] ?? null;
  }

  #count(kind: string): void {
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1);
  }

  // A client

  #create(studyId: string): void {
    const agent = this.#current;
    const again = (): void => void this.#machine.timeline.after(clientMs, () => this.#create(studyId));
    if (agent === null) return again();
    if (this.#checker.view(studyId) !== undefined) return;
    const spec = this.#scenario.studies.find((study) => study.studyId === studyId)?.spec;
    if (spec === undefined) return;
    this.#ask(agent, studyId, 'create', (driver) => driver.createStudy(studyId, spec), again);
  }

  #command(studyId: string, command: StudyCommand): void {
    const agent = this.#current;
    if (agent !== null)
      this.#ask(
        agent,
        studyId,
        command,
        (driver) => driver.command(studyId, command),
        () => {},
      );
  }

  #ask(
    agent: SimulatedAgent,
    studyId: string,
    command: StudyCommand | 'create',
    send: (driver: NonNullable<SimulatedAgent['driver']>) => Promise<void>,
    refused: () => void,
  ): void {
    this.#checker.look();
    const sentAtSeq = this.#checker.lastSeq;
    const view = this.#checker.view(studyId);
    const before = view === undefined ? undefined : { state: view.state, parallel: view.parallel };
    const what = command === 'create' ? 'create' : JSON.stringify(command);
    this.#log(`the user asks of ${studyId}: ${what}`);
    let isAnswered = false;
    agent.process.deliver(() => {
      if (agent.driver === null) return;
      send(agent.driver).then(
        () => {
          isAnswered = true;
          if (agent.process.isDead) {
            if (command === 'create') refused();
            return;
          }
          this.#log(`acknowledged: ${studyId} ${what}`);
          if (command === 'create') this.#created.add(studyId);
          this.#receipts.push(this.#checker.acknowledged(studyId, command, sentAtSeq, before));
        },
        (error: unknown) => {
          isAnswered = true;
          this.#log(`refused: ${studyId} ${what}: ${error instanceof HpoError ? error.code : String(error)}`);
          refused();
        },
      );
    });
    // Whoever gets no answer looks, and asks again.
    this.#machine.timeline.after(5_000, () => {
      if (!isAnswered) refused();
    });
  }

  /** What every window does: finds an agent or starts one, and follows the journal. */
  #client(): void {
    if (this.#isLeaving) return;
    this.#machine.timeline.after(clientMs, () => this.#client());
    const agent = this.#current;
    if (agent === null) {
      const nStarting = this.#agents.filter((other) => other.isAlive && !other.process.isStopped && !other.isStopping).length;
      if (nStarting === 0) this.#startAgent();
      return;
    }
    this.#follow(agent);
    if (!agent.process.isStopped && this.#rng.next() < 0.05) this.#compare(agent);
    if (this.#isCalm) this.#finish(agent);
  }

  #follow(agent: SimulatedAgent): void {
    if (this.#followed === agent) return;
    this.#followed = agent;
    agent.process.deliver(() =>
      agent.driver?.subscribe(null, this.#heard, (entries) => {
        if (this.#followed !== agent || agent.process.isDead) return;
        this.#checker.heard(entries, this.#heard);
        this.#heard = entries.at(-1)?.seq ?? this.#heard;
      }),
    );
  }

  #compare(agent: SimulatedAgent): void {
    const { driver } = agent;
    if (driver === null || driver.fault !== null || agent.process.isDead) return;
    for (const view of driver.views()) this.#checker.compare(view);
  }

  /** In the calm: waits for the end of all studies, and ends the agent. */
  #finish(agent: SimulatedAgent): void {
    const { driver } = agent;
    const isAway = this.#machine.engine.isAway || this.#kube?.isAway === true;
    if (driver === null || agent.process.isStopped) return;
    let isDone = this.#scenario.studies.every(({ studyId }) => this.#checker.view(studyId) !== undefined);
    for (const { studyId, state, deleted } of driver.views()) {
      if (deleted || state === 'ended') continue;
      isDone = false;
      // Who sees what it waits for resumes it when that is there again.
      if (state !== 'paused' || isAway) continue;
      this.#command(studyId, this.#nResumed++ < 4 ? { type: 'resume' } : { type: 'stop' });
    }
    const { now } = this.#machine.timeline;
    this.#checkWaiting();
    if (!isDone || driver.isBusy || isAway) this.#quietSince = now;
    // What could not be cleaned up is tried again soon; the last agent stays that long.
    if (now - this.#quietSince < (this.#isTidy ? quietMs : cleanupMs)) return;
    this.#compare(agent);
    this.#isLeaving = true;
    agent.stop();
    this.#machine.timeline.after(60_000, () => {
      this.#isOver = true;
    });
  }

  /** A study without an engine says that it waits; but for attempts whose containers may go on, nobody knows how. */
  #checkWaiting(): void {
    const { engine, timeline } = this.#machine;
    if (!engine.isDown) this.#downSince = null;
    else this.#downSince ??= timeline.now;
    if (this.#downSince === null || timeline.now - this.#downSince < saysSoMs) return;
    this.#downSince = Infinity;
    const contained = new Set(engine.containers.map((container) => keyOfContainer(container).studyId));
    for (const { studyId, state, message, failure, deleted, trials } of this.#checker.views) {
      // What began before cannot be known to have ended.
      const hasBegun = trials.some(({ attempts }) => attempts.at(-1)?.startedAt != null && attempts.at(-1)?.endedAt === null);
      if (deleted || hasBegun || contained.has(studyId)) continue;
      // It may have been paused for something else: by its user, for a fault before the calm, or because all fails alike.
      const isAbout =
        state === 'paused' &&
        ((failure?.code !== 'HPO-3010' && failure?.code !== 'HPO-3020') || /\(HPO-24\d\d\)|: injected at /.test(message));
      this.#checker.check(
        'progress',
        state === 'ended' || isAbout,
        studyId,
        () => `it is ${state} without an engine, and says nothing of that: ${message}`,
      );
    }
  }

  get #isTidy(): boolean {
    const { disk, engine } = this.#machine;
    if (this.#scenario.executor === 'local') return true;
    const isLeft = disk.names(`${homeDir}/studies`).some((studyId) => this.#checker.view(studyId)?.deleted === true);
    return engine.containers.length === 0 && this.#inCluster.length === 0 && !isLeft && this.#halfWritten.length === 0;
  }

  /** Files that an agent left half written. */
  get #halfWritten(): readonly string[] {
    return [...this.#machine.disk.paths(`${homeDir}/studies`)].filter((path) => /\.new$|exit\.json\.lost$/.test(path));
  }

  #rotated({ environment }: PodRun): void {
    this.#count('log rotated');
    const { HPO_STUDY: studyId = '', HPO_TRIAL: trial, HPO_ATTEMPT: attempt } = environment;
    this.#checker.rotated.add(keyOf({ studyId, trial: Number(trial), attempt: Number(attempt) }));
  }

  /** What studies have on the cluster. What failed to remove what one kept stays, as it says so. */
  get #inCluster(): readonly string[] {
    const own = new Set(['Job', 'Pod', 'ConfigMap', 'Secret']);
    const failed = (this.#kube?.store.list('Job', { [sweepLabel]: 'yes' }) ?? []).filter(isFailed);
    const excused = new Set(failed.map(({ metadata }) => metadata?.uid));
    const isExcused = ({ uid, ownerReferences = [] }: V1ObjectMeta = {}): boolean =>
      excused.has(uid) || ownerReferences.some((owner) => excused.has(owner.uid));
    return [...(this.#kube?.store.all() ?? [])]
      .filter(({ kind, object }) => own.has(kind) && !isExcused(object.metadata))
      .map(({ kind, object }) => `${kind} ${object.metadata?.name}`);
  }

  // What happens to it

  #calm(): void {
    this.#isCalm = true;
    this.#machine.disk.isFull = false;
    for (const agent of this.#agents) if (agent.process.isStopped) agent.thaw(this.#rng.next() < 0.5);
    // Who pauses a container without a deadline continues it.
    for (const container of this.#machine.engine.containers)
      if (this.#checker.view(keyOfContainer(container).studyId)?.spec.limits.timeoutMs === null) container.resume();
    // What was done to the engine last may take some time to be over.
    this.#machine.timeline.after(engineBackMs, () => {
      this.#checker.isEngineWell = true;
    });
    this.#log('the calm begins');
  }

  #deed(): void {
    if (this.#isCalm) return;
    this.#machine.timeline.after(this.#wait(this.#scenario.deedMs), () => this.#deed());
    const { deeds, studies } = this.#scenario;
    const deed = deeds[this.#rng.int(Math.max(1, deeds.length))];
    const study = studies[this.#rng.int(studies.length)];
    if (deed === undefined || study === undefined || !this.#created.has(study.studyId)) return;
    // What cannot be taken back is rare.
    if ((deed === 'stop' || deed === 'delete') && this.#rng.next() < 0.7) return;
    this.#command(study.studyId, this.#commandOf(deed));
  }

  #commandOf(deed: Deed): StudyCommand {
    switch (deed) {
      case 'scale':
        return { type: 'scale', parallel: 1 + this.#rng.int(4) };
      case 'stopTrial':
        return { type: 'stopTrial', trial: this.#rng.int(5) };
      case 'retry':
        return { type: 'retry', number: this.#rng.int(5) };
      case 'enqueue':
        return { type: 'enqueue', params: { lr: 10 ** -(1 + this.#rng.int(30) / 10) } };
      default:
        return { type: deed };
    }
  }

  #calamity(): void {
    if (this.#isCalm) return;
    this.#machine.timeline.after(this.#wait(this.#scenario.calamityMs), () => this.#calamity());
    const { calamities } = this.#scenario;
    const calamity = calamities[this.#rng.int(Math.max(1, calamities.length))];
    if (calamity === undefined) return;
    if (this.#strike(calamity)) {
      this.#log(calamity);
      this.#count(calamity);
    }
  }

  /** False where there is nothing to strike. */
  #strike(calamity: Calamity | EngineCalamity | ClusterCalamity): boolean {
    const { kernel, engine, disk, timeline } = this.#machine;
    const alive = this.#agents.filter((agent) => agent.isAlive);
    const agent = alive[this.#rng.int(Math.max(1, alive.length))];
    const processOf = (name: string) => {
      const places = [
        { kernel, container: null },
        ...engine.containers.map((container) => ({ kernel: container.kernel, container })),
        ...(this.#kube?.runs ?? []).map((run) => ({ kernel: run.kernel, container: run })),
      ];
      const all = places.flatMap((place) =>
        place.kernel.processes.filter((process) => process.name === name).map((process) => ({ ...place, process })),
      );
      return all[this.#rng.int(Math.max(1, all.length))];
    };
    switch (calamity) {
      case 'kill agent':
        agent?.process.die('killed');
        return agent !== undefined;
      case 'stop agent in order':
        agent?.stop();
        return agent !== undefined;
      case 'freeze agent':
      case 'freeze agent, locks broken': {
        if (agent === undefined || agent.process.isStopped) return false;
        agent.process.freeze();
        if (calamity === 'freeze agent, locks broken') {
          // Clients no longer hear from it, and somebody deletes the lock's file.
          agent.isReady = false;
          this.#machine.breakLocks();
        }
        const handlerFirst = this.#rng.next() < 0.5;
        timeline.after(this.#wait(4_000), () => agent.thaw(handlerFirst));
        return true;
      }
      case 'kill shim':
      case 'kill program':
      case 'out of memory': {
        const victim = processOf(calamity === 'kill shim' ? 'shim' : 'program');
        if (victim === undefined) return false;
        if (calamity !== 'kill shim') this.#checker.killed(victim.process);
        if (calamity === 'out of memory') {
          kernel.oomKills++;
          if (victim.container !== null) {
            victim.container.runOutOfMemory(victim.process);
            return true;
          }
        }
        return victim.kernel.send(victim.process.pid, 'SIGKILL');
      }
      case 'power cut':
        for (const one of alive) one.process.die('power cut');
        this.#checker.excuses.hadPowerCut = true;
        for (const container of engine.containers) if (isTraining(container)) this.#checker.strike(keyOfContainer(container));
        this.#machine.cutPower();
        return true;
      case 'disk full':
        if (disk.isFull) return false;
        disk.isFull = true;
        this.#checker.excuses.hadReadFault = true;
        timeline.after(this.#wait(3_000), () => {
          disk.isFull = false;
        });
        return true;
      case 'clock back':
      case 'clock forward': {
        const byMs = [1_000, 60_000, 3_600_000, 86_400_000][this.#rng.int(4)] ?? 0;
        this.#machine.setClock(calamity === 'clock back' ? -byMs : byMs);
        return true;
      }
      case 'more agents':
        for (let n = 1 + this.#rng.int(4); n > 0; n--) this.#startAgent();
        return true;
      default: {
        const onStruck = (key: AttemptKey): void => this.#checker.strike(key);
        if (isOneOf(engineCalamities, calamity))
          return strikeEngine(calamity, { machine: this.#machine, rng: this.#rng, onStruck });
        if (this.#kube === null) return false;
        const onDoubled = (key: AttemptKey): void => void this.#checker.doubled.add(keyOf(key));
        return strikeCluster(calamity, { kube: this.#kube, rng: this.#rng, onStruck, onDoubled });
      }
    }
  }

  // The end

  #checkEnd(): void {
    const { kernel, disk } = this.#machine;
    this.#checker.end();
    for (const receipt of this.#receipts) this.#checker.kept(receipt);
    const processes = kernel.processes.map(({ name, pid, mark }) => `${name} ${pid} ${mark}`);
    this.#checker.check('nothingLeft', processes.length === 0, null, () => `processes are left: ${processes.join(', ')}`);
    const agents = this.#agents.filter(({ isAlive }) => isAlive).length;
    const containers = this.#machine.engine.containers.map(({ spec, status }) => `${spec.name} ${status}`);
    this.#checker.check('nothingLeft', containers.length === 0, null, () => `containers are left: ${containers.join(', ')}`);
    const objects = this.#inCluster;
    this.#checker.check('nothingLeft', objects.length === 0, null, () => `the cluster has still ${objects.join(', ')}`);
    const pods = (this.#kube?.runs ?? []).filter(({ isRunning }) => isRunning).map(({ name }) => name);
    this.#checker.check('nothingLeft', pods.length === 0, null, () => `pods run still: ${pods.join(', ')}`);
    const busiest = this.#kube?.server.busiestMinute ?? 0;
    this.#checker.check('progress', busiest <= maxRequests, null, () => `${busiest} requests in a minute`);
    this.#checker.check('nothingLeft', agents === 0, null, () => `${agents} agents are left`);
    const remains = this.#halfWritten;
    this.#checker.check('nothingLeft', remains.length === 0, null, () => `files are left: ${remains.join(', ')}`);
    for (const studyId of disk.names(`${homeDir}/studies`)) {
      const isDeleted = this.#checker.view(studyId)?.deleted === true;
      this.#checker.check(
        'nothingLeft',
        !isDeleted,
        studyId,
        () => `files of the deleted study are left: ${[...disk.paths(`${homeDir}/studies/${studyId}`)].join(', ')}`,
      );
    }
  }
}

/** Requests to other programs, which may be done without an answer. */
function isRequest(place: Place): boolean {
  return place.startsWith('engine.') || place.startsWith('cluster.');
}

function isOneOf<T extends string>(all: readonly T[], one: string): one is T {
  return all.some((other) => other === one);
}
