import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';
import { protocolVersion } from '../protocol/requests.ts';
import { type AgentClient, AgentConnection } from './agentConnection.ts';

/** The first line that `hpo bridge` writes: of the agent to whose socket the bytes after it lead. */
export const bridgeGreeting = z.object({ hpoBridge: z.literal(1), pid: z.number(), version: z.string(), token: z.string() });
export type BridgeGreeting = z.infer<typeof bridgeGreeting>;

export interface StreamOptions {
  /** Name shown in the agent's log. */
  readonly client: string;
  readonly version: string;
  /** Where the agent is, for people. */
  readonly place: string;
  /** What to do where the agent there is another version. */
  readonly howToUpdate: string;
  /** As in `ConnectOptions`. Default: 30 s, as more is between the two than a socket. */
  readonly silenceMs?: number;
  /** Until the greeting is there; default: 60 s, as the agent there may be starting. */
  readonly greetingMs?: number;
}

const maxGreetingBytes = 4096;

/**
 * Talks to an agent over a stream that `hpo bridge` answers at its other end. Throws HPO-2509 where nothing of the kind answers, HPO-5003 where
 * the agent is another version: nobody but its owner replaces it.
 */
export async function connectStream(stream: Duplex, options: StreamOptions): Promise<AgentClient> {
  const { client: name, version, place, howToUpdate, silenceMs = 30_000, greetingMs = 60_000 } = options;
  // An error is followed by its close, which is what everybody waits for.
  stream.on('error', () => stream.destroy());
  try {
    const greeting = await readGreeting(stream, place, greetingMs);
    const stuck = (): HpoError =>
      new HpoError('HPO-5016', `the agent in ${place} does not answer`, 'run the command again; studies there go on meanwhile');
    const connection = new AgentConnection(stream, { pid: null, stuck }, silenceMs);
    const hello = await connection.request('hello', { protocolVersion, client: name, version, token: greeting.token });
    if (hello.version === version && hello.protocolVersion === protocolVersion) return connection;
    throw new HpoError('HPO-5003', `the agent in ${place} is version ${hello.version}, this client is ${version}`, howToUpdate);
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

async function readGreeting(stream: Duplex, place: string, timeoutMs: number): Promise<BridgeGreeting> {
  let text = Buffer.alloc(0);
  const signal = AbortSignal.timeout(timeoutMs);
  while (!text.includes(10) && text.length < maxGreetingBytes) {
    const chunk: unknown = stream.read();
    if (chunk instanceof Uint8Array) {
      text = Buffer.concat([text, chunk]);
      continue;
    }
    if (stream.readableEnded || stream.destroyed) throw noAnswer(place, 'the connection ended before it said anything');
    try {
      await Promise.race([once(stream, 'readable', { signal }), once(stream, 'close', { signal })]);
    } catch {
      throw noAnswer(place, `nothing came within ${timeoutMs / 1000} s`);
    }
  }
  const end = text.indexOf(10);
  const parsed = bridgeGreeting.safeParse(parseJson(text.subarray(0, end === -1 ? 0 : end).toString()));
  if (!parsed.success) throw noAnswer(place, `what came is not from hpo: ${text.subarray(0, 100).toString()}`);
  const rest = text.subarray(end + 1);
  if (rest.length > 0) stream.unshift(rest);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function noAnswer(place: string, why: string): HpoError {
  return new HpoError(
    'HPO-2509',
    `the agent in ${place} cannot be reached: ${why}`,
    'see how it is: hpo cluster agent status; studies there go on meanwhile',
  );
}
