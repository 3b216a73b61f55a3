import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import * as z from 'zod/mini';
import { type RegistryCredentials, registryCredentials } from '../engine/registryCredentials.ts';
import { HpoError } from '../protocol/errors.ts';
import { certificatesOf } from '../system/certificates.ts';
import { type Challenge, parseChallenge } from './challenge.ts';
import { apiHost } from './imageName.ts';
import { notAllowed, refused, unreachable } from './registryError.ts';

export interface RegistryOptions {
  /** Those that are asked by http, as `HOST[:PORT]`. Others are only where they are of this machine and know no TLS. */
  readonly plain?: ReadonlySet<string>;
  /** For proxies (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) and for where Docker's configuration is. */
  readonly environment: NodeJS.ProcessEnv;
  readonly limits?: RegistryLimits;
}

/** Times in ms. */
export interface RegistryLimits {
  readonly connect: number;
  /** Until the first bytes of an answer, counted from the last byte that was sent. */
  readonly answer: number;
  /** Between bytes of an answer. */
  readonly idle: number;
  /** How often something is tried. */
  readonly tries: number;
  /** Before the second try; doubled for each further one. */
  readonly pause: number;
  /** The longest that a registry can make us wait by `Retry-After`. */
  readonly maxPause: number;
}

export const usualRegistryLimits: RegistryLimits = {
  connect: 10_000,
  // Of a large layer some registries look at every byte first.
  answer: 300_000,
  idle: 60_000,
  tries: 5,
  pause: 500,
  maxPause: 60_000,
};

export interface Question {
  readonly registry: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** A path, or an address that the registry gave. */
  readonly url: string;
  /** What it is about, for people. */
  readonly what: string;
  /** `repository:NAME:pull,push` */
  readonly scopes: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each try. */
  readonly body?: () => Uint8Array | AsyncIterable<Uint8Array>;
  /** Statuses that are answers; others reject. */
  readonly statuses: readonly number[];
  /** Absent: as the limits say. */
  readonly tries?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  /** The address that answered, after redirects. */
  readonly url: string;
  header(name: string): string | null;
  /** At most so many bytes; more reject. */
  bytes(most: number): Promise<Buffer>;
  stream(): AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

/** The requests of the distribution API: where a registry answers, who asks, and what is tried again. */
export class RegistryClient {
  readonly #options: RegistryOptions;
  readonly limits: RegistryLimits;
  /** Registry → `https://host`. */
  readonly #origins = new Map<string, Promise<string>>();
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();
  /** By registry and scopes. */
  readonly #authorizations = new Map<string, { readonly header: string; readonly until: number }>();
  readonly #credentials = new Map<string, Promise<RegistryCredentials | null>>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.limits = options.limits ?? usualRegistryLimits;
  }

