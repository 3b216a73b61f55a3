import type { AgentClient } from '../client/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { AgentStatus } from '../protocol/requests.ts';
import type { CommandLine } from './commandLine.ts';

const variables = ['HPO_DOCKER_HOST', 'DOCKER_HOST'] as const;

/**
 * An agent uses one engine for as long as it runs: that of the environment that it was started with. Throws HPO-2410 where the caller's
 * names another one, which the agent would silently pass over; where it names none, returns what to say of the agent's, or null.
 */
export function sameEngine(
  { dockerHost, dockerHostVariable }: Pick<AgentStatus, 'dockerHost' | 'dockerHostVariable'>,
  env: NodeJS.ProcessEnv,
): string | null {
  const used = dockerHost ?? dockerHostVariable ?? null;
  const name = variables.find((variable) => (env[variable] ?? '') !== '');
  const wanted = name === undefined ? null : env[name];
  if (wanted === used) return null;
  const uses = `the agent that runs uses ${used === null ? 'the container engine that it found' : `the container engine at ${used}`}`;
  const next = 'if no study runs in containers there (hpo status): hpo agent stop, and this command again';
  if (name === undefined) return `${uses}, and this shell names none; for another one: ${next}`;
  throw new HpoError('HPO-2410', `${name} names ${wanted}, and ${uses}`, `${next}; or leave ${name} out`, { exitCode: 4 });
}

/** Before trials in containers, or their image. */
export async function checkEngine(line: CommandLine, client: AgentClient): Promise<void> {
  const said = sameEngine(await client.request('agent/status', {}), process.env);
  if (said !== null) line.note(said);
}
