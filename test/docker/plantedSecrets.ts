import { base32, base64, drawn, hex, pem } from '../unit/packaging/secrets/drawn.ts';

/** A secret in a file of a project, as people have them there. */
export interface Planted {
  /** Relative to the project. */
  readonly path: string;
  /** What has to be nowhere. */
  readonly secret: string;
  readonly text: string | Buffer;
}

const planted = (path: string, length: number, text: (secret: string) => string | Buffer, alphabet?: string): Planted => {
  const secret = drawn(`planted in ${path}`, length, alphabet);
  return { path, secret, text: text(secret) };
};

/** A line in the middle of a key. */
const key = (path: string, kind: string, text: (key: string) => string = (whole) => whole): Planted => {
  const whole = pem(`planted in ${path}`, kind);
  return { path, secret: whole.split('\n')[3] ?? '', text: text(whole) };
};
const inBase64 = (text: string): string => Buffer.from(text).toString('base64');

/** Left out by their names, whatever is in them. */
export const leftOut: readonly Planted[] = [
  planted('.env', 32, (s) => `DATABASE_PASSWORD=${s}\n`),
  planted('.env.local', 40, (s) => `OPENAI_API_KEY=sk-proj-${s}\n`),
  planted('.envrc', 32, (s) => `export TOKEN=${s}\n`),
  key('id_rsa', 'RSA PRIVATE KEY'),
  key('.ssh/id_ed25519', 'OPENSSH PRIVATE KEY'),
  planted('.ssh/config', 24, (s) => `Host build\n  User ci\n  # ${s}\n`),
  key('certs/server.pem', 'PRIVATE KEY'),
  key('certs/server.key', 'EC PRIVATE KEY'),
  planted('.netrc', 24, (s) => `machine api.example.org login me password ${s}\n`),
  planted('.npmrc', 36, (s) => `//registry.npmjs.org/:_authToken=npm_${s}\n`),
  planted('.pypirc', 90, (s) => `[pypi]\nusername = __token__\npassword = pypi-AgEIcHlwaS5vcmc${s}\n`),
  planted('pip.conf', 24, (s) => `[global]\nextra-index-url = https://bot:${s}@packages.example.org/simple\n`),
  planted('kubeconfig', 400, (s) => `apiVersion: v1\nusers:\n- user:\n    client-key-data: ${s}\n`, base64),
  planted('.kube/config', 64, (s) => `users:\n- user:\n    token: ${s}\n`),
  planted(
    '.aws/credentials',
    40,
    (s) => `[default]\naws_access_key_id = AKIA${drawn('id', 16, base32)}\naws_secret_access_key = ${s}\n`,
    base64,
  ),
  key('gcloud-key.json', 'PRIVATE KEY', (whole) => JSON.stringify({ type: 'service_account', private_key: whole })),
  planted('.docker/config.json', 30, (s) => JSON.stringify({ auths: { 'r.example.org': { auth: inBase64(`me:${s}`) } } })),
  planted('.git-credentials', 36, (s) => `https://me:ghp_${s}@github.com\n`),
  planted('terraform.tfvars', 28, (s) => `db_password = "${s}"\n`),
  planted('terraform.tfstate', 28, (s) => JSON.stringify({ outputs: { password: { value: s } } })),
  planted('secrets.yaml', 28, (s) => `stripe: sk_live_${s}\n`),
  planted('.streamlit/secrets.toml', 28, (s) => `password = "${s}"\n`),
  planted('.bash_history', 28, (s) => `curl -u me:${s} https://example.org\n`),
  planted('.pgpass', 24, (s) => `db.example.org:5432:*:me:${s}\n`),
  planted('kaggle.json', 32, (s) => JSON.stringify({ username: 'me', key: s }), hex),
  planted('hf_token.txt', 34, (s) => `hf_${s}\n`),
  planted('.vault-token', 90, (s) => `hvs.${s}\n`),
  planted('config/master.key', 32, (s) => s, hex),
];

/** Found by what is in them. */
export const stopped: readonly Planted[] = [
  planted('train.py', 40, (s) => `import wandb\nwandb.login(key="${s}")\n`, hex),
  planted('analysis.ipynb', 36, (s) =>
    JSON.stringify({ cells: [{ outputs: [{ text: ['logged in\n', `ghp_${s}\n`] }] }] }, null, 1),
  ),
  planted('deploy/Dockerfile', 32, (s) => `FROM debian:bookworm-slim\nARG DEPLOY_TOKEN=${s}\n`),
  planted('ops/requirements-private.txt', 24, (s) => `--extra-index-url https://bot:${s}@packages.example.org/simple\nsix\n`),
  planted('.vscode/settings.json', 36, (s) => `{\n  "some.githubToken": "ghp_${s}"\n}\n`),
  planted('config/database.yml', 24, (s) => `production:\n  password: ${s}\n`),
  planted('docker-compose.yml', 24, (s) => `services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: ${s}\n`),
  planted('.gitlab-ci.yml', 20, (s) => `variables:\n  DEPLOY: glpat-${s}\n`),
  planted('settings.py', 50, (s) => `DEBUG = True\nSECRET_KEY = "${s}"\n`),
  planted('README.md', 44, (s) => `# How\n\n    curl -H "Authorization: Bearer ${s}" https://api.example.org\n`),
  planted('deploy.sh', 40, (s) => `#!/bin/sh\nexport AWS_SECRET_ACCESS_KEY=${s}\n`, base64),
  planted('analysis.R', 48, (s) => `Sys.setenv(OPENAI_API_KEY = "sk-${s}")\n`),
  planted('cache.db', 34, (s) =>
    Buffer.concat([Buffer.from([0, 1, 2, 255, 10, 0]), Buffer.from(`hf_${s}`), Buffer.from([0, 10])]),
  ),
  key('ci/kube.b64', 'EC PRIVATE KEY', (whole) => `${inBase64(`apiVersion: v1\nkind: Config\nkey: |\n${whole}`)}\n`),
  planted('appsettings.json', 24, (s) => `{\n  "Db": "Server=db;User Id=app;Password=${s};Encrypt=yes"\n}\n`),
];

/** Where a study is started: what agents and builds get from the machine, by the file or variable that it is in. */
export const ofTheMachine = {
  'the password of the package index in pip.conf': drawn('planted in pip.conf of the machine', 24),
  'the password in ~/.netrc': drawn('planted in ~/.netrc', 24),
  'the password of an index in uv.toml': drawn('planted in uv.toml', 24),
  'a variable that trials get by @hpo.secret': drawn('planted in WANDB_API_KEY', 40, hex),
  'a variable of the agent that no trial gets': drawn('planted in a variable', 40),
} as const;