  /** Rejects with HPO-2470, 2471 or 2473. */
  async ask(question: Question): Promise<Answer> {
    const { registry, what, statuses, signal } = question;
    const tries = question.tries ?? this.limits.tries;
    for (let n = 1; ; n++) {
      signal?.throwIfAborted();
      let fault: HpoError;
      let pauseMs = this.limits.pause * 2 ** (n - 1) * (0.75 + Math.random() / 2);
      try {
        const answer = await this.#askKnown(question);
        if (statuses.includes(answer.status)) return answer;
        const words = await wordsOf(answer);
        fault = refused(registry, what, words, isPassing(answer.status) ? new PassingFault(words) : undefined);
        if (answer.status === 401 || answer.status === 403)
          throw notAllowed(registry, what, (await this.#login(registry)) !== null);
        if (!isPassing(answer.status)) throw fault;
        pauseMs = Math.max(pauseMs, retryAfterMs(answer.header('retry-after')));
      } catch (error) {
        signal?.throwIfAborted();
        if (!isPassingFault(error)) throw faultOf(registry, what, error);
        fault = faultOf(registry, what, error);
      }
      if (n >= tries) throw fault;
      await sleep(Math.min(pauseMs, this.limits.maxPause), undefined, { signal });
    }
  }

  /** Address of something that a registry gave as a path or as a whole. */
  async resolve(registry: string, url: string): Promise<string> {
    return new URL(url, await this.#origin(registry)).href;
  }

  /** As `#follow`, and again with what the registry wants to see of who asks. */
  async #askKnown(question: Question): Promise<Answer> {
    const { registry, scopes } = question;
    const key = [registry, ...scopes].join(' ');
    const known = this.#authorizations.get(key);
    const answer = await this.#follow(question, known !== undefined && known.until > Date.now() ? known.header : null);
    const challenge = answer.status === 401 ? parseChallenge(answer.header('www-authenticate') ?? '') : null;
    if (challenge === null) return answer;
    const authorization = await this.#authorize(question, challenge);
    if (authorization === null) return answer;
    await answer.discard();
    this.#authorizations.set(key, authorization);
    return await this.#follow(question, authorization.header);
  }

  /** Follows redirects. What says who asks goes to the registry alone. */
  async #follow(question: Question, authorization: string | null): Promise<Answer> {
    const { registry, what } = question;
    const origin = await this.#origin(registry);
    let url = new URL(question.url, origin);
    for (let n = 0; ; n++) {
      if (url.protocol !== 'https:' && url.origin !== origin && !isLoopback(url.host))
        throw refused(registry, what, `it sends us to ${url.origin}, which is not encrypted`);
      const answer = await this.#send(question, url, url.origin === origin ? authorization : null);
      const target = answer.header('location');
      if (![301, 302, 303, 307, 308].includes(answer.status) || target === null) return answer;
      await answer.discard();
      if (n === maxRedirects) throw refused(registry, what, 'it redirects without end');
      url = new URL(target, url);
    }
  }

  async #send({ method, headers, body, signal }: Question, url: URL, authorization: string | null): Promise<Answer> {
    const { request } = await import('undici');
    const content = body?.();
    const {
      statusCode,
      headers: answered,
      body: stream,
    } = await request(url, {
      method,
      dispatcher: await this.#dispatcher(url.host),
      headers: { 'user-agent': 'hpo', ...headers, ...(authorization === null ? {} : { authorization }) },
      // Undici takes any iterable of bytes, and its types name only streams.
      body: (content ?? null) as Uint8Array | null,
      headersTimeout: this.limits.answer,
      bodyTimeout: this.limits.idle,
      signal: signal ?? null,
    });
    const header = (name: string): string | null => {
      const value = answered[name];
      return (Array.isArray(value) ? value.join(', ') : value) ?? null;
    };
    return {
      status: statusCode,
      url: url.href,
      header,
      stream: () => stream,
      discard: () => stream.dump(),
      bytes: async (most) => {
        const chunks: Uint8Array[] = [];
        let size = 0;
        for await (const chunk of stream as AsyncIterable<Uint8Array>) {
          size += chunk.length;
          if (size > most) throw refused(url.host, 'reading an answer', `it is larger than ${most} bytes`);
          chunks.push(chunk);
        }
        return Buffer.concat(chunks);
      },
    };
  }

  #dispatcher(host: string): Promise<Dispatcher> {
    const key = isLoopback(host) ? 'own' : host;
    const known = this.#dispatchers.get(key);
    if (known !== undefined) return known;
    const made = this.#makeDispatcher(host);
    this.#dispatchers.set(key, made);
    return made;
  }

  async #makeDispatcher(host: string): Promise<Dispatcher> {
    const { Agent, EnvHttpProxyAgent } = await import('undici');
    // Kept open, a connection would keep a program that is done from ending.
    const common = { keepAliveTimeout: 2_000 };
    if (isLoopback(host)) return new Agent({ ...common, connect: { timeout: this.limits.connect, ...trusted(host) } });
    const { environment } = this.#options;
    const proxy = (name: string): string => environment[name.toLowerCase()] ?? environment[name] ?? '';
    return new EnvHttpProxyAgent({
      ...common,
      connect: { timeout: this.limits.connect, ...trusted(host) },
      requestTls: trusted(host),
      proxyTls: trusted(host),
      httpProxy: proxy('HTTP_PROXY'),
      httpsProxy: proxy('HTTPS_PROXY'),
      noProxy: proxy('NO_PROXY'),
    });
  }

  #origin(registry: string): Promise<string> {
    const known = this.#origins.get(registry);
    if (known !== undefined) return known;
    const found = this.#findOrigin(apiHost(registry), registry);
    this.#origins.set(registry, found);
    found.catch(() => this.#origins.delete(registry));
    return found;
  }

  async #findOrigin(host: string, registry: string): Promise<string> {
    if (this.#options.plain?.has(registry) === true) return `http://${host}`;
    if (!isLoopback(host)) return `https://${host}`;
    const { request } = await import('undici');
    try {
      const { body } = await request(`https://${host}/v2/`, {
        dispatcher: await this.#dispatcher(host),
        headersTimeout: this.limits.answer,
      });
      await body.dump();
      return `https://${host}`;
    } catch (error) {
      // It speaks TLS, and what it shows is not trusted: that must not become a connection without.
      if (codeOf(error) !== '' && isDistrust(codeOf(error))) throw unreachable(registry, messageOf(error), error);
      return `http://${host}`;
    }
  }

  #login(registry: string): Promise<RegistryCredentials | null> {
    const known = this.#credentials.get(registry) ?? registryCredentials(registry, this.#options.environment);
    this.#credentials.set(registry, known);
    return known;
  }

  /** Null where nothing that is known would be an answer. */
  async #authorize(
    { registry, scopes, what, signal }: Question,
    challenge: Challenge,
  ): Promise<{ readonly header: string; readonly until: number } | null> {
    // Asked anew: somebody may have logged in since.
    this.#credentials.delete(registry);
    const login = await this.#login(registry);
    if (challenge.scheme === 'basic')
      return login === null || login.username === '' ? null : { header: basic(login), until: Number.POSITIVE_INFINITY };
    const realm = new URL(challenge.realm);
    const origin = await this.#origin(registry);
    if (realm.protocol !== 'https:' && !isLoopback(realm.host) && !origin.startsWith('http:'))
      throw refused(registry, what, `it sends who asks to ${realm.origin}, which is not encrypted`);
    const wanted = scopes.length > 0 ? scopes : (challenge.scope?.split(' ') ?? []);
    const fields = new URLSearchParams(challenge.service === null ? {} : { service: challenge.service });
    const { request } = await import('undici');
    const dispatcher = await this.#dispatcher(realm.host);
    const common = { dispatcher, headersTimeout: this.limits.answer, bodyTimeout: this.limits.idle, signal: signal ?? null };
    let answer: Dispatcher.ResponseData;
    if (login?.username === '') {
      fields.set('grant_type', 'refresh_token');
      fields.set('client_id', 'hpo');
      fields.set('refresh_token', login.secret);
      fields.set('scope', wanted.join(' '));
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      answer = await request(realm, { ...common, method: 'POST', headers, body: fields.toString() });
    } else {
      for (const scope of wanted) fields.append('scope', scope);
      for (const [name, value] of fields) realm.searchParams.append(name, value);
      answer = await request(realm, { ...common, headers: login === null ? {} : { authorization: basic(login) } });
    }
    const text = await answer.body.text();
    if (isPassing(answer.statusCode)) throw new PassingFault(`its token server ${realm.origin} says ${answer.statusCode}`);
    if (answer.statusCode !== 200) throw notAllowed(registry, what, login !== null);
    const parsed = tokenSchema.safeParse(parsedJson(text));
    const token = parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined;
    if (!parsed.success || token === undefined) throw refused(registry, what, `${realm.origin} gives no token`);
    return { header: `Bearer ${token}`, until: Date.now() + Math.max(5, (parsed.data.expires_in ?? 60) - 10) * 1000 };
  }
}

