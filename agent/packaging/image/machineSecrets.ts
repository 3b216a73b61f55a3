import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { certificatesOf } from '../../system/certificates.ts';
import { type SecretId, secretsFolder } from './settingsScript.ts';

/**
 * How package managers of this machine reach their indexes: certificates, proxies, addresses, passwords. For the build
 * steps that need them, as build secrets by id. What names a file or folder of this machine is left out.
 */
export async function machineSecrets(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const home = environment['HOME'] ?? homedir();
  const config = environment['XDG_CONFIG_HOME'] || join(home, '.config');
  const pip = await pipSettings(environment, home, config);
  const found: Partial<Record<SecretId, string>> = {
    ca: await certificates(environment),
    env: variables(environment, pip),
    netrc: await textOf(environment['NETRC'] || join(home, '.netrc')),
    pip:
      pip.size === 0
        ? ''
        : `[global]\n${[...pip].map(([key, value]) => `${key} = ${value.replaceAll('\n', '\n  ')}\n`).join('')}`,
    uv:
      (await textOf(environment['UV_CONFIG_FILE'] ?? '')) ||
      (await textOf(join(config, 'uv', 'uv.toml'))) ||
      (await textOf('/etc/uv/uv.toml')),
    npm: npmSettings(
      await textOf(environment['NPM_CONFIG_USERCONFIG'] || environment['npm_config_userconfig'] || join(home, '.npmrc')),
      environment,
    ),
    apt: await aptSettings(),
    cargo: await textOf(join(environment['CARGO_HOME'] || join(home, '.cargo'), 'config.toml')),
  };
  return Object.fromEntries(Object.entries(found).flatMap(([id, text]) => (text.trim() === '' ? [] : [[id, Buffer.from(text)]])));
}

/** All that this machine trusts: a company's own certificates stand beside the public ones, and no installer then lacks any. */
async function certificates(environment: NodeJS.ProcessEnv): Promise<string> {
  const names = ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'PIP_CERT', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS', 'GIT_SSL_CAINFO'];
  const paths = new Set(names.map((name) => environment[name] ?? '').filter((path) => path !== ''));
  const texts = await Promise.all([...paths].map(textOf));
  const named = texts.flatMap((text) => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []);
  const all = [...certificatesOf('bundled'), ...certificatesOf('system'), ...named];
  const byContent = new Map(all.map((pem) => [pem.replaceAll(/\s/g, ''), pem.trim()]));
  return `${[...byContent.values()].join('\n')}\n`;
}

/** Names of variables by which installers are told where to look and how to get there. */
const passedOn = [
  /^(?:https?|all|no|ftp)_proxy$/i,
  /^PIP_(?:INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|TRUSTED_HOST|PROXY|DEFAULT_TIMEOUT|TIMEOUT|RETRIES)$/,
  /^UV_(?:DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|INDEX_\w+_(?:USERNAME|PASSWORD)|INSECURE_HOST|HTTP_TIMEOUT|HTTP_RETRIES|PYTHON_INSTALL_MIRROR)$/,
  /^npm_config_(?:registry|.*registry|.*_auth\w*|strict_ssl|proxy|https_proxy|noproxy)$/i,
  /^(?:NPM_TOKEN|NODE_AUTH_TOKEN|YARN_NPM_\w+|YARN_REGISTRY)$/,
  /^POETRY_(?:HTTP_BASIC_\w+|PYPI_TOKEN_\w+|CERTIFICATES_\w+)$/,
  /^PDM_PYPI_\w+$/,
  /^PIPENV_PYPI_MIRROR$/,
  /^GO(?:PROXY|SUMDB|NOSUMDB|NOPROXY|PRIVATE|NOSUMCHECK|INSECURE)$/,
  /^CARGO_(?:REGISTR(?:Y|IES)_\w+|HTTP_PROXY|SOURCE_\w+)$/,
  /^JULIA_PKG_SERVER$/,
  /^RENV_CONFIG_REPOS_OVERRIDE$/,
  /^CONDA_CHANNEL_ALIAS$/,
];

