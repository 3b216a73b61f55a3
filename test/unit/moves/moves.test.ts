import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createJournalAudit } from '../../../agent/audit/journalAudit.ts';
import { type MoveEnd, moveStudy } from '../../../agent/client/index.ts';
import { homeId } from '../../../agent/client/home.ts';
import { FakeMachine } from '../../../agent/executors/fake.ts';
import { Moves } from '../../../agent/moves.ts';
import { SnapshotStore } from '../../../agent/packaging/snapshot.ts';
import type { RequestName, Requests } from '../../../agent/protocol/requests.ts';
import { nodeClock } from '../../../agent/system/nodeClock.ts';
import { keyOf, type Life, study, training, until, World } from '../driver/world.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0).toReversed()) clean();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'hpo-moves-'));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** An agent with a home of its own; two of them have their hands on one machine, as on a cluster. */
class Agent {
  readonly home = folder();
  readonly id = homeId(this.home);
  readonly snapshots = new SnapshotStore(join(this.home, 'snapshots'));
  readonly world: World;
  life: Life | null = null;
  /** Why it does not reach the cluster that it is in. */
  problem: Requests['agent/reach']['result']['problem'] = null;
  readonly place: string;

  constructor(place: string, machine: FakeMachine) {
    this.place = place;
    this.world = new World({ machine, home: this.home });
    cleanups.push(() => this.world[Symbol.dispose]());
  }

  async begin(): Promise<void> {
    this.life = await this.world.open();
  }

  /** As a kill -9, and the next agent of this home. */
  async restart(): Promise<void> {
    this.life?.kill();
    await this.begin();
  }

  get driver(): Life['driver'] {
    if (this.life === null) throw new Error('no agent runs');
    return this.life.driver;
  }

  moves(): Moves {
    const { home, id: agentId, driver, snapshots } = this;
    return new Moves({
      home,
      agentId,
      driver,
      journal: this.world.journal,
      snapshots,
      clock: nodeClock,
      leaveAlone: () => Promise.resolve(),
    });
  }

  /** `onRequest` stands before each request. */
  end(onRequest: (name: RequestName) => Promise<void> = () => Promise.resolve()): MoveEnd {
    const answer = (name: RequestName, params: never): unknown => {
      if (name === 'agent/status') return { id: this.id };
      if (name === 'agent/reach') return { problem: this.problem };
      if (name === 'study/list') return { studies: this.driver.views() };
      const step = name.replace('move/', '') as keyof Moves;
      return this.moves()[step](params);
    };
    const request = async (name: RequestName, params: unknown): Promise<unknown> => {
      await onRequest(name);
      return await answer(name, params as never);
    };
    return { client: { request: request as MoveEnd['client']['request'] }, place: this.place };
  }

  /** Whether it acts on the study; an agent that does not know it does not. */
  acts(studyId: string): boolean {
    return this.driver.views().some((view) => view.studyId === studyId && view.movedTo === null && !view.deleted);
  }
}

const quiet = (): void => undefined;

async function twoAgents(
  stepMs = 40,
): Promise<{ laptop: Agent; cluster: Agent; starts: Map<string, number>; machine: FakeMachine }> {
  const starts = new Map<string, number>();
  const program = training(3, stepMs);
  const project = folder();
  writeFileSync(join(project, 'train.py'), 'lr = 0.1\n');
  const probe = new SnapshotStore(join(folder(), 'snapshots'));
  const { hash } = await probe.take({ root: project, mustHave: ['train.py'] });
  const machine = new FakeMachine({
    cpus: 2,
    program: (process) => {
      const id = keyOf(process.attempt.key);
      starts.set(id, (starts.get(id) ?? 0) + 1);
      return program(process);
    },
    snapshots: new Map([[hash, new Map([['train.py', 'lr = 0.1\n']])]]),
  });
  const laptop = new Agent('this machine', machine);
  const cluster = new Agent('the cluster', machine);
  expect((await laptop.snapshots.take({ root: project, mustHave: ['train.py'] })).hash).toBe(hash);
  await laptop.begin();
  await cluster.begin();
  await laptop.driver.createStudy('s', study({ snapshot: hash, budget: { trials: 6 } }));
  const attempt = join(laptop.home, 'studies', 's', 'trials', '0', 'attempt-1');
  mkdirSync(attempt, { recursive: true });
  writeFileSync(join(attempt, 'out.log'), 'epoch 1\n');
  await until(() => laptop.driver.view('s').trials.some(({ curve }) => curve.length > 0));
  return { laptop, cluster, starts, machine };
}

async function stop(...agents: readonly Agent[]): Promise<void> {
  for (const agent of agents) await agent.life?.[Symbol.asyncDispose]();
}