const maxRedirects = 5;
const tokenSchema = z.object({
  token: z.optional(z.string()),
  access_token: z.optional(z.string()),
  expires_in: z.optional(z.number()),
});
const errorsSchema = z.object({ errors: z.array(z.object({ code: z.optional(z.string()), message: z.optional(z.string()) })) });

/** What may be otherwise at another try. */
export class PassingFault extends Error {}

/** Worth another try: the same may be an answer a moment later. */
export function isPassingFault(error: unknown): boolean {
  if (error instanceof HpoError) return error.cause !== undefined && isPassingFault(error.cause);
  return error instanceof PassingFault || (codeOf(error) !== '' && !isDistrust(codeOf(error)) && codeOf(error) !== 'ENOTFOUND');
}

export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

/** Milliseconds; 0 for none. */
export function retryAfterMs(header: string | null, now = Date.now()): number {
  if (header === null) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

function isPassing(status: number): boolean {
  return status === 429 || status === 408 || (status >= 500 && status !== 501 && status !== 505);
}

function faultOf(registry: string, what: string, error: unknown): HpoError {
  if (error instanceof HpoError) return error;
  const began = ['UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ECONNRESET', 'EPIPE'].includes(
    codeOf(error),
  );
  return began ? refused(registry, what, messageOf(error), error) : unreachable(registry, messageOf(error), error);
}

async function wordsOf(answer: Answer): Promise<string> {
  const text = (await answer.bytes(64 * 1024).catch(() => Buffer.of())).toString();
  const parsed = errorsSchema.safeParse(parsedJson(text));
  const words = parsed.success
    ? parsed.data.errors.map(({ code = '', message = '' }) => `${code} ${message}`.trim()).join(', ')
    : '';
  return words === '' ? `it answers ${answer.status}` : words;
}

function basic({ username, secret }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;
}

/** What this machine trusts, and what is kept for the registry where Docker looks for it. */
function trusted(host: string): { readonly ca: string[] } {
  const own = [`/etc/docker/certs.d/${host}/ca.crt`, join('/etc/containers/certs.d', host, 'ca.crt')].flatMap((path) => {
    try {
      return [readFileSync(path, 'utf8')];
    } catch {
      return [];
    }
  });
  return { ca: [...new Set([...certificatesOf('default'), ...certificatesOf('system'), ...own])] };
}

function isDistrust(code: string): boolean {
  return /^(?:CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT)/.test(code);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