function variables(environment: NodeJS.ProcessEnv, pip: ReadonlyMap<string, string>): string {
  const given = new Map<string, string>();
  for (const [name, value = ''] of Object.entries(environment)) {
    if (value !== '' && !isLocal(value) && passedOn.some((pattern) => pattern.test(name))) given.set(name, value);
  }
  // uv reads nothing of pip's.
  for (const [key, ours, theirs] of sharedSettings) {
    const value = given.get(ours) ?? pip.get(key);
    if (value !== undefined && !theirs.some((name) => given.has(name)))
      given.set(theirs[0], value.split(/\s+/).filter(Boolean).join(' '));
  }
  return [...given].map(([name, value]) => `export ${name}='${value.replaceAll("'", String.raw`'\''`)}'\n`).join('');
}

/** Key in pip's configuration, its variable, and the variables of uv for the same, the first to be set. */
const sharedSettings = [
  ['index-url', 'PIP_INDEX_URL', ['UV_INDEX_URL', 'UV_DEFAULT_INDEX']],
  ['extra-index-url', 'PIP_EXTRA_INDEX_URL', ['UV_EXTRA_INDEX_URL', 'UV_INDEX']],
  ['find-links', 'PIP_FIND_LINKS', ['UV_FIND_LINKS']],
  ['trusted-host', 'PIP_TRUSTED_HOST', ['UV_INSECURE_HOST']],
  ['timeout', 'PIP_DEFAULT_TIMEOUT', ['UV_HTTP_TIMEOUT']],
] as const;

const pipKeys = new Set(['index-url', 'extra-index-url', 'find-links', 'trusted-host', 'timeout', 'retries', 'proxy']);

/** Of all of pip's configuration files, the later ones winning, whatever section a key is in. */
async function pipSettings(environment: NodeJS.ProcessEnv, home: string, config: string): Promise<ReadonlyMap<string, string>> {
  const own = environment['PIP_CONFIG_FILE'] ?? '';
  const files = [
    '/etc/xdg/pip/pip.conf',
    '/etc/pip.conf',
    join(home, '.pip', 'pip.conf'),
    join(config, 'pip', 'pip.conf'),
    join(home, 'Library', 'Application Support', 'pip', 'pip.conf'),
    own,
  ];
  const settings = new Map<string, string>();
  for (const file of own === '/dev/null' ? [] : files) {
    let key = '';
    for (const line of (await textOf(file)).split(/\r?\n/)) {
      if (/^\s*[#;]/.test(line) || line.startsWith('[')) continue;
      const [, name, value = ''] = /^([\w-]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
      if (name !== undefined) settings.set((key = name.replaceAll('_', '-').toLowerCase()), value);
      else if (key !== '' && /^\s+\S/.test(line)) settings.set(key, `${settings.get(key) ?? ''}\n${line.trim()}`.trim());
    }
  }
  return new Map([...settings].filter(([key, value]) => pipKeys.has(key) && value !== '' && !isLocal(value)));
}

/** With the variables that it names, as npm in the build does not have them. */
function npmSettings(text: string, environment: NodeJS.ProcessEnv): string {
  return text
    .split(/\r?\n/)
    .filter(
      (line) =>
        !/^\s*(?:cafile|prefix|cache|tmp|userconfig|globalconfig|script-shell|nodedir|node-options|certfile|keyfile|logs-dir)\s*=/i.test(
          line,
        ),
    )
    .join('\n')
    .replaceAll(/\$\{(\w+)\??\}/g, (whole, name: string) => environment[name] ?? whole);
}

async function aptSettings(): Promise<string> {
  const folder = '/etc/apt/apt.conf.d';
  const names = await readdir(folder).catch((): string[] => []);
  const texts = await Promise.all([...names.sort().map((name) => join(folder, name)), '/etc/apt/apt.conf'].map(textOf));
  const proxies = texts.flatMap(
    (text) => text.match(/^\s*Acquire::(?:https?|ftp)::(?:Proxy(?:::[\w.-]+)?|Timeout)\s+"[^"]*"\s*;/gim) ?? [],
  );
  return [...proxies.map((line) => line.trim()), `Acquire::https::CAInfo "${secretsFolder}/ca";`, ''].join('\n');
}

/** A path of this machine, which no build has. */
function isLocal(value: string): boolean {
  return /^(?:file:|[/~.]|[a-z]:\\)/i.test(value);
}

async function textOf(path: string): Promise<string> {
  try {
    // A pipe in its place would be waited for without end.
    return path !== '' && (await stat(path)).isFile() ? await readFile(path, 'utf8') : '';
  } catch {
    return '';
  }
}
