/** A deliberate bug in the product, and the tests that are there to find it. */
export interface Mutant extends Place {
  /** What the bug does, as a sentence without a subject. */
  readonly name: string;
  /** Where the product prevents it more than once. */
  readonly also?: readonly Place[];
  readonly caughtBy: readonly Killer[];
}

export interface Place {
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A test by its file and the end of its full name; each of them must fail with the bug, and pass without it. */
export interface Killer {
  readonly file: string;
  readonly test: string;
}

const unit = (file: string, test: string): Killer => ({ file: `test/unit/${file}.test.ts`, test });
/** Some lives of the whole agent on a virtual machine, each from a seed. */
const seeds: Killer = { file: 'test/mutation/seeds.test.ts', test: 'lives of the agent on a virtual machine break no promise' };
/** The same with attempts in containers. */
const dockerSeeds: Killer = { file: seeds.file, test: 'lives with attempts in containers break no promise' };
/** The same with attempts in pods. */
const kubernetesSeeds: Killer = { file: seeds.file, test: 'lives with attempts in pods break no promise' };
const contract = (file: string, test: string): Killer => ({ file: `test/contract/${file}.test.ts`, test });

export const mutants: readonly Mutant[] = [
  {
    name: 'does not wait for the disk',
    file: 'agent/store/journal.ts',
    find: 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL',
    replace: 'PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF',
    caughtBy: [unit('store/journal', 'every append waits for the disk')],
  },
  {
    name: 'publishes before it appends',
    file: 'agent/driver/turns.ts',
    find: 'const entries = this.#batch.length > 0 ? this.#ports.journal.append(this.#batch) : [];',
    replace: `let said = this.#ports.journal.lastSeq();
    this.#hooks.committed(this.#batch.map(({ studyId, event }) => ({ seq: ++said, studyId, event })));
    const entries = this.#batch.length > 0 ? this.#ports.journal.append(this.#batch) : [];`,
    caughtBy: [unit('driver/journal', 'nothing unwritten is shown or acted on, all goes on by itself, nothing is lost'), seeds],
  },
  {
    name: 'acknowledges before it appends',
    file: 'agent/driver/turns.ts',
    find: 'const entries = this.#batch.length > 0 ? this.#ports.journal.append(this.#batch) : [];',
    replace: `for (const { ack } of inputs) ack?.resolve();
    const entries = this.#batch.length > 0 ? this.#ports.journal.append(this.#batch) : [];`,
    caughtBy: [unit('driver/journal', 'a command is refused with the reason at once, and nothing of it happens')],
  },
  {
    name: 'forgets what it saw while the disk was full',
    file: 'agent/driver/turns.ts',
    find: 'this.#inputs = [...inputs.filter(({ ack }) => ack === null), ...this.#inputs];',
    replace: '',
    caughtBy: [unit('driver/journal', 'what is seen meanwhile, start, reports and end, is recorded once there is room'), seeds],
  },
  {
    name: 'writes on although a newer agent has taken over',
    file: 'agent/store/journal.ts',
    find: '      this.#checkEpoch();\n',
    replace: '',
    caughtBy: [unit('store/journal', 'a writer whose lock was taken from it writes no more')],
  },
  {
    name: 'takes no lock',
    file: 'agent/store/journal.ts',
    find: `const lock = path === ':memory:' ? null : (options.lock ?? lockFile)(path);`,
    replace: 'const lock: Disposable | null = null;',
    caughtBy: [unit('store/journal', 'a second writer is refused while there is one')],
  },
  {
    name: 'derives the tables outside of the transaction',
    file: 'agent/store/journal.ts',
    find: 'this.#open.derivation.apply(entry);',
    replace: 'queueMicrotask(() => this.#open.derivation.apply(entry));',
    caughtBy: [unit('store/journal', 'has tables that say what the fold says')],
  },
  {
    name: 'does not chain the hashes',
    file: 'agent/store/journal.ts',
    find: '        prevHash = hash;\n',
    replace: '',
    caughtBy: [unit('store/journal', 'can be recomputed by anyone')],
  },
  {
    name: 'tells twice: ignores how far output was recorded',
    file: 'agent/driver/attemptIntake.ts',
    find: 'const recorded = this.#options.recorded[stream.name] ?? 0;',
    replace: 'const recorded = 0;',
    caughtBy: [unit('driver/attemptIntake', 'two metrics of one file: neither is lost nor doubled')],
  },
  {
    name: 'tells nothing more after a restart',
    file: 'agent/driver/attemptIntake.ts',
    find: 'const recorded = this.#options.recorded[stream.name] ?? 0;',
    replace: 'const recorded = stream.name in this.#options.recorded ? Infinity : 0;',
    caughtBy: [unit('driver/attemptIntake', 'two metrics of one file: neither is lost nor doubled'), seeds],
  },
  {
    name: 'never gives a slot back',
    file: 'agent/core/study/fold.ts',
    find: 'state.slots = releaseSlot(state.slots, live.slot);',
    replace: '',
    caughtBy: [unit('core/study/trials', 'as many run at once as asked for, in the lowest free slots'), seeds],
  },
  {
    name: 'counts what an attempt says that no longer counts',
    file: 'agent/core/study/observe.ts',
    find: 'if (live === undefined || live.attempt !== attempt) return [];',
    replace: 'if (live === undefined) return [];',
    caughtBy: [unit('core/study/trials', 'a metric of an attempt to come')],
  },
  {
    name: 'counts what the machine lost as failures of the trial',
    file: 'agent/core/study/afterFailure.ts',
    find: `if (next !== null) return { type: 'retry', repetition: next };`,
    replace: `if (next !== null && failure.kind !== 'infrastructure') return { type: 'retry', repetition: next };`,
    caughtBy: [unit('core/study/failures', 'lost twice, then well')],
  },
  {
    name: 'repeats without a back-off',
    file: 'agent/core/study/failurePolicy.ts',
    find: 'return Math.round(nominal * (0.5 + u));',
    replace: 'return 0 * nominal * u;',
    caughtBy: [
      unit('core/study/failures', 'lost: after about 1, 4 and 16 s, then it fails; no other trial takes its place meanwhile'),
    ],
  },
  {
    name: 'counts only what was spent against the budget, not what runs',
    file: 'agent/core/study/budget.ts',
    find: 'state.spent + state.reserved + cost <=',
    replace: 'state.spent + cost <=',
    caughtBy: [unit('core/study/budget', 'a start that would exceed the rest is not made'), seeds],
  },
  {
    name: 'takes the smallest value for the best where larger is better',
    file: 'agent/protocol/view.ts',
    find: `return objective.direction === 'min' ? value < best : value > best;`,
    replace: 'return value < best;',
    caughtBy: [unit('protocol/view', 'largest')],
  },
  {
    name: 'takes NaN for the best',
    file: 'agent/protocol/view.ts',
    find: 'if (!Number.isFinite(value)) return false;',
    replace: '',
    caughtBy: [unit('protocol/view', 'never nan')],
  },
  {
    name: 'tells the results of a batch in the order in which they came',
    file: 'agent/core/study/batch.ts',
    find: 'const told = batch.results.toSorted((a, b) => a.event.number - b.event.number);',
    replace: 'const told = batch.results;',
    caughtBy: [unit('core/study/batch', 'is told by the numbers of its trials, in whichever order they ended')],
  },
  {
    name: 'decides by a clock of its own',
    file: 'agent/core/study/decide.ts',
    find: 'const at = world.now;',
    replace: 'const at = Date.now();',
    caughtBy: [unit('core/study/budget', 'at its end what runs is stopped: pruned where it reported, cancelled where not')],
  },
  {
    name: 'skips an entry for whoever comes back',
    file: 'agent/driver/subscriptions.ts',
    find: 'cursor: from,',
    replace: 'cursor: from + 1,',
    caughtBy: [
      unit(
        'driver/subscriptions',
        'a subscription from anywhere, at any time, gets every entry once, in order and without a gap',
      ),
      seeds,
    ],
  },
  {
    name: 'removes the files of studies that it does not know to be deleted',
    file: 'agent/driver/driver.ts',
    find: "else if (last === 'deleted') void this.#cleanUp",
    replace: 'else void this.#cleanUp',
    caughtBy: [unit('driver/driver', 'stops what runs with its mark and belongs to no study')],
  },
  {
    name: 'leaves to its fate what an earlier agent started',
    file: 'agent/driver/attempts.ts',
    find: 'if (live !== null) live.launch ??= this.#launch(study, live);',
    replace: `if (live !== null && trial.attempts.at(-1)?.state === 'requested') live.launch ??= this.#launch(study, live);`,
    caughtBy: [unit('driver/driver', 'hears of what an earlier one started: what it prints, and its end'), seeds],
  },
  {
    name: 'starts an attempt that another agent has claimed',
    file: 'agent/executors/attempt/shim.ts',
    find: '>"$dir/claim.json"; } 2>/dev/null || exit 75',
    replace: '>"$dir/claim.json"; } 2>/dev/null || :',
    caughtBy: [contract('executorLocal', 'runs an attempt once, whichever of two shims claims it')],
  },
  {
    name: 'does not end processes that left their group',
    file: 'agent/executors/local/localExecutor.ts',
    find: 'if (left.length === 0) continue;',
    replace: 'if (left.length >= 0) continue;',
    caughtBy: [contract('executor', 'ends what a program left behind')],
  },
  {
    name: 'blames a program for the end of its container engine',
    file: 'agent/executors/docker/containerEnd.ts',
    find: 'if (wasTold && !wasAsked && !isTimeout) return await keep({ code: null, timeout: false });',
    replace: 'void wasTold;',
    caughtBy: [dockerSeeds],
  },
  {
    name: 'blames a program for the end of its pod',
    file: 'agent/executors/kubernetes/endRecord.ts',
    find: "if (exit?.['told'] === true && !isStopped && !timeout)",
    replace: 'if (exit === undefined)',
    caughtBy: [kubernetesSeeds],
  },
  {
    name: 'tells the end of an attempt while another pod of its Job runs',
    file: 'agent/executors/kubernetes/attemptEnds.ts',
    find: '    if (now !== null && !(await this.#endOthers(live, now))) return false;\n',
    replace: '',
    caughtBy: [kubernetesSeeds],
  },
  {
    name: 'lets a Job that a cluster makes late begin its program',
    file: 'agent/executors/kubernetes/clusterHome.ts',
    find: "        await cluster.remove('ConfigMap', filesName(home, key));\n",
    replace: '',
    also: [
      {
        file: 'agent/executors/kubernetes/attemptEnds.ts',
        find: "      await live.view.cluster.remove('ConfigMap', filesName(live.view.home, live.key));\n",
        replace: '',
      },
    ],
    caughtBy: [kubernetesSeeds],
  },
  {
    name: 'lets a study that follows the room take what another waits for',
    file: 'agent/driver/places.ts',
    find: 'isTurn ||= now - since < patienceMs;',
    replace: '',
    caughtBy: [unit('driver/places', 'another with fewer waits: false')],
  },
  {
    name: 'lets a study with a number of its own take what another waits for',
    file: 'agent/driver/places.ts',
    find: 'const isHeld = nRunning < view.parallel && ',
    replace: 'const isHeld = view.followsRoom && nRunning < view.parallel && ',
    caughtBy: [unit('driver/places', 'a number of its own, where another with fewer waits: false')],
  },
  {
    name: 'has the Job tried that has waited for longest, whatever its study has',
    file: 'agent/executors/kubernetes/quotaTurns.ts',
    find: 'nPodsOf(a) - nPodsOf(b) || ',
    replace: '',
    caughtBy: [
      unit(
        'executors/kubernetes/quotaTurns',
        'what becomes free goes to the study with the fewest pods, then to who waits for longest',
      ),
    ],
  },
  {
    name: 'lets a full quota keep what waits for it after places became free',
    file: 'agent/executors/kubernetes/kubernetesExecutor.ts',
    find: '    home.onChange = (view, id) => this.#turns.heard(view, id);\n',
    replace: '',
    caughtBy: [
      contract(
        'virtualPods',
        'what becomes free of a full quota goes soon to who has waited for it, first to the study that has less',
      ),
    ],
  },
  {
    name: 'lets what can never begin hold others off for ever',
    file: 'agent/driver/places.ts',
    find: 'isTurn ||= now - since < patienceMs;',
    replace: 'isTurn = true;',
    caughtBy: [unit('driver/places', 'holds others off for a while, from when it first does')],
  },
  {
    name: 'lets a full cluster hold up studies of others',
    file: 'agent/driver/places.ts',
    find: 'JSON.stringify([cluster?.context, cluster?.namespace])',
    replace: "JSON.stringify(['cluster', cluster?.namespace])",
    caughtBy: [unit('driver/places', 'another cluster is full: true')],
  },
  {
    name: 'records what an attempt reports before it has begun',
    file: 'agent/driver/attempts.ts',
    find: '    if (records.length > 0 && live?.hasStarted === false) this.#begun(live, null);\n',
    replace: '',
    caughtBy: [unit('driver/driver', 'takes for begun what reports, where nobody told that it has')],
  },
  {
    name: 'leaves the folder of a study behind that could not be told how it runs',
    file: 'agent/executors/kubernetes/studyCleanup.ts',
    find: ' || (await disk.names(folder)).length === 0;',
    replace: ';',
    caughtBy: [contract('virtualPods', 'the folder of a deleted study goes also where the disk was full when the study began')],
  },
  {
    name: 'leaves a Job behind that has removed what a study kept',
    file: 'agent/executors/kubernetes/unwantedObjects.ts',
    find: '    await removeSweeps(view).catch(() => {});\n',
    replace: '',
    caughtBy: [kubernetesSeeds],
  },
  {
    name: 'leaves a container behind that the engine makes when nobody waits for it any more',
    file: 'agent/executors/docker/dockerExecutor.ts',
    find: 'if (this.#reported.has(id) || (await this.#isVoid(key)) || (await this.files.isCleaned(this.#system.files, key.studyId)))',
    replace: 'if (clock.now() < 0)',
    caughtBy: [dockerSeeds],
  },
  {
    name: 'does not record how a container ended before it is removed',
    file: 'agent/executors/docker/containerEnd.ts',
    find: 'await recordEnd(system, dir, { ...end, output });',
    replace: 'void { ...end, output };',
    caughtBy: [contract('executor', 'a second stop can be less patient')],
  },
  {
    name: 'kills a container that it only should ask to end',
    file: 'agent/executors/docker/dockerExecutor.ts',
    find: `engine.signalContainer(live.name, 'SIGTERM')`,
    replace: `engine.signalContainer(live.name, 'SIGKILL')`,
    caughtBy: [contract('executor', 'stops gently: asks first')],
  },
  {
    name: 'lets everyone of this machine talk to the agent',
    file: 'agent/server/server.ts',
    find: 'chmodSync(socket, 0o600)',
    replace: 'chmodSync(socket, 0o666)',
    caughtBy: [unit('server/server', 'is its owner’s alone, and takes the place of a dead one')],
  },
  {
    name: 'lets a text of the user become a part of the page',
    file: 'agent/report/renderReport.ts',
    find: `.replaceAll('<', '&lt;')`,
    replace: '',
    caughtBy: [unit('report/renderReport', 'shows what the trials say as text, and nothing where there is nothing to say')],
  },
  {
    name: 'takes any process for the one that had its id before',
    file: 'agent/system/nodeProcesses.ts',
    find: ' && fields[19] === identity.ticks',
    replace: '',
    caughtBy: [contract('system', 'knows a process by its id, its beginning and its boot, and finds it by its mark')],
  },
  {
    name: 'lets a text of the user steer the terminal',
    file: 'agent/protocol/printable.ts',
    find: 'return text.replaceAll(obeyed, (',
    replace: 'return text.replaceAll(/(?!)/gu, (',
    caughtBy: [unit('protocol/printable', 'makes one line of several')],
  },
  {
    name: 'copies secrets into the snapshot',
    file: 'agent/packaging/denyList.ts',
    find: `if (secrets.ignores(path)) return`,
    replace: `if (path === '') return`,
    caughtBy: [unit('packaging/snapshot', 'secrets stay out, whatever asks for them')],
  },
  {
    name: 'connects to a cluster whose kubeconfig runs a program that nobody has agreed to',
    file: 'agent/cluster/connectCluster.ts',
    find: 'if (command !== null && !confirmedCommands.includes(command.hash)) throw notConfirmed(context, command);',
    replace: 'void [command, confirmedCommands, notConfirmed];',
    caughtBy: [unit('cluster/profiles', 'connects none whose kubeconfig names a program that nobody has agreed to')],
  },
  {
    name: 'takes the kubeconfig of a project',
    file: 'agent/preflight/cluster/clusterTools.ts',
    find: 'if (profile.kubeconfig !== null) readKubeconfig(profile.kubeconfig, root);',
    replace: '',
    caughtBy: [
      unit('cluster/projectKubeconfig', 'a study uses no kubeconfig of its project, also not one that was connected by its path'),
    ],
  },
];
