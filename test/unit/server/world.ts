import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentClient, connectAgent } from '../../../agent/client/index.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import type { JournalEntry } from '../../../agent/protocol/events.ts';
import type { StudyView } from '../../../agent/protocol/view.ts';
import { AgentServer, type RequestContext, type ServedRequest, type Service } from '../../../agent/server/server.ts';

export const version = '1.2.3';
const token = 'the-token';

/** Answers from memory: what is asked decides what happens. */
export class MemoryService implements Service {
  readonly version = version;
  readonly asked: [ServedRequest, unknown][] = [];
  readonly subscribers = new Set<(entries: readonly JournalEntry[]) => void>();
  studies: readonly StudyView[] = [];
  /** How often they were asked for. */
  nViewed = 0;
  /** The context of the last `study/create`, which is never answered. */
  creation: RequestContext | null = null;

  // oxlint-disable-next-line typescript/no-explicit-any -- the result belongs to the request's name, which only the caller knows
  async handle(name: ServedRequest, params: unknown, context: RequestContext): Promise<any> {
    this.asked.push([name, params]);
    switch (name) {
      case 'study/create':
        this.creation = context;
        context.progress('looking at the environment');
        return await new Promise(() => {});
      case 'study/list':
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      case 'study/view':
        throw new HpoError('HPO-4004', 'there is no study "x"', 'list them', { exitCode: 3 });
      case 'trial/log':
        throw new TypeError('a fault of ours');
      default:
        return {};
    }
  }

  views(_studyId: string | null): { readonly seq: number; readonly views: readonly StudyView[] } {
    this.nViewed++;
    return { seq: 7, views: this.studies };
  }

  subscribe(_studyId: string | null, from: number, onEntries: (entries: readonly JournalEntry[]) => void): Disposable {
    const listener = (entries: readonly JournalEntry[]): void => onEntries(entries.filter(({ seq }) => seq > from));
    this.subscribers.add(listener);
    return { [Symbol.dispose]: () => this.subscribers.delete(listener) };
  }

  publish(...seqs: number[]): void {
    const entries = seqs.map((seq): JournalEntry => ({ seq, studyId: 's', event: { type: 'studyResumed', at: seq } }));
    for (const subscriber of this.subscribers) subscriber(entries);
  }
}

/** A server in this process, with a home where clients find it. */
export class ServerWorld implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), 'hpo-server-'));
  readonly socket: string;
  readonly service = new MemoryService();
  readonly server: AgentServer;
  readonly logged: string[] = [];

  private constructor(socket: string | null) {
    this.socket = socket ?? join(this.home, 'run', 'agent.sock');
    this.server = new AgentServer({
      socket: this.socket,
      token,
      service: this.service,
      log: { error: (message) => this.logged.push(message) },
    });
  }

  static async open(socket: string | null = null, told: { token?: string } = {}): Promise<ServerWorld> {
    const world = new ServerWorld(socket);
    mkdirSync(join(world.home, 'run'), { recursive: true });
    world.tellToken(told.token);
    try {
      await world.server.listen();
    } catch (error) {
      rmSync(world.home, { recursive: true, force: true });
      throw error;
    }
    return world;
  }

  tellToken(told = token): void {
    const discovery = { pid: process.pid, version, socket: this.socket, token: told };
    writeFileSync(join(this.home, 'run', 'agent.json'), JSON.stringify(discovery));
  }

  connect(clientVersion: string = version): Promise<AgentClient> {
    const agentMain = join(this.home, 'none.cjs');
    return connectAgent({
      home: this.home,
      agentMain,
      node: process.execPath,
      client: 'test',
      version: clientVersion,
      start: false,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    rmSync(this.home, { recursive: true, force: true });
  }
}
