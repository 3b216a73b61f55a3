import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeSystem } from '../../agent/system/node.ts';
import { Machine } from '../simulation/machine/machine.ts';
import type { Program } from '../simulation/machine/program.ts';
import { runInRealTime } from '../simulation/machine/runInRealTime.ts';
import { systemSuite } from './systemSuite.ts';

systemSuite('the real machine', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-system-')));
  return Promise.resolve({
    system: nodeSystem(),
    folder,
    makeFifo: (path) => void execFileSync('mkfifo', [path]),
    command: ({ ms, code, ignoresTerm }) => [
      '/bin/sh',
      '-c',
      `${ignoresTerm === true ? "trap '' TERM; " : ''}printf ready; sleep ${ms / 1000}; exit ${code}`,
    ],
    [Symbol.asyncDispose]: () => Promise.resolve(rmSync(folder, { recursive: true, force: true, maxRetries: 5 })),
  });
});

const waits: Program = function* wait(self) {
  const [ms, code, ignoresTerm] = self.args;
  if (ignoresTerm === 'true') self.ignoreTerm();
  self.print('ready');
  yield Number(ms);
  return Number(code);
};

systemSuite('a virtual machine', async () => {
  const machine = new Machine({ seed: 1, program: ([name]) => (name === 'wait' ? waits : null) });
  const time = runInRealTime(machine);
  const { system } = machine.agent();
  const folder = '/home/user/folder';
  await system.files.makeFolder(folder);
  return {
    system,
    folder,
    makeFifo: (path) => machine.disk.fifo(path),
    command: ({ ms, code, ignoresTerm = false }) => ['wait', String(ms), String(code), String(ignoresTerm)],
    [Symbol.asyncDispose]: () => Promise.resolve(time[Symbol.dispose]()),
  };
});
