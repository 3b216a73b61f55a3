import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { AgentClient } from '../../../../agent/client/index.ts';
import { HpoError } from '../../../../agent/protocol/errors.ts';
import { createView, foldView, type StudyView } from '../../../../agent/protocol/view.ts';
import type { JournalEntry } from '../../../../agent/protocol/events.ts';
import type { RequestName, Requests } from '../../../../agent/protocol/requests.ts';
import { AgentLink, type LinkState } from '../../../../extension/client/agentLink.ts';
import { StudyStore } from '../../../../extension/client/studyStore.ts';
import { sceneEntries, viewOf } from '../../../support/views.ts';

const entries = sceneEntries('running');

/** An agent in memory: it serves its journal to whoever subscribes, and can be started, stopped and killed. */
class MemoryAgent {
  journal: JournalEntry[] = [];
  isRunning = false;
  isAnnounced = false;
  nStarts = 0;
  readonly #connections = new Set<{ deliver: (entries: readonly JournalEntry[]) => void; end: () => void }>();

  async connect(start: boolean): Promise<AgentClient> {
    await delay(1);
    if (!this.isRunning && !start) throw new HpoError('HPO-5001', 'no agent is running', 'start a study');
    if (!this.isRunning) this.nStarts++;
    this.isRunning = true;
    this.isAnnounced = true;
    return this.#client();
  }

  append(added: readonly JournalEntry[]): void {
    this.journal.push(...added);
    for (const connection of this.#connections) connection.deliver(added);
  }

  end(how: 'killed' | 'stopped'): void {
    this.isRunning = false;
    this.isAnnounced = how === 'killed';
    for (const connection of this.#connections) connection.end();
    this.#connections.clear();
  }

  #client(): AgentClient {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const listeners: ((entries: readonly JournalEntry[]) => void)[] = [];
    this.#connections.add({
      deliver: (added) => {
        for (const listener of listeners) listener(added);
      },
      end: resolve,
    });
    return {
      closed,
      request: <N extends RequestName>(name: N): Promise<Requests[N]['result']> => {
        if (name !== 'study/list') throw new Error(`not served: ${name}`);
        const ids = new Set(this.journal.map((entry) => entry.studyId));
        // The link looks at ids alone.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the answer to the one request that is served
        return Promise.resolve({ studies: [...ids].map((studyId) => ({ studyId })) } as unknown as Requests[N]['result']);
      },
      view: () => Promise.reject(new Error('not served')),
      views: () => {
        const views = new Map<string, StudyView>();
        for (const entry of this.journal) {
          const view = views.get(entry.studyId);
          if (view === undefined) views.set(entry.studyId, createView(entry));
          else foldView(view, entry);
        }
        return Promise.resolve({ seq: this.journal.at(-1)?.seq ?? 0, views: [...views.values()] });
      },
      subscribe: (_studyId, from, onEntries) => {
        onEntries(this.journal.filter((entry) => entry.seq > from));
        listeners.push(onEntries);
        return Promise.resolve({ [Symbol.asyncDispose]: async () => {} });
      },
      onProgress: () => ({ [Symbol.dispose]: () => {} }),
      [Symbol.asyncDispose]: async () => resolve(),
    };
  }
}

function linked(agent: MemoryAgent): { store: StudyStore; link: AgentLink; states: LinkState[] } {
  const store = new StudyStore();
  const link = new AgentLink(store, {
    connect: async (start) => await agent.connect(start),
    hasCrashed: async () => agent.isAnnounced,
    log: () => {},
  });
  const states: LinkState[] = [];
  link.onState((state) => states.push(state));
  return { store, link, states };
}

describe('the connection to the agent', () => {
  test('joining starts nothing; asking for the client does, once for all who ask', async () => {
    const agent = new MemoryAgent();
    const { link, states } = linked(agent);
    await using _ending = link;
    expect(await link.join()).toBe(false);
    expect(agent.nStarts).toBe(0);
    const [first, second] = await Promise.all([link.client(), link.client()]);
    expect(first).toBe(second);
    expect(await link.join()).toBe(true);
    expect(states).toEqual(['connecting', 'offline', 'connecting', 'online']);
  });

  test('the past comes first, then the present', async () => {
    const agent = new MemoryAgent();
    const { store, link } = linked(agent);
    await using _ending = link;
    agent.append(entries.slice(0, 50));
    await link.client();
    agent.append(entries.slice(50));
    expect(store.list()).toEqual([viewOf(entries)]);
  });

  test('after a kill while a study runs an agent is started again, and nothing is lost or doubled', async () => {
    const agent = new MemoryAgent();
    const { store, link, states } = linked(agent);
    await using _ending = link;
    agent.append(entries.slice(0, 50));
    await link.client();
    agent.end('killed');
    agent.append(entries.slice(50, 60));
    await expect.poll(() => link.state).toBe('online');
    agent.append(entries.slice(60));
    expect(agent.nStarts).toBe(2);
    expect(states).toEqual(['connecting', 'online', 'offline', 'connecting', 'online']);
    expect(store.list()).toEqual([viewOf(entries)]);
  });

  test.each([
    ['it was stopped', 'stopped', entries.slice(0, 50)],
    ['nothing runs', 'killed', sceneEntries('ended')],
  ] as const)('no agent is started again when %s', async (_why, how, journal) => {
    const agent = new MemoryAgent();
    const { link } = linked(agent);
    await using _ending = link;
    agent.append(journal);
    await link.client();
    agent.end(how);
    await delay(400);
    expect([link.state, agent.nStarts]).toEqual(['offline', 1]);
  });

  test('a journal that does not know a study makes the window forget the old one', async () => {
    const agent = new MemoryAgent();
    const { store, link } = linked(agent);
    await using _ending = link;
    agent.append(entries);
    await link.client();
    agent.end('stopped');
    agent.journal = sceneEntries('ended').map(({ event }, index) => ({ event, studyId: 'another', seq: index + 1 }));
    await expect.poll(() => link.state).toBe('offline');
    await link.client();
    expect(store.list().map((view) => view.studyId)).toEqual(['another']);
  });
});
