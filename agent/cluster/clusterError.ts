import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';
import type { ClusterPlace } from './cluster.ts';

const orElsewhere = 'or run elsewhere: --on local, --on docker';

/** What was asked, for people: `create jobs in the namespace ml`. */
export interface Asked {
  readonly verb: string;
  /** As in rules of a Role: `jobs`, `pods/log`. */
  readonly resource: string;
  /** Null for what belongs to none. */
  readonly namespace: string | null;
  readonly name?: string;
}

export function describeAsked({ verb, resource, namespace, name }: Asked): string {
  return `${verb} ${resource}${name === undefined ? '' : ` ${name}`}${namespace === null ? '' : ` in the namespace ${namespace}`}`;
}

/** An answer that refuses. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly words: string;
  /** How long the server wants not to be asked; 0 where it says nothing. */
  readonly retryMs: number;
}

const statusSchema = z.object({ reason: z.optional(z.string()), message: z.optional(z.string()) });

export function readRefusal(status: number, body: string, retryMs: number): Refusal {
  try {
    const parsed = statusSchema.parse(JSON.parse(body));
    return { status, reason: parsed.reason ?? '', words: (parsed.message ?? '').trim(), retryMs };
  } catch {
    return { status, reason: '', words: body.trim().slice(0, maxWords), retryMs };
  }
}

/** Of an answer that is no Status: a proxy's page, for instance. */
const maxWords = 300;

export function refused(place: ClusterPlace, asked: Asked, { status, reason, words }: Refusal): HpoError {
  const what = describeAsked(asked);
  const said = words === '' ? `status ${status}` : words;
  if (status === 401) return unauthorized(place);
  if (status === 403 && isByRights(words)) return forbidden(place, deniedOf(words) ?? asked);
  if (status === 409 && reason === 'Conflict') {
    return new HpoError(
      'HPO-2467',
      `somebody else changed it meanwhile: ${what}: ${said}`,
      'look at it again, and try once more',
    );
  }
  if (status === 429 || status === 503 || status === 504 || status === 500) {
    return new HpoError(
      'HPO-2465',
      `the cluster ${place.context} is overloaded or not ready: ${what}: ${said}`,
      `wait a little: the agent goes on by itself; if it lasts, ask who runs the cluster (${place.server})`,
    );
  }
  return new HpoError('HPO-2466', `the cluster ${place.context} refuses: ${what}: ${said}`, `see what it says, ${orElsewhere}`);
}

export function forbidden(place: ClusterPlace, { verb, resource, namespace }: Asked): HpoError {
  return new HpoError(
    'HPO-2464',
    `you may not ${verb} ${resource}${namespace === null ? '' : ` in the namespace ${namespace}`} of the cluster ${place.context}`,
    `ask who runs the cluster for a role with the verb ${verb} on ${resource} (hpo cluster create --dry-run prints all that is needed), choose another namespace (--namespace) or context (--context), ${orElsewhere}`,
  );
}

export function unauthorized(place: ClusterPlace, cause?: unknown): HpoError {
  return new HpoError(
    'HPO-2463',
    `the cluster ${place.context} does not know who asks: the credentials of the context are wrong or have expired`,
    `log in anew, as you do for kubectl (kubectl --context ${place.context} get pods shows whether it works), ${orElsewhere}`,
    { cause },
  );
}

/** What the server says that it refuses; an exec, for instance, is a `get` to some and a `create` to others. */
function deniedOf(words: string): Asked | null {
  const match = / cannot (\w+) resource "([^"]+)" in API group "[^"]*"(?: in the namespace "([^"]+)")?/.exec(words);
  if (match === null) return null;
  const [, verb = '', resource = '', namespace = null] = match;
  return { verb, resource, namespace };
}

/** The server's words for what roles do not allow; quotas and admission refuse with the same status. */
function isByRights(words: string): boolean {
  return !/ is forbidden: (?!User )\S|^admission webhook /.test(words);
}

/** What a call without an answer means. */
export function notReached(place: ClusterPlace, asked: Asked, error: unknown): HpoError {
  if (error instanceof HpoError) return error;
  const code = codeOf(error);
  if (distrust.has(code)) return untrusted(place, code, error);
  if (code.startsWith('ERR_SSL_TLSV1') || code.startsWith('ERR_SSL_SSLV3_ALERT')) return unauthorized(place, error);
  const words = error instanceof Error ? error.message || code : String(error);
  return new HpoError(
    'HPO-2462',
    `the cluster ${place.context} (${place.server}) cannot be reached: ${describeAsked(asked)}: ${words}`,
    `see whether it runs and this machine reaches it (kubectl --context ${place.context} get nodes), and whether a VPN or a proxy (HTTPS_PROXY, NO_PROXY) is needed, ${orElsewhere}`,
    { cause: error },
  );
}

function untrusted(place: ClusterPlace, code: string, cause: unknown): HpoError {
  const words = cause instanceof Error ? cause.message : code;
  return new HpoError(
    'HPO-2461',
    `the certificate of ${place.server} is not trusted: ${words}`,
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? 'name the server as its certificate does, or set tls-server-name for the cluster in the kubeconfig'
      : 'put the certificate of its authority into certificate-authority-data of the cluster in the kubeconfig (who runs the cluster has it)',
    { cause },
  );
}

const distrust = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
