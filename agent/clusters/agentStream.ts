import { type Duplex, duplexPair, Writable } from 'node:stream';
import type { Cluster } from '../cluster/cluster.ts';
import { HpoError } from '../protocol/errors.ts';
import { agentContainer, agentLabel, agentPod, bridgeCommand } from './agentManifests.ts';

/** Characters of what the command in the pod says that are kept. */
const maxSaid = 2_000;

/**
 * Bytes to and from the agent in the cluster, through the API server's exec stream: with no more than the right to run a command in its
 * pod, and no port anywhere. Throws HPO-2510 where there is no agent, or its pod is not ready. The stream ends when the command does, or the
 * API server; with an error where that is known why.
 */
export async function openAgentStream(cluster: Cluster, name: string): Promise<Duplex> {
  // To list pods and to run commands in them is what the Role for users allows: no more is needed.
  const pods = await cluster.list('Pod', { labels: { [agentLabel]: name } });
  const pod = pods.find(({ metadata }) => metadata?.name === agentPod(name));
  if (pod === undefined) throw notInstalled(cluster, name);
  if (pod.status?.phase !== 'Running') throw notReady(cluster, name, pod.status?.phase ?? 'Pending');
  const [ours, theirs] = duplexPair();
  const ended = new AbortController();
  let said = '';
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      said = (said + chunk.toString()).slice(-maxSaid);
      done();
    },
  });
  ours.once('close', () => ended.abort());
  cluster
    .exec(agentPod(name), agentContainer, bridgeCommand, { stdin: theirs, stdout: theirs, stderr, signal: ended.signal })
    .then(
      (code) => ours.destroy(code === 0 ? undefined : new Error(said.trim() || `the bridge ended with code ${code}`)),
      (error: unknown) => ours.destroy(error instanceof Error ? error : new Error(String(error))),
    )
    .finally(() => theirs.destroy());
  return ours;
}

function notInstalled({ place }: Cluster, name: string): HpoError {
  return new HpoError(
    'HPO-2510',
    `there is no agent ${name} in ${place.context}/${place.namespace}`,
    'install it: hpo cluster agent install; or use the one of this machine: --agent local',
    { exitCode: 3 },
  );
}

function notReady({ place }: Cluster, name: string, phase: string): HpoError {
  return new HpoError(
    'HPO-2510',
    `the agent ${name} in ${place.context}/${place.namespace} is not running: its pod is ${phase}`,
    'see why: hpo cluster agent status',
  );
}
