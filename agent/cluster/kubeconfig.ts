import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';
import { loadServiceAccount } from './serviceAccount.ts';

/** A context that can be chosen. */
export interface KubeContext {
  readonly name: string;
  readonly server: string;
  /** `default` where the kubeconfig names none, as kubectl has it. */
  readonly namespace: string;
  /** kubectl's own choice. */
  readonly isCurrent: boolean;
}

/** Kubeconfig files, merged. */
export interface Kubeconfig {
  readonly contexts: readonly KubeContext[];
  /** What the user should know, such as a server whose certificate is not looked at. */
  readonly warnings: readonly string[];
  /** How the server of a context is reached; rejects contexts that are not there or say too little (HPO-2461). */
  access(context: string): Access;
}

/** Text of a file that is read when it is needed, as it may change; or the text itself. */
export type Source = { readonly path: string } | { readonly text: string };

/** How a server is reached, and as whom. */
export interface Access {
  readonly context: string;
  readonly server: string;
  /** Null where the environment decides (HTTPS_PROXY, NO_PROXY). */
  readonly proxyUrl: string | null;
  readonly tls: {
    readonly ca: Source | null;
    readonly cert: Source | null;
    readonly key: Source | null;
    readonly serverName: string | null;
    readonly isInsecure: boolean;
  };
  readonly token: Source | null;
  readonly basic: { readonly username: string; readonly password: string } | null;
  /** Headers that speak for another user. */
  readonly impersonation: Readonly<Record<string, string | readonly string[]>>;
  readonly command: KubeCommand | null;
  /** Settings of the auth-provider `oidc`, the one that kubectl still knows. */
  readonly oidc: Readonly<Record<string, string>> | null;
}

/** A program that gives credentials. */
export interface KubeCommand {
  /** As kubectl finds it: a path where the kubeconfig has one, else a name to be found on PATH. */
  readonly program: string;
  readonly args: readonly string[];
  /** What the kubeconfig adds to the environment. */
  readonly variables: Readonly<Record<string, string>>;
  readonly apiVersion: string;
  /** Whether it wants to know of the cluster. */
  readonly wantsCluster: boolean;
  readonly isInteractive: boolean;
  /** What to do where it is not installed, by whoever wrote the kubeconfig. */
  readonly installHint: string;
  /** Of program, arguments and variables: what the user agrees to. */
  readonly hash: string;
}

/**
 * Reads kubeconfig files, or without any the pod's own service account, and merges them as kubectl does: of what several files name
 * the first counts. Files that are not there are passed over. Throws HPO-2460 where nothing can be read or must not be.
 */
export function readKubeconfig(paths: readonly string[] | null, projectDir: string | null = null): Kubeconfig {
  if (paths === null) return kubeconfigOf([loadServiceAccount()], []);
  const files: KubeconfigFile[] = [];
  const warnings: string[] = [];
  for (const path of paths) {
    if (!existsSync(path)) continue;
    refuseOfOthers(path, projectDir);
    const file = readFile(path);
    warnings.push(...warningsOf(path, file));
    files.push(file);
  }
  if (files.length === 0) {
    throw new HpoError(
      'HPO-2460',
      `there is no kubeconfig: ${paths.join(', ')} is not there`,
      'get one from who runs the cluster, or from its own tool (aws eks update-kubeconfig, gcloud container clusters get-credentials, az aks get-credentials, kind, k3d); where it is elsewhere, name it in KUBECONFIG',
    );
  }
  return kubeconfigOf(files, warnings);
}

const text = z.nullish(z.string());
const clusterSchema = z.object({
  server: text,
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.nullish(z.boolean()),
  'tls-server-name': text,
  'proxy-url': text,
});
const userSchema = z.object({
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  'as-uid': text,
  'as-groups': z.nullish(z.array(z.string())),
  'as-user-extra': z.nullish(z.record(z.string(), z.array(z.string()))),
  'auth-provider': z.nullish(z.object({ name: z.string(), config: z.nullish(z.record(z.string(), z.unknown())) })),
  exec: z.nullish(
    z.object({
      apiVersion: text,
      command: z.string(),
      args: z.nullish(z.array(z.coerce.string())),
      env: z.nullish(z.array(z.object({ name: z.string(), value: z.coerce.string() }))),
      provideClusterInfo: z.nullish(z.boolean()),
      interactiveMode: text,
      installHint: text,
    }),
  ),
});
const contextSchema = z.object({ cluster: z.string(), user: text, namespace: text });
const fileSchema = z.object({
  'current-context': text,
  clusters: z.nullish(z.array(z.object({ name: z.string(), cluster: z.nullish(clusterSchema) }))),
  users: z.nullish(z.array(z.object({ name: z.string(), user: z.nullish(userSchema) }))),
  contexts: z.nullish(z.array(z.object({ name: z.string(), context: z.nullish(contextSchema) }))),
});

