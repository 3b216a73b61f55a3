import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';

/** Where an engine may listen. */
export interface Endpoint {
  /** `unix:///var/run/docker.sock`, `npipe:////./pipe/docker_engine`, `tcp://host:2376`. */
  readonly url: string;
  /** Why it is looked for there, for people. */
  readonly origin: string;
  readonly kind: 'docker' | 'rootless' | 'podman' | 'named';
  /** Certificates (PEM) for one that is reached over the network; null for a plain connection. */
  readonly tls: Tls | null;
}

export interface Tls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface EndpointOptions {
  /** What the user says explicitly, as DOCKER_HOST; null for nothing. */
  readonly host: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Home folder of the user; the real one by default. */
  readonly homeDir?: string;
  readonly platform?: NodeJS.Platform;
  readonly uid?: number;
  /** Where the folders of the system are; `/` by default. */
  readonly systemDir?: string;
}

/**
 * The places in the order in which Docker's own command line looks, and then those of engines without root and of Podman. One
 * alone where somebody named it: another engine in its stead would be a surprise. Throws an HpoError for what no engine can be.
 */
export function resolveEndpoint(options: EndpointOptions): readonly Endpoint[] {
  const { host, environment } = options;
  const dockerDir = environment['DOCKER_CONFIG'] ?? join(options.homeDir ?? homedir(), '.docker');
  if (host !== null && host !== '') return [named(host, 'the setting', tlsOf(environment))];
  const dockerHost = environment['DOCKER_HOST'];
  if (dockerHost !== undefined && dockerHost !== '') return [named(dockerHost, 'DOCKER_HOST', tlsOf(environment))];
  const context = contextName(environment, dockerDir);
  if (context !== null) return [endpointOfContext(context, dockerDir)];
  return usualEndpoints(options);
}

/** The path to connect to, of a socket or a pipe; null for one that is reached over the network. */
export function socketOf({ url }: Pick<Endpoint, 'url'>): string | null {
  if (url.startsWith('unix://')) return url.slice('unix://'.length);
  return url.startsWith('npipe://') ? url.slice('npipe://'.length) : null;
}

function named(text: string, origin: string, tls: Tls | null): Endpoint {
  const url = text.startsWith('/') ? `unix://${text}` : text.includes('://') ? text : `tcp://${text}`;
  const scheme = url.slice(0, url.indexOf('://'));
  if (scheme === 'ssh') {
    throw new HpoError(
      'HPO-2409',
      `${origin} names an engine that is reached by ssh (${url}); its containers would not see the files of this machine`,
      'run the agent on that machine (VS Code Remote does), name an engine of this machine in DOCKER_HOST, or run locally: --on local',
    );
  }
  if (
    !['unix', 'npipe', 'tcp', 'http', 'https'].includes(scheme) ||
    (scheme !== 'unix' && scheme !== 'npipe' && !URL.canParse(url.replace(/^tcp:/, 'http:')))
  ) {
    throw new HpoError(
      'HPO-2409',
      `${origin} names no engine that can be reached: ${url}`,
      'write unix:///path/of/docker.sock or tcp://host:port, or run locally: --on local',
    );
  }
  return { url, origin, kind: 'named', tls };
}

/** As Docker's command line reads it: DOCKER_TLS_VERIFY or DOCKER_TLS ask for it, DOCKER_CERT_PATH has the files. */
function tlsOf(environment: EndpointOptions['environment']): Tls | null {
  const folder = environment['DOCKER_CERT_PATH'];
  const isAsked = [environment['DOCKER_TLS_VERIFY'], environment['DOCKER_TLS']].some((text) => text !== undefined && text !== '');
  return isAsked || folder !== undefined ? readTls(folder ?? '') : null;
}

function readTls(folder: string): Tls {
  const read = (name: string): string | undefined => readText(join(folder, name)) ?? undefined;
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}

/** Null for the default one, which is no context but the usual places. */
function contextName(environment: EndpointOptions['environment'], dockerDir: string): string | null {
  const chosen = environment['DOCKER_CONTEXT'];
  const name = chosen !== undefined && chosen !== '' ? chosen : currentContext(join(dockerDir, 'config.json'));
  return name === undefined || name === '' || name === 'default' ? null : name;
}

const configSchema = z.object({ currentContext: z.optional(z.string()) });
const metaSchema = z.object({ Endpoints: z.object({ docker: z.object({ Host: z.string() }) }) });

function currentContext(path: string): string | undefined {
  const parsed = configSchema.safeParse(readJson(path));
  return parsed.success ? parsed.data.currentContext : undefined;
}

function endpointOfContext(name: string, dockerDir: string): Endpoint {
  const id = createHash('sha256').update(name).digest('hex');
  const path = join(dockerDir, 'contexts', 'meta', id, 'meta.json');
  const parsed = metaSchema.safeParse(readJson(path));
  if (!parsed.success) {
    throw new HpoError(
      'HPO-2409',
      `the Docker context ${name} is chosen, and ${path} does not say where its engine is`,
      'choose another one: docker context use default; or run locally: --on local',
    );
  }
  const tls = readTls(join(dockerDir, 'contexts', 'tls', id, 'docker'));
  return named(parsed.data.Endpoints.docker.Host, `context ${name}`, Object.values(tls).some(Boolean) ? tls : null);
}

function usualEndpoints(options: EndpointOptions): readonly Endpoint[] {
  const { environment, homeDir = homedir(), platform = process.platform, systemDir = '/' } = options;
  if (platform === 'win32') {
    return [
      { url: 'npipe:////./pipe/docker_engine', origin: 'the usual place', kind: 'docker', tls: null },
      { url: 'npipe:////./pipe/podman-machine-default', origin: 'Podman', kind: 'podman', tls: null },
    ];
  }
  const runtimeDir = environment['XDG_RUNTIME_DIR'] ?? `/run/user/${options.uid ?? process.getuid?.() ?? 0}`;
  const unix = (path: string, origin: string, kind: Endpoint['kind']): Endpoint => ({
    url: `unix://${path}`,
    origin,
    kind,
    tls: null,
  });
  return [
    unix(join(systemDir, 'var/run/docker.sock'), 'the usual place', 'docker'),
    unix(join(homeDir, '.docker', 'run', 'docker.sock'), 'Docker Desktop', 'docker'),
    unix(join(homeDir, '.docker', 'desktop', 'docker.sock'), 'Docker Desktop', 'docker'),
    unix(join(runtimeDir, 'docker.sock'), 'Docker without root', 'rootless'),
    unix(join(runtimeDir, 'podman', 'podman.sock'), 'Podman', 'podman'),
    unix(join(systemDir, 'run/podman/podman.sock'), 'Podman', 'podman'),
  ];
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readText(path) ?? 'null');
  } catch {
    return null;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
