import { execa } from 'execa';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';
import type { Access, KubeCommand } from './kubeconfig.ts';

/** What a program of a kubeconfig gives. */
export interface Credential {
  readonly token: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** Milliseconds since the epoch; null for one that stays good. */
  readonly expiresAt: number | null;
}

const credentialSchema = z.object({
  status: z.object({
    token: z.nullish(z.string()),
    clientCertificateData: z.nullish(z.string()),
    clientKeyData: z.nullish(z.string()),
    expirationTimestamp: z.nullish(z.string()),
  }),
});

/** A login of a cloud may ask others in turn. */
const timeoutMs = 60_000;

/** Runs a program that the user has agreed to. Throws HPO-2463 where it gives no credentials. */
export async function runKubeCommand(
  command: KubeCommand,
  { context, server, tls }: Access,
  ca: string | null,
): Promise<Credential> {
  const { program, args, variables, apiVersion, wantsCluster } = command;
  if (command.isInteractive) throw failed(command, context, 'it wants to ask at a terminal, and the agent has none');
  const cluster = {
    server,
    ...(tls.isInsecure ? { 'insecure-skip-tls-verify': true } : {}),
    ...(tls.serverName === null ? {} : { 'tls-server-name': tls.serverName }),
    ...(ca === null ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
  };
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(wantsCluster ? { cluster } : {}) },
  };
  const result = await execa(program, args, {
    env: { ...variables, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
    stdin: 'ignore',
    timeout: timeoutMs,
    reject: false,
    maxBuffer: 1 << 20,
  });
  if (result.code === 'ENOENT') throw failed(command, context, 'it is not installed', command.installHint);
  if (result.timedOut) throw failed(command, context, `it did not end in ${timeoutMs / 1_000} s`);
  if (result.exitCode !== 0)
    throw failed(command, context, lastLine(result.stderr) || `it ended with ${result.exitCode ?? 'a signal'}`);
  try {
    const { status } = credentialSchema.parse(JSON.parse(result.stdout));
    const { token, clientCertificateData, clientKeyData, expirationTimestamp } = status;
    const expiresAt = Date.parse(expirationTimestamp ?? '');
    return {
      token: token ?? null,
      cert: clientCertificateData ?? null,
      key: clientKeyData ?? null,
      expiresAt: Number.isNaN(expiresAt) ? null : expiresAt,
    };
  } catch {
    // What it wrote instead may be a secret all the same.
    throw failed(command, context, 'what it wrote is no ExecCredential');
  }
}

export function notConfirmed(context: string, command: KubeCommand): HpoError {
  return new HpoError(
    'HPO-2469',
    `the context ${context} of the kubeconfig gets its credentials from a program, which you have not agreed to yet: ${describeCommand(command)}`,
    `if it is what you expect, agree to it once: hpo cluster connect --context ${context}`,
  );
}

/** For people: the program with its arguments and variables; values whose names tell of secrets are left out. */
export function describeCommand({ program, args, variables }: KubeCommand): string {
  const set = Object.entries(variables).map(([name, value]) => `${name}=${secretNames.test(name) ? '***' : quoted(value)}`);
  return [...set, quoted(program), ...args.map((argument, index) => shown(argument, args[index - 1]))].join(' ');
}

const secretNames = /token|secret|passw|api_?key|credential/i;

function shown(argument: string, before: string | undefined): string {
  const [, name, value] = /^(--?[\w-]+)=(.*)$/s.exec(argument) ?? [];
  if (name !== undefined && value !== undefined)
    return secretNames.test(name) && !isCommandLike(name) ? `${name}=***` : quoted(argument);
  const isValue = before !== undefined && /^--?[\w-]+$/.test(before) && !argument.startsWith('-');
  return isValue && secretNames.test(before) ? '***' : quoted(argument);
}

/** `--credential-type=…` names no secret. */
function isCommandLike(name: string): boolean {
  return /-(?:type|file|path|name|id|url)$/.test(name);
}

function quoted(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : JSON.stringify(value);
}

function failed({ program }: KubeCommand, context: string, why: string, hint = ''): HpoError {
  return new HpoError(
    'HPO-2463',
    `the program that gives the credentials of the context ${context} gave none: ${program}: ${why}`,
    hint === ''
      ? `log in anew, as you do for kubectl (kubectl --context ${context} get pods shows whether it works)`
      : hint.trim(),
  );
}

/** The end of what a program said; what looks like a secret is left out. */
function lastLine(output: string): string {
  const [last = ''] = output.trim().split('\n').slice(-1);
  return last.slice(0, 300).replaceAll(/[\w+/=.~-]{24,}/g, (word) => (/\d/.test(word) && !word.includes('/') ? '***' : word));
}