/** One file, whose relative paths count from its folder. */
export interface KubeconfigFile {
  readonly dir: string;
  readonly content: z.infer<typeof fileSchema>;
}

function readFile(path: string): KubeconfigFile {
  let content: unknown;
  try {
    content = parse(readFileSync(path, 'utf8')) ?? {};
  } catch (cause) {
    // The parser's own words have lines of the file in them, and there secrets.
    throw new HpoError(
      'HPO-2460',
      `the kubeconfig ${path} cannot be read: ${codeOf(cause) ?? 'it is no YAML'}`,
      'see whether kubectl config view reads it, and get it anew if not',
    );
  }
  const parsed = fileSchema.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new HpoError(
      'HPO-2460',
      `the kubeconfig ${path} cannot be used: ${issue?.path.join('.') ?? ''} is not what it should be`,
      'see whether kubectl config view reads it, and get it anew if not',
    );
  }
  return { dir: dirname(path), content: parsed.data };
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^E[A-Z]+$/.test(error.code)
    ? error.code
    : null;
}

/** What others can write would run their programs as this user. */
function refuseOfOthers(path: string, projectDir: string | null): void {
  const real = realpathSync(path);
  if (projectDir !== null) {
    const inside = relative(existsSync(projectDir) ? realpathSync(projectDir) : projectDir, real);
    // Its first segment says so: a folder may be called `..k`.
    if (inside !== '' && inside.split(sep)[0] !== '..' && !isAbsolute(inside)) {
      throw new HpoError(
        'HPO-2460',
        `the kubeconfig ${path} is in the project ${projectDir}: who writes a project could so run programs of theirs as you`,
        `keep it elsewhere, as in ${join(homedir(), '.kube', 'config')}, and name it in KUBECONFIG`,
      );
    }
  }
  if (process.platform !== 'win32' && (statSync(real).mode & 0o002) !== 0) {
    throw new HpoError(
      'HPO-2460',
      `everybody on this machine can write the kubeconfig ${path}, and so run programs of theirs as you`,
      `take that right away: chmod o-w ${path}`,
    );
  }
}

function warningsOf(path: string, { content }: KubeconfigFile): readonly string[] {
  const isOpen = process.platform !== 'win32' && (statSync(path).mode & 0o044) !== 0;
  const hasSecrets = content.users?.some(({ user }) =>
    [user?.token, user?.password, user?.['client-key-data']].some((secret) => (secret ?? '') !== ''),
  );
  return isOpen && hasSecrets === true ? [`others on this machine can read the credentials in ${path}: chmod 600 ${path}`] : [];
}

function kubeconfigOf(files: readonly KubeconfigFile[], warnings: readonly string[]): Kubeconfig {
  const contexts = merged(files, ({ contexts: entries }) => entries);
  const clusters = merged(files, ({ clusters: entries }) => entries);
  const users = merged(files, ({ users: entries }) => entries);
  const current = files.map(({ content }) => content['current-context'] ?? '').find((name) => name !== '');
  const insecure = [...clusters].flatMap(([name, { entry }]) =>
    entry.cluster?.['insecure-skip-tls-verify'] === true
      ? [
          `the certificate of the cluster ${name} is not looked at (insecure-skip-tls-verify): who is between can read and change all`,
        ]
      : [],
  );
  return {
    warnings: [...warnings, ...insecure],
    contexts: [...contexts].map(([name, { entry }]) => ({
      name,
      server: clusters.get(entry.context?.cluster ?? '')?.entry.cluster?.server ?? '',
      namespace: orNull(entry.context?.namespace) ?? 'default',
      isCurrent: name === current,
    })),
    access(name) {
      const context = contexts.get(name)?.entry.context;
      if (context === null || context === undefined) {
        const names = [...contexts.keys()];
        throw new HpoError(
          'HPO-2461',
          `the kubeconfig has no context ${name}`,
          names.length === 0 ? 'get a kubeconfig that has one' : `choose one that it has: ${names.join(', ')}`,
        );
      }
      const cluster = clusters.get(context.cluster);
      const user = users.get(context.user ?? '');
      if (cluster?.entry.cluster === null || cluster?.entry.cluster === undefined) {
        throw incomplete(name, `the cluster ${context.cluster}, which it does not have`);
      }
      if (user === undefined && orNull(context.user) !== null) {
        throw incomplete(name, `the user ${context.user ?? ''}, whom it does not have`);
      }
      return accessOf(
        name,
        { ...cluster, entry: cluster.entry.cluster },
        { dir: user?.dir ?? '', entry: user?.entry.user ?? {} },
      );
    },
  };
}

function incomplete(context: string, what: string): HpoError {
  return new HpoError(
    'HPO-2461',
    `the context ${context} of the kubeconfig names ${what}`,
    'get the kubeconfig anew, or choose another context (--context)',
  );
}

