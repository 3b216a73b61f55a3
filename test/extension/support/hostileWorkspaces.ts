import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A folder that does something when anything in it is run, and how to run it by hand. */
export interface HostileWorkspace {
  readonly name: string;
  readonly folder: string;
  /** The annotated script, whose second annotation is faulty. */
  readonly script: string;
  /** Files to be looked at besides. */
  readonly others: readonly string[];
  /** A command that must fire; null where there is nothing to run. */
  readonly byHand: readonly string[] | null;
}

interface Case {
  /** File → content; one that begins with `#!` can be executed. */
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly byHand?: readonly string[];
  /** Makes what plain files cannot. */
  readonly make?: (folder: string) => void;
  readonly annotations?: string;
  /** Of the folder, where it is not the case's name. */
  readonly folder?: string;
}

/** Makes all of them below a folder. Whatever is run leaves a file of the case's name in `canaries`. */
export function makeHostileWorkspaces(root: string, canaries: string): readonly HostileWorkspace[] {
  return Object.entries(cases(canaries)).map(([name, one]) => {
    const folder = join(root, one.folder ?? name);
    mkdirSync(folder, { recursive: true });
    const write = (file: string, content: string): string => {
      const path = join(folder, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      if (content.startsWith('#!')) chmodSync(path, 0o755);
      return path;
    };
    const others = Object.entries(one.files ?? {}).map(([file, content]) => write(file, content));
    for (const [file, target] of Object.entries(one.links ?? {})) symlinkSync(target, join(folder, file));
    one.make?.(folder);
    const script = write(
      'train.py',
      `# @hpo.objective loss min\n${one.annotations ?? ''}lr = 0.5  # @hpo float(0, 1)\nwidth = 8  # @hpo flaot(1, 64)\nopen(${JSON.stringify(join(canaries, name))}, "w").close()\nprint(f"loss={lr}")\n`,
    );
    return { name, folder, script, others, byHand: one.byHand ?? null };
  });
}

function cases(canaries: string): Readonly<Record<string, Case>> {
  const all: Record<string, Case> = {};
  const canary = (name: string): string => join(canaries, name);
  const program = (name: string, then = 'exit 0'): string => `#!/bin/sh\n: >'${canary(name)}'\n${then}\n`;
  const python = (name: string): string => `open(${JSON.stringify(canary(name))}, "w").close()\n`;
  const shell = (name: string): string => `touch '${canary(name)}'`;

  for (const [key, value] of Object.entries(settings)) {
    const name = `setting-${key}`;
    all[name] = {
      files: {
        'run.sh': program(name),
        '.vscode/settings.json': JSON.stringify({ [key]: value, 'security.workspace.trust.enabled': false }),
      },
      byHand: ['./run.sh', '--version'],
    };
  }
  for (const place of [
    '.venv/bin/python',
    '.venv/bin/python3',
    'venv/bin/python',
    'env/bin/python',
    '.conda/bin/python',
    '.pixi/envs/default/bin/python',
  ]) {
    const name = `interpreter-${place.replaceAll('/', '-')}`;
    const home = dirname(dirname(place));
    all[name] = {
      files: { [place]: program(name, 'exec python3 "$@"'), [`${home}/pyvenv.cfg`]: 'home = /usr/bin\n' },
      byHand: [`./${place}`, '-c', ''],
    };
  }
  for (const tool of ['python', 'python3', 'node', 'git', 'uv', 'conda', 'sh', 'env', 'hpo', 'poetry']) {
    const name = `tool-${tool}`;
    all[name] = { files: { [tool]: program(name), [`bin/${tool}`]: program(name) }, byHand: [`./${tool}`, '--version'] };
  }
  for (const tool of ['node', 'tsc', 'hpo']) {
    const name = `node-modules-${tool}`;
    all[name] = {
      files: { [`node_modules/.bin/${tool}`]: program(name), 'package.json': '{}' },
      byHand: [`node_modules/.bin/${tool}`, '--version'],
    };
  }
  for (const module of ['sitecustomize', 'usercustomize', 'conftest', 'setup', '__init__', 'json', 'hpo']) {
    const name = `module-${module}`;
    all[name] = {
      files: { [`${module}.py`]: python(name) },
      byHand: ['python3', '-c', `import sys; sys.path.insert(0, "."); exec(open("${module}.py").read())`],
    };
  }
  const inText = (name: string, file: string, content: string): void => {
    all[name] = { files: { [file]: content, 'run.sh': program(name) }, byHand: ['./run.sh', '--version'] };
  };
  const task = { label: 'x', type: 'shell', command: './run.sh', runOptions: { runOn: 'folderOpen' } };
  inText('tasks', '.vscode/tasks.json', JSON.stringify({ version: '2.0.0', tasks: [task] }));
  inText(
    'launch',
    '.vscode/launch.json',
    JSON.stringify({ configurations: [{ type: 'node', request: 'launch', name: 'x', runtimeExecutable: './run.sh' }] }),
  );
  inText('devcontainer', '.devcontainer/devcontainer.json', JSON.stringify({ initializeCommand: './run.sh' }));
  inText(
    'npm-scripts',
    'package.json',
    JSON.stringify({ scripts: { preinstall: './run.sh', start: './run.sh' }, bin: './run.sh' }),
  );
  inText(
    'dotenv',
    '.env',
    'PATH=.:$PATH\nPYTHONSTARTUP=conftest.py\nNODE_OPTIONS=--require ./run.sh\nLD_PRELOAD=./run.sh\nHPO_HOME=.\n',
  );
  inText('npmrc', '.npmrc', 'script-shell=./run.sh\nignore-scripts=false\n');
  inText('envrc', '.envrc', './run.sh\n');
  inText('tool-versions', '.tool-versions', 'python path:./run.sh\nnodejs path:.\n');
  inText(
    'pyproject',
    'pyproject.toml',
    '[build-system]\nrequires = []\nbuild-backend = "conftest"\nbackend-path = ["."]\n[tool.hpo]\ncommand = "./run.sh"\n',
  );
  inText(
    'hpo-yml-command',
    'hpo.yml',
    'command: [./run.sh]\nscript: train.py\nparameters:\n  lr: float(0, 1)\nobjective: loss min\n',
  );
  inText('hpo-yml-tag', 'hpo.yml', '!!python/object/apply:os.system ["./run.sh"]\n');
  inText('hpo-yml-journal', 'hpo.yml', 'home: .\njournal: ./journal.db\npython: ./run.sh\nnode: ./run.sh\n');

  for (const [name, config] of Object.entries({
    fsmonitor: { config: 'core.fsmonitor', byHand: ['git', 'status'] },
    sshCommand: { config: 'core.sshCommand', byHand: ['git', 'ls-remote', 'ssh://elsewhere.invalid/x'] },
    pager: { config: 'core.editor', byHand: ['git', 'var', 'GIT_EDITOR'] },
  })) {
    const id = `git-${name}`;
    all[id] = {
      files: { 'run.sh': program(id) },
      make: (folder) => {
        git(folder, 'init', '-q');
        git(folder, 'config', config.config, './run.sh');
      },
      byHand: name === 'pager' ? ['sh', '-c', '"$(git var GIT_EDITOR)" --version'] : config.byHand,
    };
  }
  for (const hook of ['post-checkout', 'pre-commit', 'post-index-change']) {
    const id = `git-hook-${hook}`;
    all[id] = {
      make: (folder) => {
        git(folder, 'init', '-q');
        const path = join(folder, '.git/hooks', hook);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, program(id), { mode: 0o755 });
      },
      byHand: [`.git/hooks/${hook}`, '--version'],
    };
  }

  const said = (name: string, annotations: string): void => {
    all[name] = { annotations: `${annotations}\n`, files: { 'run.sh': program(name) }, byHand: ['./run.sh', '--version'] };
  };
  said('annotation-include', `# @hpo.include ../../../../etc/passwd /etc/shadow "$(${shell('annotation-include')})"`);
  said('annotation-data', '# @hpo.data / -> data');
  said('annotation-checkpoint', '# @hpo.checkpoint dir=../../../../tmp');
  said('annotation-secret', '# @hpo.secret AWS_SECRET_ACCESS_KEY');
  said('annotation-image', `# @hpo.image "x; ${shell('annotation-image')}"`);
  said('annotation-metric', '# @hpo.metric loss from stdout "(a+)+$"');
  said('annotation-where', `# @hpo.where __import__("os").system("./run.sh") == 0`);
  said('annotation-choice', `kind = "a"  # @hpo choice("a", "$(./run.sh)", "\`./run.sh\`", "; ./run.sh")`);
  said('annotation-long', `# @hpo.objective ${'x'.repeat(100_000)} min`);

  for (const [name, folder] of Object.entries({
    'name-substitution': '$(touch fired)',
    'name-backticks': '`touch fired`',
    'name-separators': 'a; touch fired & b | c > d',
    'name-quotes': `it's "quoted" \\ \${HOME}`,
    'name-option': '--eval=process.exit(1)',
  }))
    all[name] = { folder, files: { 'run.sh': program(name) }, byHand: ['./run.sh', '--version'] };

  all['link-out'] = { links: { 'settings.json': '/etc/passwd', out: '/etc', data: '/etc' } };
  all['link-loop'] = { links: { loop: '.', again: 'loop/again' } };
  all['link-device'] = { links: { 'hpo.yml': '/dev/zero', 'pyproject.toml': '/dev/random' } };
  all['pipe'] = {
    make: (folder) => void execFileSync('mkfifo', [join(folder, 'hpo.yml'), join(folder, 'conf.yaml')]),
    annotations: '# @hpo.include conf.yaml\n',
  };
  return all;
}

function git(folder: string, ...args: readonly string[]): void {
  execFileSync('git', args, { cwd: folder, stdio: 'ignore' });
}

/** Settings that name a program, a home or an environment. */
const settings: Readonly<Record<string, unknown>> = {
  'hpo.pythonPath': './run.sh',
  'hpo.nodePath': './run.sh',
  'hpo.home': './home',
  'hpo.backend': 'docker',
  'hpo.docker.host': 'ssh://localhost/run.sh',
  'hpo.docker.image': './run.sh',
  'hpo.agent': 'cluster',
  'hpo.kubernetes.context': 'hostile',
  'hpo.kubernetes.jobTemplate': './run.sh',
  'python.defaultInterpreterPath': './run.sh',
  'python.pythonPath': './run.sh',
  'python.envFile': '${workspaceFolder}/.env',
  'git.path': './run.sh',
  'terminal.integrated.automationProfile.linux': { path: './run.sh' },
  'terminal.integrated.env.linux': { PATH: '.', NODE_OPTIONS: '--require ./run.sh' },
  'typescript.tsdk': './run.sh',
  'task.allowAutomaticTasks': 'on',
  'remote.SSH.path': './run.sh',
};
