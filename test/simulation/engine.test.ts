import { setImmediate as settled } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../agent/engine/engine.ts';
import type { Fault, Place } from './machine/agentProcess.ts';
import { SimulatedEngine } from './machine/engine/client.ts';
import { Machine } from './machine/machine.ts';
import type { Program } from './machine/program.ts';

const waits: Program = function* wait(self) {
  yield Number(self.args[0]);
  return Number(self.args[1] ?? 0);
};

/** A machine with an engine that keeps its containers, or ends them with itself, and an image. */
function open(keepsContainers = false) {
  for (let seed = 1; ; seed++) {
    const machine = new Machine({ seed, program: ([name]) => (name === 'wait' ? waits : null) });
    if (machine.engine.keepsContainers !== keepsContainers) continue;
    machine.engine.addImage({ name: 'python', id: 'sha256:python' });
    const agentOf = (faults: (place: Place) => Fault | null = () => null) => {
      const agent = machine.agent(faults);
      return { agent, engine: new SimulatedEngine(machine.engine, agent) };
    };
    const pass = async (ms: number): Promise<void> => {
      const over = new AbortController();
      machine.timeline.after(ms, () => over.abort());
      await settled();
      while (!over.signal.aborted) {
        machine.timeline.step();
        await settled();
      }
    };
    return { machine, agentOf, pass };
  }
}

const container = (ms: number, code = 0): ContainerSpec => ({
  name: 'one',
  labels: { 'hpo.home': 'test' },
  image: 'sha256:python',
  command: ['wait', String(ms), String(code)],
  environment: {},
  workingDir: '/',
  user: '1:1',
  mounts: [],
  tmpfs: {},
  network: false,
  cpus: 1,
  memoryBytes: null,
  shmBytes: 0,
  pids: 10,
  gpus: 0,
});

/** What a promise has come to, without waiting for it. */
function seen<T>(promise: Promise<T>): { value: T | string | undefined } {
  const outcome: { value: T | string | undefined } = { value: undefined };
  promise.then(
    (value) => (outcome.value = value),
    (error: { readonly code: string }) => (outcome.value = error.code),
  );
  return outcome;
}

/** With a container that runs for so long. */
async function running(world: ReturnType<typeof open>, ms: number, code = 0) {
  const { agent, engine } = world.agentOf();
  void engine.createContainer(container(ms, code)).then(() => engine.startContainer('one'));
  await world.pass(10_000);
  const [one] = world.machine.engine.containers;
  if (one === undefined) throw new Error('there is no container');
  return { agent, engine, one };
}

describe('the simulated engine', () => {
  it('does what it was asked to, also when who asked was killed meanwhile', async () => {
    const world = open();
    const { agent, engine } = world.agentOf();
    const created = seen(engine.createContainer(container(1)));
    await world.pass(1);
    agent.die('killed');
    await world.pass(5_000);
    expect(created.value).toBeUndefined();
    expect(world.machine.engine.containers.map(({ status }) => status)).toEqual(['created']);
  });

  it('does late what was asked while it hung, though nobody waits for it any more', async () => {
    const world = open();
    const { engine } = world.agentOf();
    world.machine.engine.hang(100_000);
    const created = seen(engine.createContainer(container(1)));
    await world.pass(90_000);
    expect(created.value).toBe('HPO-2404');
    expect(world.machine.engine.containers).toEqual([]);
    await world.pass(20_000);
    expect(world.machine.engine.containers).toHaveLength(1);
  });

  it.each([
    { keeps: true, isKilled: false, after: 'running' },
    { keeps: true, isKilled: true, after: 'running' },
    { keeps: false, isKilled: false, after: 'exited' },
    { keeps: false, isKilled: true, after: 'exited' },
  ])('a restart (killed: $isKilled) of one that keeps containers ($keeps) leaves them $after', async (row) => {
    const world = open(row.keeps);
    const { engine, one } = await running(world, 1e6);
    world.machine.engine.restart(row.isKilled, 1_000);
    const refused = seen(engine.info());
    await world.pass(500);
    expect(refused.value).toBe('HPO-2402');
    expect(one.isRunning).toBe(row.keeps || row.isKilled);
    await world.pass(1_000);
    expect(one.status).toBe(row.after);
  });

  it('breaks off what it works on when it ends, and forgets a container that was not made yet', async () => {
    const world = open();
    const { engine } = world.agentOf();
    const created = seen(engine.createContainer(container(1)));
    await world.pass(2.5);
    world.machine.engine.restart(true, 10);
    await world.pass(1_000);
    expect(created.value).toBe('HPO-2404');
    expect(world.machine.engine.containers).toEqual([]);
  });

  it('gives a name that is taken to nobody else, also before its container can be seen', async () => {
    const world = open();
    const { engine } = world.agentOf();
    const outcomes = [seen(engine.createContainer(container(1))), seen(engine.createContainer(container(1)))];
    await world.pass(10_000);
    expect(new Set(outcomes.map(({ value }) => value))).toEqual(new Set(['created', 'exists']));
  });

  it('lets no time pass in a container that is paused, and a signal continues it', async () => {
    const world = open();
    const { engine, one } = await running(world, 60_000, 3);
    one.pause();
    await world.pass(100_000);
    expect(one.status).toBe('paused');
    void engine.signalContainer('one', 'SIGTERM');
    await world.pass(1_000);
    expect(one.state).toMatchObject({ status: 'exited', exitCode: 143 });
  });

  it('runs again what has run, where a client asks it to that made it', async () => {
    const world = open();
    const { engine } = world.agentOf();
    const second = world.agentOf();
    void engine.createContainer(container(10, 7));
    await world.pass(5_000);
    void second.engine.startContainer('one');
    await world.pass(5_000);
    const again = seen(second.engine.startContainer('one'));
    await world.pass(5_000);
    expect([again.value, world.machine.engine.containers[0]?.state.exitCode]).toEqual([true, 7]);
    const [one] = world.machine.engine.containers;
    const nBefore = one?.kernel.nStarted;
    void engine.startContainer('one');
    await world.pass(5_000);
    expect(one?.kernel.nStarted).toBe((nBefore ?? 0) + 1);
  });

  const faults: { fault: Fault; told: string | undefined; isDone: boolean }[] = [
    { fault: 'refused', told: 'HPO-2405', isDone: false },
    { fault: 'broken off, done', told: 'HPO-2404', isDone: true },
    { fault: 'no answer', told: 'HPO-2404', isDone: false },
    { fault: 'no answer, done', told: 'HPO-2404', isDone: true },
    { fault: 'kill before', told: undefined, isDone: false },
    { fault: 'kill after', told: undefined, isDone: true },
  ];
  it.each(faults)('a request with the fault "$fault" is told as $told, and done: $isDone', async ({ fault, told, isDone }) => {
    const world = open();
    const { engine } = world.agentOf((place) => (place === 'engine.create' ? fault : null));
    const created = seen(engine.createContainer(container(1)));
    await world.pass(100_000);
    expect(created.value).toBe(told);
    expect(world.machine.engine.containers).toHaveLength(isDone ? 1 : 0);
  });

  it('knows no exit code of what ran when the power was cut', async () => {
    const world = open();
    const { one } = await running(world, 1e6);
    world.machine.cutPower();
    expect(world.machine.engine.isDown).toBe(true);
    await world.pass(20_000);
    expect(world.machine.engine.isDown).toBe(false);
    expect(one.state).toMatchObject({ status: 'exited', exitCode: 255 });
  });
});
