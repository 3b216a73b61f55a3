import type { BuildFile } from '../../engine/engine.ts';

/** What a machine may set for its package managers, one build secret each; all optional. */
export const secretIds = ['ca', 'env', 'netrc', 'pip', 'uv', 'npm', 'apt', 'cargo'] as const;
export type SecretId = (typeof secretIds)[number];

/** Where a build secret lies in a step that mounts it. */
export const secretsFolder = '/run/secrets';

/** In memory during a step. */
export const configFolder = '/run/config';

/** Variables by which programs are told of the certificates to trust. */
const certificateVariables = [
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'PIP_CERT',
  'NODE_EXTRA_CA_CERTS',
  'NPM_CONFIG_CAFILE',
  'GIT_SSL_CAINFO',
  'CARGO_HTTP_CAINFO',
  'JULIA_SSL_CA_ROOTS_PATH',
];

const configurations: readonly (readonly [id: SecretId, variable: string])[] = [
  ['netrc', 'NETRC'],
  ['pip', 'PIP_CONFIG_FILE'],
  ['npm', 'NPM_CONFIG_USERCONFIG'],
  ['apt', 'APT_CONFIG'],
];

/** Each step begins with it: the machine's settings hold for the step and are in no layer. */
export const settingsScript: BuildFile = {
  path: 'hpo/settings.sh',
  isExecutable: false,
  content: Buffer.from(
    [
      '# The package settings of the machine that builds. They come as build secrets: nothing of them stays in the image.',
      `if [ -f ${secretsFolder}/ca ]; then`,
      `  export ${certificateVariables.map((name) => `${name}=${secretsFolder}/ca`).join(' ')}`,
      'fi',
      ...configurations.map(
        ([id, variable]) => `if [ -f ${secretsFolder}/${id} ]; then export ${variable}=${secretsFolder}/${id}; fi`,
      ),
      // Not by UV_CONFIG_FILE, which would keep uv from reading the project's own settings.
      `export XDG_CONFIG_HOME=${configFolder} && mkdir -p ${configFolder}/uv ${configFolder}/cargo`,
      `if [ -f ${secretsFolder}/uv ]; then ln -s ${secretsFolder}/uv ${configFolder}/uv/uv.toml; fi`,
      `if [ -f ${secretsFolder}/cargo ]; then ln -s ${secretsFolder}/cargo ${configFolder}/cargo/config.toml && export CARGO_HOME=${configFolder}/cargo; fi`,
      `if [ -f ${secretsFolder}/env ]; then . ${secretsFolder}/env; fi`,
      '# Whoever runs the image can read what a step makes.',
      'umask 022',
      '',
    ].join('\n'),
  ),
};
