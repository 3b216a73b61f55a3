import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentProcess } from './agentProcess.mjs';

/** A project of a program and an hpo.yml, in a home with a real agent. */
export async function openWorld({ dist, base, name, program, fileName, command, resources = {} }) {
  const project = join(base, `${name}-project`);
  const home = join(base, `${name}-home`);
  mkdirSync(project);
  mkdirSync(home);
  writeFileSync(join(project, fileName), program);
  writeFileSync(
    join(project, 'hpo.yml'),
    [
      `command: [${command.join(', ')}]`,
      'parameters:',
      '  x: { space: "float(0, 1)", default: 0.5, via: env(X) }',
      'objectives: [loss min]',
      'search: { sampler: random, scheduler: none, seed: 1 }',
      ...(Object.keys(resources).length === 0 ? [] : [`resources: ${JSON.stringify(resources)}`]),
      '',
    ].join('\n'),
  );
  const agent = new AgentProcess(dist, home);
  await agent.start();
  return {
    agent,
    home,
    project,
    async create(trials, parallel) {
      const { studyId } = await agent.client.request('study/create', { script: join(project, 'hpo.yml'), trials, parallel });
      return studyId;
    },
  };
}

/** Calls `onEntries` until it returns true; resolves then. */
export async function follow(client, studyId, from, onEntries) {
  const done = Promise.withResolvers();
  const subscription = await client.subscribe(studyId, from, (entries) => {
    try {
      if (onEntries(entries)) done.resolve();
    } catch (error) {
      done.reject(error);
    }
  });
  await done.promise;
  await subscription[Symbol.asyncDispose]();
}
