import type { ExecutorListener } from '../../agent/executors/executor.ts';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import { LocalExecutor } from '../../agent/executors/local/localExecutor.ts';
import type { AttemptKey } from '../../agent/protocol/study.ts';
import { homeDir } from '../simulation/agent/simulatedAgent.ts';
import { snapshotsOf } from '../simulation/agent/snapshots.ts';
import { Machine } from '../simulation/machine/machine.ts';
import type { Program } from '../simulation/machine/program.ts';
import { runInRealTime } from '../simulation/machine/runInRealTime.ts';
import { type ExecutorWorld, snapshotFiles, type Step } from './executorSuite.ts';

/** The local executor on a virtual machine, whose time passes as real time does. */
export function openVirtualWorld(): Promise<ExecutorWorld> {
  const machine = new Machine({ seed: 1, program: ([name]) => (name === 'steps' ? runSteps : null) });
  const time = runInRealTime(machine);
  const files = new StudyFolders(homeDir);
  const executors: LocalExecutor[] = [];
  return Promise.resolve({
    container: null,
    root: '/project',
    snapshot: 'code',
    connect: (listener: ExecutorListener) => {
      const agent = machine.agent();
      const executor = new LocalExecutor({
        system: agent.system,
        homeDir,
        snapshots: snapshotsOf(agent, snapshotFiles),
        listener,
        environment: {},
        cpus: 4,
      });
      executors.push(executor);
      return executor;
    },
    command: (steps: readonly Step[]) => ['steps', ...steps.map((step) => JSON.stringify(step))],
    read: (key: AttemptKey, stream: 'out' | 'metrics') => {
      const path = `${files.attemptDir(key)}/${stream === 'out' ? 'out.log' : 'metrics.jsonl'}`;
      return Promise.resolve(machine.disk.stat(path) === null ? '' : machine.disk.readText(path));
    },
    processes: () => Promise.resolve(machine.kernel.processes.filter(({ mark }) => mark !== null).length),
    async [Symbol.asyncDispose]() {
      for (const executor of executors) await executor[Symbol.asyncDispose]();
      time[Symbol.dispose]();
    },
  });
}

const runSteps: Program = function* steps(self) {
  const { disk, environment } = self;
  for (const word of self.args) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `command` above
    const step = JSON.parse(word) as Step;
    const append = (path: string, text: string): void => disk.append(disk.create(path, true), text, path);
    switch (step.do) {
      case 'print':
        self.print(step.text);
        break;
      case 'report':
        append(`${environment['HPO_METRICS_FILE']}`, `${step.line}\n`);
        break;
      case 'sleep':
        yield step.ms;
        break;
      case 'ignoreTerm':
        self.ignoreTerm();
        break;
      case 'escape':
        self.escape(30_000, false);
        break;
      case 'raise':
        self.raise(step.signal);
        yield 0;
        break;
      case 'printFile':
        self.print(disk.readText(`${self.folder}/${step.path}`));
        break;
      case 'printVariable':
        self.print(`${environment[step.name]}\n`);
        break;
      case 'checkpoint': {
        const path = `${environment['HPO_CHECKPOINT_DIR']}/log`;
        append(path, step.text);
        self.print(disk.readText(path));
        break;
      }
      case 'exit':
        return step.code;
    }
  }
  return 0;
};
