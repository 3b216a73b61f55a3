import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import * as z from 'zod/mini';

export interface RegistryCredentials {
  /** Empty where `secret` is an identity token. */
  readonly username: string;
  readonly secret: string;
}

const configSchema = z.object({
  auths: z.optional(z.record(z.string(), z.object({ auth: z.optional(z.string()), identitytoken: z.optional(z.string()) }))),
  credsStore: z.optional(z.string()),
  credHelpers: z.optional(z.record(z.string(), z.string())),
});

const helperSchema = z.object({ Username: z.string(), Secret: z.string() });

const helperTimeoutMs = 10_000;

/**
 * What the user's own `docker login` left for a registry, by its host: from a credential helper, or from the configuration
 * itself. Null where there is nothing, or the helper has nothing to give: the registry is asked anonymously then.
 */
export async function registryCredentials(
  host: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<RegistryCredentials | null> {
  const folder = environment['DOCKER_CONFIG'] || join(environment['HOME'] ?? homedir(), '.docker');
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '{}');
  const config = configSchema.safeParse(parsed(text));
  if (!config.success) return null;
  const { auths = {}, credsStore, credHelpers = {} } = config.data;
  for (const name of namesOf(host)) {
    const helper = credHelpers[name] ?? credsStore;
    if (helper !== undefined && helper !== '') {
      const answer = await askHelper(helper, name, environment);
      if (answer !== null) return answer;
    }
    const entry = auths[name];
    if (entry?.identitytoken !== undefined && entry.identitytoken !== '') return { username: '', secret: entry.identitytoken };
    const [, username, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(entry?.auth ?? '', 'base64').toString()) ?? [];
    if (username !== undefined && secret !== undefined) return { username, secret: secret.replace(/\0+$/, '') };
  }
  return null;
}

/** Docker's own registry goes by several names, and the configuration has the oldest. */
function namesOf(host: string): readonly string[] {
  const isDockerHub = ['docker.io', 'index.docker.io', 'registry-1.docker.io', ''].includes(host);
  return isDockerHub
    ? ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io']
    : [host, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`];
}

async function askHelper(helper: string, name: string, environment: NodeJS.ProcessEnv): Promise<RegistryCredentials | null> {
  // It becomes a program's name: anything but a plain word is none.
  if (!/^[\w.-]+$/.test(helper)) return null;
  const result = await execa(`docker-credential-${helper}`, ['get'], {
    input: name,
    env: environment,
    timeout: helperTimeoutMs,
    reject: false,
  });
  const answer = helperSchema.safeParse(parsed(typeof result.stdout === 'string' ? result.stdout : ''));
  if (result.failed || !answer.success) return null;
  const { Username: username, Secret: secret } = answer.data;
  return { username: username === '<token>' ? '' : username, secret };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
