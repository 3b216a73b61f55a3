import { connect, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { HpoError } from '../protocol/errors.ts';
import { discoveredAgent } from './connectAgent.ts';
import type { BridgeGreeting } from './connectStream.ts';

const lookAgainMs = 100;

/**
 * Carries bytes between a stream and the socket of the agent of a home, after a line that says which agent it is: so whoever may
 * run a command where the agent is can talk to it. Resolves when either side has ended. Rejects with HPO-5001 where no agent is there in time.
 */
export async function bridge(home: string, input: Readable, output: Writable, waitMs: number): Promise<void> {
  const { socket, greeting } = await openAgent(home, waitMs);
  output.write(`${JSON.stringify(greeting)}\n`);
  const { promise, resolve } = Promise.withResolvers<void>();
  // What still is on its way goes over before the other side closes.
  socket.once('close', resolve);
  socket.on('error', () => socket.destroy());
  input.once('error', () => socket.destroy());
  output.once('error', () => socket.destroy());
  input.pipe(socket);
  socket.pipe(output, { end: false });
  await promise;
  input.destroy();
}

async function openAgent(home: string, waitMs: number): Promise<{ readonly socket: Socket; readonly greeting: BridgeGreeting }> {
  for (const deadline = performance.now() + waitMs; ; await delay(lookAgainMs)) {
    const discovery = discoveredAgent(home);
    const socket = discovery === null ? null : await openSocket(discovery.socket);
    if (discovery !== null && socket !== null) {
      const { pid, version, token } = discovery;
      return { socket, greeting: { hpoBridge: 1, pid, version, token } };
    }
    if (performance.now() > deadline)
      throw new HpoError('HPO-5001', `no agent is running in ${home}`, 'wait a moment, if it is just starting; see its log');
  }
}

function openSocket(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  });
}
