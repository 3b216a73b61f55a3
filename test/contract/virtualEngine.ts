import { randomUUID } from 'node:crypto';
import { Machine } from '../simulation/machine/machine.ts';
import type { Program } from '../simulation/machine/program.ts';
import { runInRealTime } from '../simulation/machine/runInRealTime.ts';
import type { ContainerStep, EngineWorld } from './engineSuite.ts';

/** The simulated engine on a virtual machine, whose time passes as real time does. */
export function openVirtualEngine(): Promise<EngineWorld> {
  const machine = new Machine({ seed: 1, program: ([name]) => (name === 'steps' ? runSteps : null) });
  const time = runInRealTime(machine);
  const { disk, engine } = machine;
  const folder = '/home/folder';
  const image = { id: `sha256:${'1'.repeat(64)}`, name: 'python:test' };
  disk.makeFolder(folder);
  engine.addImage(image);
  return Promise.resolve({
    image,
    folder,
    labels: { 'hpo.home': 'test' },
    prefix: `hpo-test-${randomUUID()}-`,
    connect: () => machine.engineOf(machine.agent())(),
    command: (steps) => ['steps', ...steps.map((step) => JSON.stringify(step))],
    dockerfile: (variable, fails) => `FROM python:test\nENV IMAGE=${variable}\n${fails ? 'RUN exit 1\n' : ''}`,
    write: (path, text) => Promise.resolve(disk.writeText(path, text)),
    read: (path) => Promise.resolve(disk.stat(path) === null ? null : disk.readText(path)),
    makeFolder: (path) => Promise.resolve(disk.makeFolder(path)),
    pause: (name) => {
      engine.containers.find(({ spec }) => spec.name === name)?.pause();
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(time[Symbol.dispose]()),
  });
}

const runSteps: Program = function* steps(self) {
  const { disk, environment } = self;
  for (const word of self.args) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `command` above
    const step = JSON.parse(word) as ContainerStep;
    switch (step.do) {
      case 'write':
      case 'copy':
      case 'writeVariable': {
        const [path, text] =
          step.do === 'write'
            ? [step.path, step.text]
            : step.do === 'copy'
              ? [step.to, disk.readText(step.from)]
              : [step.path, environment[step.name] ?? ''];
        try {
          disk.writeText(path, text);
        } catch {
          return 9;
        }
        break;
      }
      case 'sleep':
        yield step.ms;
        break;
      case 'ignoreTerm':
        self.ignoreTerm();
        break;
      case 'exit':
        return step.code;
    }
  }
  return 0;
};
