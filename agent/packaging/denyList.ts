import ignore from 'ignore';

/**
 * What never enters a snapshot, and why, by path relative to the project root. Nothing re-includes a secret: not git,
 * not an ignore file, not an annotation. Matching ignores case.
 */
export function secretReason(path: string): string | null {
  return secrets.ignores(path) ? 'may hold a secret: never copied' : null;
}

/** Folders and files that tools make again by themselves; of no use to a trial, wherever they stand. */
export function junkReason(path: string): string | null {
  return junk.ignores(path) ? 'made by tools: not needed by a trial' : null;
}

/**
 * Names that, when git ignores them, are what programs write rather than read. A trial gets an empty folder of its own
 * in their place: a link would let trials write over each other's results, and over the user's.
 */
export function isOutputName(path: string): boolean {
  return outputs.ignores(path);
}

/** Whether the path, or a folder that it lies in, has a name that is given to what programs read and never write. */
export function isDataName(path: string): boolean {
  return inputs.ignores(path);
}

/** Names that, when git ignores them, are built from the sources. */
export function isBuildName(path: string): boolean {
  return builds.ignores(path);
}

const secrets = ignore({ ignorecase: true }).add([
  // Environment files and version control (whose configuration and history can carry credentials).
  '.env*',
  '*.env',
  '.envrc',
  '.git',
  '.hg',
  '.svn',
  '.git-credentials',
  '.gitcookies',
  // Keys and key stores.
  '*.pem',
  '*.key',
  '*.p12',
  '*.pfx',
  '*.jks',
  '*.keystore',
  '*.kdbx',
  '*.ppk',
  '*.gpg',
  '*.age',
  '*.ovpn',
  'id_rsa*',
  'id_dsa*',
  'id_ecdsa*',
  'id_ed25519*',
  '.ssh',
  '.gnupg',
  '.putty',
  '.password-store',
  '.vault-token',
  '.vault_pass*',
  // Logins of tools.
  '.netrc',
  '_netrc',
  '.pgpass',
  '.my.cnf',
  '.mylogin.cnf',
  '.htpasswd',
  '.npmrc',
  '.pypirc',
  '.dockercfg',
  '.docker',
  '**/.cargo/credentials*',
  '.boto',
  '.s3cfg',
  '.s3',
  '.rclone.conf',
  'rclone.conf',
  '.databrickscfg',
  '.snowflake',
  '.snowsql',
  '.kaggle',
  'kaggle.json',
  '.huggingface',
  '.wandb_api_key',
  '.comet.config',
  '.neptune.yaml',
  // Clouds and clusters.
  '.aws',
  '.azure',
  '.gcloud',
  'gcloud',
  '.oci',
  '.kube',
  'kubeconfig',
  '*.kubeconfig',
  'kubeconfig.*',
  '*.tfstate',
  '*.tfstate.*',
  '*.tfvars',
  'application_default_credentials.json',
  'service-account*.json',
  'service_account*.json',
  'serviceaccount*.json',
  'client_secret*.json',
  'credentials',
  'credentials.json',
  'credentials.y*ml',
  'credentials.toml',
  'credentials.ini',
  'secret.json',
  'secret.y*ml',
  'secret.toml',
  'secrets.json',
  'secrets.y*ml',
  'secrets.toml',
  'secrets.ini',
  '*.secret',
  '*.secrets',
  // What shells and databases remember.
  '.bash_history',
  '.zsh_history',
  '.python_history',
  '.psql_history',
  '.mysql_history',
  '.node_repl_history',
]);

const junk = ignore({ ignorecase: true }).add([
  'node_modules',
  '.venv',
  '__pycache__',
  '*.pyc',
  '*.pyo',
  '.mypy_cache',
  '.pytest_cache',
  '.ruff_cache',
  '.pytype',
  '.hypothesis',
  '.tox',
  '.nox',
  '.ipynb_checkpoints',
  '.eggs',
  '*.egg-info',
  '.pixi',
  '.conda',
  '.direnv',
  '.DS_Store',
  'Thumbs.db',
  '*.swp',
  '.#*',
  '*~',
]);

const builds = ignore({ ignorecase: true }).add([
  'build',
  'dist',
  '.cache',
  'venv',
  'env',
  '.idea',
  '.vscode',
  '.vs',
  '.coverage*',
  'htmlcov',
  '*.so',
  '*.o',
  '*.egg',
  'target',
  'site',
]);

const inputs = ignore({ ignorecase: true }).add([
  'data',
  'dataset',
  'datasets',
  'input',
  'inputs',
  'corpus',
  'corpora',
  'download',
  'downloads',
  'raw',
  'raw_data',
  'input_data',
  'train_data',
  'training_data',
  'test_data',
  'val_data',
  'pretrained',
]);

const outputs = ignore({ ignorecase: true }).add([
  'wandb',
  'mlruns',
  'mlartifacts',
  'runs',
  'lightning_logs',
  'tb_logs',
  'tensorboard',
  'logs',
  'log',
  '*.log',
  'output',
  'outputs',
  'out',
  'result',
  'results',
  'checkpoint',
  'checkpoints',
  'ckpt',
  'ckpts',
  'multirun',
  '.hydra',
  'catboost_info',
  'experiments',
  'ray_results',
  'tmp',
  'temp',
]);
