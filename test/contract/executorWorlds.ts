import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Executor, ExecutorListener } from '../../agent/executors/executor.ts';
import { FakeMachine, type FakeProcess } from '../../agent/executors/fake.ts';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import { LocalExecutor } from '../../agent/executors/local/localExecutor.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { AttemptOutputFiles } from '../../agent/executors/attempt/outputFile.ts';
import { nodeFiles } from '../../agent/system/nodeFiles.ts';
import { nodeProcesses } from '../../agent/system/nodeProcesses.ts';
import { SnapshotStore } from '../../agent/packaging/snapshot.ts';
import type { AttemptKey } from '../../agent/protocol/study.ts';
import { type ExecutorWorld, snapshotFiles, type Step } from './executorSuite.ts';

export async function openFakeWorld(): Promise<ExecutorWorld> {
  const machine = new FakeMachine({ program: runSteps, snapshots: new Map([['code', new Map(Object.entries(snapshotFiles))]]) });
  const executors: Executor[] = [];
  return Promise.resolve({
    root: '/project',
    snapshot: 'code',
    container: null,
    cluster: null,
    connect: (listener: ExecutorListener) => {
      const executor = machine.connect(listener);
      executors.push(executor);
      return executor;
    },
    command: (steps: readonly Step[]) => steps.map((step) => JSON.stringify(step)),
    read: async (key: AttemptKey, stream: 'out' | 'metrics') =>
      new TextDecoder().decode(await machine.read(key, stream, 0, 1 << 20)),
    processes: () => Promise.resolve(machine.processes),
    async [Symbol.asyncDispose]() {
      for (const executor of executors) await executor[Symbol.asyncDispose]();
    },
  });
}

async function runSteps(process: FakeProcess): Promise<number> {
  for (const word of process.attempt.command) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `command` above
    const step = JSON.parse(word) as Step;
    switch (step.do) {
      case 'print':
        process.print(step.text);
        break;
      case 'report':
        process.report(step.line);
        break;
      case 'sleep':
        await process.sleep(step.ms);
        break;
      case 'ignoreTerm':
        process.ignoreTerm();
        break;
      case 'escape':
        process.escape();
        break;
      case 'raise':
        return process.raise(step.signal);
      case 'printFile':
        process.print(process.readFile(step.path));
        break;
      case 'printVariable':
        process.print(`${process.environment[step.name]}\n`);
        break;
      case 'checkpoint':
        process.checkpoint.set('log', (process.checkpoint.get('log') ?? '') + step.text);
        process.print(process.checkpoint.get('log') ?? '');
        break;
      case 'exit':
        return step.code;
    }
  }
  return 0;
}

export class LocalWorld implements ExecutorWorld {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-executor ü-')));
  readonly homeDir = join(this.base, 'home');
  readonly root = join(this.base, 'project');
  readonly snapshots = new SnapshotStore(join(this.homeDir, 'snapshots'));
  readonly files = new StudyFolders(this.homeDir);
  readonly output = new AttemptOutputFiles(this.files, nodeFiles);
  readonly #executors: LocalExecutor[] = [];
  snapshot = '';
  readonly container = null;
  readonly cluster = null;

  async store(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      writeFileSync(join(this.root, path), content);
    }
    this.snapshot = (await this.snapshots.take({ root: this.root, mustHave: [] })).hash;
  }

  connect(listener: ExecutorListener): LocalExecutor {
    const executor = new LocalExecutor({
      system: nodeSystem(),
      homeDir: this.homeDir,
      snapshots: this.snapshots,
      listener,
      environment: process.env,
    });
    this.#executors.push(executor);
    return executor;
  }

  command(steps: readonly Step[]): readonly string[] {
    return shellCommand(steps);
  }

  async read(key: AttemptKey, stream: 'out' | 'metrics'): Promise<string> {
    return new TextDecoder().decode(await this.output.read(key, stream, 0, 1 << 20));
  }

  async processes(): Promise<number> {
    return (await this.#marked()).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const executor of this.#executors) await executor[Symbol.asyncDispose]();
    for (const pid of await this.#marked()) nodeProcesses.send(pid, 'SIGKILL');
    await rm(this.base, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #marked(): Promise<readonly number[]> {
    const suffix = this.files.mark({ studyId: '', trial: 0, attempt: 0 }).replace(/^.*@/, '@');
    return nodeProcesses.findMarked((mark) => mark.endsWith(suffix));
  }
}

export async function openLocalWorld(): Promise<LocalWorld> {
  const world = new LocalWorld();
  await world.store(snapshotFiles);
  return world;
}

export function shellCommand(steps: readonly Step[]): readonly string[] {
  return ['/bin/sh', '-c', steps.map(asShell).join('\n'), 'sh'];
}

// oxlint-disable-next-line consistent-return -- the switch is exhaustive
function asShell(step: Step): string {
  switch (step.do) {
    case 'print':
      return `printf %s ${quote(step.text)}`;
    case 'report':
      return `printf '%s\\n' ${quote(step.line)} >>"$HPO_METRICS_FILE"`;
    case 'sleep':
      return `sleep ${step.ms / 1000}`;
    case 'ignoreTerm':
      return `trap '' TERM`;
    case 'raise':
      return `kill -s ${step.signal.slice(3)} $$`;
    case 'escape':
      return '(setsid sleep 30 &)';
    case 'printFile':
      return `cat ${quote(`./${step.path}`)}`;
    case 'printVariable':
      return `printf '%s\\n' "$${step.name}"`;
    case 'checkpoint':
      return `printf %s ${quote(step.text)} >>"$HPO_CHECKPOINT_DIR/log"; cat "$HPO_CHECKPOINT_DIR/log"`;
    case 'exit':
      return `exit ${step.code}`;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
