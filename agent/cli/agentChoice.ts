import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import type { Command } from 'commander';
import { connectStream } from '../client/index.ts';
import { chosenProfile, connectCluster, readProfiles } from '../cluster/index.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { usualAgentName } from '../clusters/agentManifests.ts';
import { openAgentStream } from '../clusters/agentStream.ts';
import { HpoError } from '../protocol/errors.ts';
import { version } from '../version.ts';
import type { CommandLine, RemoteAgent } from './commandLine.ts';

/** For people, where studies are said to come from. */
export function thisMachine(): string {
  return `this machine (${hostname()})`;
}

/** `--agent` of every command: the agent of this machine, or that of a cluster. Without it, what the profile in use says. */
export function addAgentOption(program: Command, line: CommandLine): void {
  program.option('--agent <which>', 'which agent: local, or cluster[:NAME] (hpo cluster agent install)');
  program.hook('preAction', (_program, command) => {
    const { agent } = command.optsWithGlobals<{ readonly agent?: string }>();
    const profile = chosenAgent(line, agent);
    if (profile !== null) line.useAgent(clusterAgent(profile));
  });
}

/** The cluster whose agent is meant; null for that of this machine. */
function chosenAgent(line: CommandLine, agent: string | undefined): ClusterProfile | null {
  const [kind = '', ...name] = (agent ?? usualAgent(line)).split(':');
  if (kind === 'local' && name.length === 0) return null;
  if (kind === 'cluster') return chosenProfile(readProfiles(line.home), name.length === 0 ? null : name.join(':'));
  throw new HpoError(
    'HPO-2511',
    `there is no agent "${agent}"`,
    'choose: --agent local, --agent cluster or --agent cluster:NAME',
    {
      exitCode: 2,
    },
  );
}

function usualAgent(line: CommandLine): string {
  const { profiles, inUse } = readProfiles(line.home);
  return profiles.some(({ name, usesAgent }) => name === inUse && usesAgent === true) ? 'cluster' : 'local';
}

/** Connected when it is first needed; each connection is a new exec stream. */
export function clusterAgent(profile: ClusterProfile): RemoteAgent {
  const place = `the cluster ${profile.name} (${profile.context}/${profile.namespace})`;
  let cluster: ReturnType<typeof connectCluster> | null = null;
  const open = async (): Promise<Duplex> => {
    cluster ??= connectCluster(profile);
    return await openAgentStream(await cluster, usualAgentName);
  };
  return {
    place,
    cluster: profile.name,
    async connect() {
      const stream = await open();
      const howToUpdate = 'bring the one in the cluster to this version: hpo cluster agent install; its studies go on meanwhile';
      return await connectStream(stream, { client: 'cli', version, place, howToUpdate });
    },
    async carry(input, output) {
      const stream = await open();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      stream.once('error', reject);
      stream.once('close', resolve);
      input.once('end', () => stream.destroy());
      input.pipe(stream, { end: false });
      stream.pipe(output, { end: false });
      await promise.finally(() => input.destroy());
    },
    async [Symbol.asyncDispose]() {
      const opened = await cluster?.catch(() => null);
      await opened?.[Symbol.asyncDispose]();
    },
  };
}
