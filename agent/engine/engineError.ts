import { HpoError } from '../protocol/errors.ts';
import { type Endpoint, socketOf } from './endpoint.ts';

const orLocally = 'or run locally: --on local';

/** Nothing was ever installed here that could run containers. */
export function noEngine(): HpoError {
  return new HpoError(
    'HPO-2401',
    'there is no container engine on this machine',
    `install Docker (https://docs.docker.com/engine/install) or Podman, ${orLocally}`,
  );
}

export function notRunning(endpoint: Endpoint | null, platform: NodeJS.Platform, cause?: unknown): HpoError {
  const where = endpoint === null ? 'none of its usual sockets is there' : `nobody answers at ${describe(endpoint)}`;
  return new HpoError(
    'HPO-2402',
    `the container engine does not run: ${where}`,
    `${howToStart(endpoint, platform)}, ${orLocally}`,
    {
      cause,
    },
  );
}

export function notPermitted(endpoint: Endpoint, cause: unknown): HpoError {
  return new HpoError(
    'HPO-2403',
    `this user may not use the container engine at ${describe(endpoint)}: permission denied`,
    `let an administrator add you to the group docker (sudo usermod -aG docker $USER, then log in anew; it gives the rights of root), install Docker without root (dockerd-rootless-setuptool.sh install), ${orLocally}`,
    { cause },
  );
}

export function noAnswer(endpoint: Endpoint, what: string, cause: unknown): HpoError {
  return new HpoError(
    'HPO-2404',
    `the container engine at ${describe(endpoint)} gave no answer: ${what}${cause instanceof Error && !isAbort(cause) ? ` (${cause.message})` : ''}`,
    `it may be overloaded, starting anew or stuck; if \`docker ps\` does not answer either, restart it, ${orLocally}`,
    { cause },
  );
}

/** For people: where, and why there. */
export function describe({ url, origin }: Endpoint): string {
  return `${url} (${origin})`;
}

/** What a call that failed means. */
export function engineError(error: unknown, endpoint: Endpoint, what: string): HpoError {
  if (error instanceof HpoError) return error;
  if (statusOf(error) !== null) return refused(error, what);
  switch (codeOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return notPermitted(endpoint, error);
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTSOCK':
    case 'ENOTDIR':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return notRunning(endpoint, process.platform, error);
    default:
      return noAnswer(endpoint, what, error);
  }
}

/** HTTP status of an answer that refuses; null where there was no answer. */
export function statusOf(error: unknown): number | null {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : null;
}

/** The engine's own words. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const json = 'json' in error ? error.json : null;
  if (typeof json === 'object' && json !== null && 'message' in json && typeof json.message === 'string')
    return json.message.trim();
  return error.message.trim();
}

function refused(cause: unknown, what: string): HpoError {
  const words = wordsOf(cause);
  for (const { pattern, message, next } of refusals) {
    const match = pattern.exec(words);
    if (match !== null) return new HpoError('HPO-2405', message(match[1] ?? ''), next, { cause });
  }
  return new HpoError('HPO-2405', `the container engine refuses: ${what}: ${words}`, `see what it says, ${orLocally}`, { cause });
}

/** What engines say when something that the user can change is in the way. */
const refusals: readonly { readonly pattern: RegExp; readonly message: (found: string) => string; readonly next: string }[] = [
  {
    pattern: /(?:bind source path does not exist: |statfs )(.+?)(?:: no such file or directory|$)/,
    message: (path) => `what is to be mounted is not there, as the container engine sees it: ${path}`,
    next: 'check the path in # @hpo.data; an engine on another machine, or in a virtual one that does not share this folder, cannot mount it',
  },
  {
    pattern: /could not select device driver|nvidia-container-cli|unresolvable CDI devices|device driver .* with capabilities/,
    message: () => 'the container engine cannot give containers a GPU',
    next: 'install the NVIDIA Container Toolkit and restart the engine, take gpus= away from # @hpo.resources, or run locally: --on local',
  },
  {
    pattern: /exec: "?([^":]+)"?: (?:stat .*: )?(?:no such file or directory|executable file not found)/,
    message: (program) => `the image has no ${program}`,
    next: 'attempts are started by /bin/sh: take an image that has one, such as python:3.12-slim',
  },
  {
    pattern: /no space left on device/,
    message: () => 'the disk of the container engine is full',
    next: 'make room: hpo clean frees what studies left, docker system df shows the rest',
  },
];

function howToStart(endpoint: Endpoint | null, platform: NodeJS.Platform): string {
  if (endpoint?.kind === 'podman') return 'start it: systemctl --user start podman.socket';
  if (endpoint?.kind === 'rootless') return 'start it: systemctl --user start docker';
  const isOurs = endpoint === null || endpoint.kind === 'docker' || socketOf(endpoint) === '/var/run/docker.sock';
  if (!isOurs) return `start the engine that listens there, or correct ${endpoint.origin}`;
  return platform === 'linux' ? 'start it: sudo systemctl start docker' : 'start Docker Desktop';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function isAbort(error: Error): boolean {
  return error.name === 'AbortError' || error.name === 'TimeoutError';
}

export function isNotRunning({ code }: HpoError): boolean {
  return code === 'HPO-2402';
}

/** What is there and may not be used, or does not answer, is nearer to what the user wants than what does not run. */
export function byNearness(a: HpoError, b: HpoError): number {
  return nearest.indexOf(a.code) - nearest.indexOf(b.code);
}

const nearest = ['HPO-2403', 'HPO-2404', 'HPO-2405', 'HPO-2402'];