function expectWhole(agent: Agent): void {
  expect(agent.world.journal.verifyChain()).toMatchObject({ ok: true });
  const audit = createJournalAudit();
  expect(agent.world.entries().flatMap((entry) => audit.see(entry))).toEqual([]);
  expect(audit.end(() => true)).toEqual([]);
}

describe('a study that moves', () => {
  test('is taken back as it was when it left, where the agent that has it is gone for good', async () => {
    const { laptop, cluster } = await twoAgents();
    await expect(laptop.moves().takeBack({ studyId: 's', from: 'x' })).rejects.toMatchObject({ code: 'HPO-2507' });
    await moveStudy('s', laptop.end(), cluster.end(), quiet);
    cluster.life?.kill();
    await laptop.moves().takeBack({ studyId: 's', from: 'the cluster' });
    expect(laptop.acts('s')).toBe(true);
    // One more than the move by which the other agent has it, and so also after a restart.
    expect(laptop.driver.view('s').moves).toBe(2);
    await laptop.restart();
    await until(() => laptop.driver.view('s').state === 'ended');
    expect(laptop.driver.view('s').trials.map(({ state }) => state)).toEqual(Array(6).fill('complete'));
    expectWhole(laptop);
    await stop(laptop);
  });

  test('stays where it is, as it is, where the other agent does not reach the cluster that it is in', async () => {
    const { laptop, cluster } = await twoAgents();
    cluster.problem = { code: 'HPO-2524', message: 'it does not reach the API server', next: 'let it' };
    const asked: string[] = [];
    const noted = async (name: RequestName): Promise<void> => void asked.push(name);
    await expect(moveStudy('s', laptop.end(noted), cluster.end(noted), quiet)).rejects.toMatchObject({
      ...cluster.problem,
      exitCode: 4,
    });
    expect(asked.filter((name) => name.startsWith('move/'))).toEqual([]);
    expect([laptop.acts('s'), cluster.acts('s'), laptop.driver.view('s').moves]).toEqual([true, false, 0]);
    // One that has left already has to arrive.
    cluster.problem = null;
    const cut = async (name: RequestName): Promise<void> => {
      if (name === 'move/arrive') throw new Error('cut');
    };
    await expect(moveStudy('s', laptop.end(), cluster.end(cut), quiet)).rejects.toThrow('cut');
    cluster.problem = { code: 'HPO-2524', message: 'it does not reach the API server', next: 'let it' };
    expect(await moveStudy('s', laptop.end(), cluster.end(), quiet)).toBe(true);
    expect(cluster.acts('s')).toBe(true);
    await until(() => cluster.driver.view('s').state === 'ended');
    await stop(laptop, cluster);
  });

  test('goes on at the other agent: its running attempts are adopted, none is started twice, all values are there', async () => {
    const { laptop, cluster, starts } = await twoAgents();
    expect(await moveStudy('s', laptop.end(), cluster.end(), quiet)).toBe(true);
    expect([laptop.acts('s'), cluster.acts('s')]).toEqual([false, true]);
    await until(() => cluster.driver.view('s').state === 'ended');
    const view = cluster.driver.view('s');
    expect(view.trials.map(({ state }) => state)).toEqual(Array(6).fill('complete'));
    expect(view.trials.map(({ curve }) => curve.length)).toEqual(Array(6).fill(3));
    expect([...starts.values()]).toEqual(Array(6).fill(1));
    expect(view.moves).toBe(1);
    // What the one had, the other has.
    expect(readFileSync(join(cluster.home, 'studies', 's', 'trials', '0', 'attempt-1', 'out.log'), 'utf8')).toBe('epoch 1\n');
    expect(await cluster.snapshots.readText(view.spec.snapshot, 'train.py')).toBe('lr = 0.1\n');
    for (const agent of [laptop, cluster]) expectWhole(agent);
    await stop(laptop, cluster);
  });

  test('is the other one’s alone: commands here are refused, and an agent that begins again stops nothing of it', async () => {
    const { laptop, cluster, starts } = await twoAgents();
    await moveStudy('s', laptop.end(), cluster.end(), quiet);
    await laptop.restart();
    for (const type of ['pause', 'resume', 'stop'] as const)
      await expect(laptop.driver.command('s', { type })).rejects.toMatchObject({ code: 'HPO-4314' });
    const events = laptop.world.entries('s').length;
    await until(() => cluster.driver.view('s').state === 'ended');
    expect(laptop.world.entries('s')).toHaveLength(events);
    expect([...starts.values()]).toEqual(Array(6).fill(1));
    // Deleting what is left of it here takes nothing from there.
    await laptop.driver.command('s', { type: 'delete' });
    await until(() => laptop.driver.views().length === 0);
    expect(cluster.driver.view('s').trials.map(({ state }) => state)).toEqual(Array(6).fill('complete'));
    for (const agent of [laptop, cluster]) expectWhole(agent);
    await stop(laptop, cluster);
  });

  test('comes back with what happened meanwhile, and moves again', async () => {
    const { laptop, cluster, starts } = await twoAgents();
    await moveStudy('s', laptop.end(), cluster.end(), quiet);
    const trials = (agent: Agent): number => agent.driver.view('s').trials.filter(({ state }) => state === 'complete').length;
    await until(() => trials(cluster) >= 2);
    await moveStudy('s', cluster.end(), laptop.end(), quiet);
    expect([laptop.acts('s'), cluster.acts('s')]).toEqual([true, false]);
    await moveStudy('s', laptop.end(), cluster.end(), quiet);
    expect(await moveStudy('s', laptop.end(), cluster.end(), quiet)).toBe(false);
    await moveStudy('s', cluster.end(), laptop.end(), quiet);
    await until(() => laptop.driver.view('s').state === 'ended');
    expect(laptop.driver.view('s').moves).toBe(4);
    expect(laptop.driver.view('s').trials.map(({ curve }) => curve.length)).toEqual(Array(6).fill(3));
    expect([...starts.values()]).toEqual(Array(6).fill(1));
    for (const agent of [laptop, cluster]) expectWhole(agent);
    await stop(laptop, cluster);
  });

  // Requests of a move of one small study, in their order: each is the place of a cut, before it and after it.
  const requests = [
    'agent/status',
    'study/list',
    'study/list',
    'agent/reach',
    'move/pack',
    'move/read',
    'move/write',
    'move/unpack',
    'move/leave',
  ];
  const all = [...requests, 'move/pack', 'move/read', 'move/write', 'move/unpack', 'move/arrive', 'move/done'];
  const committedAt = requests.length;
  const cuts = all.flatMap((name, at) => [
    { name, at, when: 'before' as const },
    { name, at, when: 'after' as const },
  ]);
  test.each(cuts)(
    'that is cut $when request $at ($name) is at one side at most, and moved again it arrives',
    async ({ at, when }) => {
      const { laptop, cluster, starts } = await twoAgents(10);
      let n = 0;
      const seen: string[] = [];
      const cut = async (name: string): Promise<void> => {
        // A cut after a request is one before the next: then both agents are killed too.
        if (n === at + (when === 'after' ? 1 : 0)) throw new Error('cut');
        n++;
        seen.push(name);
      };
      await moveStudy('s', laptop.end(cut), cluster.end(cut), quiet).catch((error: unknown) => {
        if (!(error instanceof Error && error.message === 'cut')) throw error;
      });
      expect(seen).toEqual(all.slice(0, at + (when === 'after' ? 1 : 0)));
      if (when === 'after') for (const agent of [laptop, cluster]) await agent.restart();
      const hasLeft = seen.length >= committedAt;
      expect(laptop.acts('s')).toBe(!hasLeft);
      expect(cluster.acts('s')).toBe(seen.includes('move/arrive'));
      await moveStudy('s', laptop.end(), cluster.end(), quiet);
      expect([laptop.acts('s'), cluster.acts('s')]).toEqual([false, true]);
      await until(() => cluster.driver.view('s').state === 'ended');
      expect(cluster.driver.view('s').trials.map(({ curve }) => curve.length)).toEqual(Array(6).fill(3));
      expect([...starts.values()]).toEqual(Array(6).fill(1));
      for (const agent of [laptop, cluster]) expectWhole(agent);
      await stop(laptop, cluster);
    },
  );

  test('that is on its way to one agent is taken by no other', async () => {
    const { laptop, cluster, machine } = await twoAgents();
    const third = new Agent('another cluster', machine);
    await third.begin();
    const cut = (name: RequestName): Promise<void> =>
      name === 'move/arrive' ? Promise.reject(new Error('cut')) : Promise.resolve();
    await expect(moveStudy('s', laptop.end(), cluster.end(cut), quiet)).rejects.toThrow('cut');
    await expect(moveStudy('s', laptop.end(), third.end(), quiet)).rejects.toMatchObject({ code: 'HPO-2508' });
    expect([laptop, cluster, third].map((agent) => agent.acts('s'))).toEqual([false, false, false]);
    expect(await moveStudy('s', laptop.end(), cluster.end(), quiet)).toBe(true);
    await expect(laptop.moves().leave({ studyId: 's', to: 'x', agent: third.id, epoch: 2 })).rejects.toMatchObject({
      code: 'HPO-2503',
    });
    await stop(laptop, cluster, third);
  });
});