interface Entry<T> {
  readonly dir: string;
  readonly entry: T;
}

/** The first of each name counts. */
function merged<T extends { readonly name: string }>(
  files: readonly KubeconfigFile[],
  entriesOf: (content: KubeconfigFile['content']) => readonly T[] | null | undefined,
): Map<string, Entry<T>> {
  const result = new Map<string, Entry<T>>();
  for (const { dir, content } of files) {
    for (const entry of entriesOf(content) ?? []) if (!result.has(entry.name)) result.set(entry.name, { dir, entry });
  }
  return result;
}

function accessOf(
  context: string,
  { dir, entry: cluster }: Entry<z.infer<typeof clusterSchema>>,
  { dir: userDir, entry: user }: Entry<z.infer<typeof userSchema>>,
): Access {
  const server = serverOf(context, cluster.server ?? '');
  const provider = user['auth-provider'] ?? null;
  if (provider !== null && provider.name !== 'oidc') throw goneProvider(context, provider.name);
  const tokenFile = orNull(user.tokenFile);
  const token = orNull(user.token);
  const username = orNull(user.username);
  return {
    context,
    server,
    proxyUrl: orNull(cluster['proxy-url']),
    tls: {
      ca: sourceOf(dir, cluster['certificate-authority'], cluster['certificate-authority-data']),
      cert: sourceOf(userDir, user['client-certificate'], user['client-certificate-data']),
      key: sourceOf(userDir, user['client-key'], user['client-key-data']),
      serverName: orNull(cluster['tls-server-name']),
      isInsecure: cluster['insecure-skip-tls-verify'] === true,
    },
    token: tokenFile !== null ? { path: resolve(userDir, tokenFile) } : token !== null ? { text: token } : null,
    basic: username === null ? null : { username, password: user.password ?? '' },
    impersonation: impersonationOf(user),
    command: user.exec === null || user.exec === undefined ? null : commandOf(userDir, user.exec),
    oidc: provider === null ? null : strings(provider.config ?? {}),
  };
}

function serverOf(context: string, server: string): string {
  const url = URL.canParse(server) ? new URL(server) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw incomplete(context, `a server that is no address of one: ${server === '' ? '(none)' : server}`);
  }
  return server.replace(/\/+$/, '');
}

function goneProvider(context: string, name: string): HpoError {
  return new HpoError(
    'HPO-2461',
    `the context ${context} of the kubeconfig logs in by the auth-provider ${name}, which kubectl no longer knows either`,
    'get the kubeconfig anew, with a program that gives credentials in its stead (gke-gcloud-auth-plugin, kubelogin)',
  );
}

/** A path wins over data, as kubectl has it for tokens, only where there is no data. */
function sourceOf(dir: string, path: string | null | undefined, data: string | null | undefined): Source | null {
  const encoded = orNull(data);
  if (encoded !== null) return { text: Buffer.from(encoded, 'base64').toString() };
  const named = orNull(path);
  return named === null ? null : { path: resolve(dir, named) };
}

function impersonationOf(user: z.infer<typeof userSchema>): Record<string, string | readonly string[]> {
  const extra = Object.entries(user['as-user-extra'] ?? {}).map(([name, values]) => [
    `Impersonate-Extra-${encodeURIComponent(name)}`,
    values,
  ]);
  return Object.fromEntries([
    ...(orNull(user.as) === null ? [] : [['Impersonate-User', user.as]]),
    ...(orNull(user['as-uid']) === null ? [] : [['Impersonate-Uid', user['as-uid']]]),
    ...(user['as-groups'] === null || user['as-groups'] === undefined ? [] : [['Impersonate-Group', user['as-groups']]]),
    ...extra,
  ]);
}

function commandOf(dir: string, exec: NonNullable<z.infer<typeof userSchema>['exec']>): KubeCommand {
  const { command, args, env } = exec;
  // With a folder in it, it counts from the kubeconfig's own; else it is found on PATH.
  const program = /[\\/]/.test(command) ? resolve(dir, command) : command;
  const variables = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  const meant = [program, args ?? [], Object.entries(variables).toSorted(([a], [b]) => (a < b ? -1 : 1))];
  return {
    program,
    args: args ?? [],
    variables,
    apiVersion: orNull(exec.apiVersion) ?? 'client.authentication.k8s.io/v1',
    wantsCluster: exec.provideClusterInfo === true,
    isInteractive: exec.interactiveMode === 'Always',
    installHint: orNull(exec.installHint) ?? '',
    hash: createHash('sha256').update(JSON.stringify(meant)).digest('hex'),
  };
}

function orNull(value: string | null | undefined): string | null {
  return value === null || value === undefined || value === '' ? null : value;
}

function strings(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
