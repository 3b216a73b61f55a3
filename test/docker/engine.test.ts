import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import { connectEngine } from '../../agent/engine/index.ts';
import { type ContainerStep, engineSuite, type EngineWorld } from '../contract/engineSuite.ts';
import { bases, engineClient, ensureBases } from '../support/docker.ts';

beforeAll(() => ensureBases('python'), 300_000);

async function openRealEngine(): Promise<EngineWorld> {
  const docker = engineClient();
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-engine-')));
  // Containers have a user of their own.
  chmodSync(folder, 0o777);
  const prefix = `hpo-test-${randomUUID()}-`;
  const labels = { 'hpo.home': prefix };
  const { Id: id } = await docker.getImage(bases.python).inspect();
  return {
    image: { id, name: bases.python },
    folder,
    labels,
    prefix,
    connect: () => connectEngine({ host: null, environment: process.env }),
    command: (steps) => ['/bin/sh', '-c', steps.map(asShell).join('\n')],
    dockerfile: (variable, fails) => `FROM ${bases.python}\nENV IMAGE=${variable}\n${fails ? 'RUN exit 1\n' : ''}`,
    write: (path, text) => Promise.resolve(writeFileSync(path, text)),
    read: (path) => Promise.resolve(existsSync(path) ? readFileSync(path, 'utf8') : null),
    makeFolder: (path) => {
      mkdirSync(path);
      chmodSync(path, 0o777);
      return Promise.resolve();
    },
    pause: (name) => docker.getContainer(name).pause(),
    async [Symbol.asyncDispose]() {
      const filters = { label: [`hpo.home=${prefix}`] };
      for (const { Id } of await docker.listContainers({ all: true, filters }))
        await docker.getContainer(Id).remove({ force: true });
      for (const { Id } of await docker.listImages({ filters })) await docker.getImage(Id).remove({ force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

engineSuite('real', openRealEngine);

// oxlint-disable-next-line consistent-return -- the switch is exhaustive
function asShell(step: ContainerStep): string {
  switch (step.do) {
    case 'write':
      return `printf %s ${quote(step.text)} >${quote(step.path)} || exit 9`;
    case 'copy':
      return `cat ${quote(step.from)} >${quote(step.to)} || exit 9`;
    case 'writeVariable':
      return `printf %s "$${step.name}" >${quote(step.path)} || exit 9`;
    case 'sleep':
      // A shell that waits for a child would hear a signal only afterwards.
      return `sleep ${step.ms / 1000} & wait $!`;
    case 'ignoreTerm':
      return `trap '' TERM`;
    case 'exit':
      return `exit ${step.code}`;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
