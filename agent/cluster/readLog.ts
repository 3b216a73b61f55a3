import { HpoError } from '../protocol/errors.ts';
import type { LogOptions } from './cluster.ts';
import { notReached, refused } from './clusterError.ts';
import { podPath } from './kinds.ts';
import type { Transport } from './transport.ts';

/** See `Cluster.log`. A signal that fires ends it as the container's end does. */
export async function readLog(
  transport: Transport,
  pod: string,
  { container, sinceSeconds, follow, signal }: LogOptions,
  onBytes: (bytes: Uint8Array) => void,
): Promise<void> {
  const { place } = transport;
  const asked = { verb: 'get', resource: 'pods/log', namespace: place.namespace, name: pod };
  const request = {
    ...asked,
    method: 'GET',
    path: podPath(place.namespace, pod, 'log'),
    query: {
      container,
      ...(follow ? { follow: 'true' } : {}),
      // The server knows whole seconds alone, and no zero.
      ...(sinceSeconds === undefined ? {} : { sinceSeconds: String(Math.max(1, Math.ceil(sinceSeconds))) }),
    },
  } as const;
  if (signal.aborted) return;
  try {
    const { message, refusal } = await transport.open(request, signal);
    if (refusal !== null) {
      // 204 says that the pod is on no node yet.
      if (refusal.status === 204) throw noLogYet(pod, container, 'it is on no node');
      if (refusal.status === 400 || refusal.status === 404) throw noLogYet(pod, container, refusal.words);
      // What the server says of a node that it does not reach, or that does not know the container yet.
      if (refusal.status >= 500) throw new Error(refusal.words);
      throw refused(place, asked, refusal);
    }
    // One that broke off rejects.
    for await (const chunk of message) {
      if (signal.aborted) return;
      onBytes(chunk as Uint8Array);
    }
  } catch (error) {
    if (signal.aborted) return;
    throw notReached(place, asked, error);
  }
}

function noLogYet(pod: string, container: string, words: string): HpoError {
  return new HpoError(
    'HPO-2468',
    `there is no log of ${container} in the pod ${pod} yet: ${words}`,
    'it comes when the container has begun: hpo status says what it waits for',
  );
}
