import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readProject } from '../../../agent/preflight/readProject.ts';
import { type AgentClient, connectAgent } from '../../../agent/client/index.ts';
import { Hpo } from '../../support/hpo.ts';

const agentMain = join(import.meta.dirname, '..', '..', '..', 'dist', 'agent.cjs');

/** Legal names of a file or a folder that something careless would run, split, expand, or take for something else. */
const names: readonly string[] = [
  '$(touch fired)',
  '`touch fired`',
  ';touch fired;',
  '|touch fired|',
  '&touch fired&',
  '&&touch fired',
  '||touch fired',
  '>fired',
  '<fired',

  'a b',
  ' a',
  'a ',
  'a  b',
  "it's",
  '"quoted"',
  `'"'"'`,
  '\\',
  'a\\nb',
  '$HOME',
  '${HOME}',
  '$IFS$9',
  '!!',
  '#x',
  '%s%n',
  '%PATH%',
  '*',
  '?',
  '[a]',
  '{a,b}',
  '~x',
  '~root',
  '=x',
  '^',
  '@x',
  '(a)',

  '-',
  '--',
  '-c',
  '-rf',
  '--help',
  '--eval=1',
  '-o fired',
  '...',
  '..a',
  'a..',
  '. .',
  '.hidden.',
  'a:b',
  'C:',
  'con',
  'nul.txt',

  'line\nend',
  'tab\there',
  'cr\rx',
  'bell\u0007',
  'esc\u001b[2J',
  'del\u007f',
  '\u009b31m',
  '\u202egnp.exe',
  '\u2028',
  'a\u200bb',
  '\ufeffbom',

  'größe',
  'e\u0301',
  '日本語',
  '😀',
  '👩‍🔬',
  'İ',
  'ﬀ',
  'x'.repeat(200),
  'é'.repeat(100),
  '__proto__',
  'constructor',
  'undefined',
  'null',
  '{script}',
  '${window.pwned=1}',
  '<img src=x onerror=alert(1)>',
  'NaN',
  '-8e-8',
  'C#',
  'a,b',
  'a;b',
  '*.py',
  'file%2F..',
  'a&b=c',
  '.,',
  '+',
  ',',
  'json',
];

/** What names places outside of the project, absolutely, by dots, or by a link. */
const outside: readonly string[] = [
  '../outside',
  '../../outside',
  '../../../../../../../../etc/passwd',
  'sub/../../outside',
  './../outside',
  'sub/./../../outside',
  '/etc/passwd',
  '//etc/passwd',
  '/proc/self/environ',

  'link/secret',
  'link',
  'sub/link/secret',
];

describe('100 names of files and places', () => {
  let hpo: Hpo;
  let client: AgentClient;
  beforeAll(async () => {
    hpo = new Hpo();
    await hpo.run('status');
    client = await connectAgent({ home: hpo.home, agentMain, node: '', client: 'test', version: '0.0.1', start: false });
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await hpo[Symbol.asyncDispose]();
  });

  it('there are 100', () => expect(new Set([...names, ...outside]).size).toBeGreaterThanOrEqual(100));

  it('that are legal are read as scripts and folders, and stored and given to a trial as files and folders', async () => {
    const project = join(hpo.project, 'all');
    const wrong: string[] = [];
    for (const name of names) {
      mkdirSync(join(project, 'folders', name), { recursive: true });
      writeFileSync(join(project, 'folders', name, `${name}.py`), scriptOf(name));
      writeFileSync(join(project, `data ${name}`), name);
    }
    execFileSync('git', ['init', '-q'], { cwd: project });
    for (const name of names) {
      const { scriptPath, spec, diagnostics } = await readProject(join(project, 'folders', name, `${name}.py`));
      if (scriptPath !== `folders/${name}/${name}.py` || spec.space.parameters.length !== 1 || diagnostics.length > 0)
        wrong.push(`${JSON.stringify(name)}: ${JSON.stringify([scriptPath, diagnostics])}`);
    }
    expect(wrong).toEqual([]);
    writeFileSync(
      join(project, 'train.py'),
      `# @hpo.objective loss min
import json
x = 0.5  # @hpo float(0, 1)
names = json.loads(${JSON.stringify(JSON.stringify(names))})
missing = [name for name in names if open("data " + name, encoding="utf8", newline="").read().strip("\\ufeff") != name.strip("\\ufeff")]
missing += [name for name in names if "hpo float" not in open("folders/" + name + "/" + name + ".py", encoding="utf8").read()]
print(missing)
print(f"loss={len(missing)}")
`,
    );
    const request = { script: join(project, 'train.py'), trials: 1, parallel: 1 };
    expect((await client.request('study/preflight', request)).snapshot.files).toBe(1 + 2 * names.length);
    const { studyId } = await client.request('study/create', request);
    await hpo.ended(studyId);
    expect((await client.request('study/view', { studyId })).trials.map(({ state, values }) => [state, values['loss']])).toEqual([
      ['complete', 0],
    ]);
    expect(everything(hpo.folder).filter((path) => path.endsWith('/fired'))).toEqual([]);
  });

  it.each(['$(touch fired)', '-o fired', 'line\nend', `it's "\u001b[2J\u202e"`])(
    'a script called %j is tuned, reported and exported',
    async (name) => {
      const folder = join(hpo.project, name);
      mkdirSync(folder);
      writeFileSync(join(folder, `${name}.py`), scriptOf(name));
      const { studyId } = await client.request('study/create', { script: join(folder, `${name}.py`), trials: 1 });
      expect(studyId).toMatch(/^[a-z0-9-]+$/);
      await hpo.ended(studyId);
      const view = await client.request('study/view', { studyId });
      expect([view.spec.name, view.trials[0]?.state, view.trials[0]?.values['loss']]).toEqual([name, 'complete', 0.5]);
      const file = join(hpo.folder, `out ${name}`);
      for (const args of [
        ['report', studyId, '-o', file],
        ['export', studyId, '--format', 'csv', '-o', `${file}.csv`],
      ])
        expect((await hpo.run(...args)).stderr).toMatch(/^written: /);
      expect(readFileSync(file, 'utf8')).toContain('<!doctype html>');
      expect(readFileSync(`${file}.csv`, 'utf8')).toContain('loss');
      expect(everything(hpo.folder).filter((path) => path.endsWith('/fired'))).toEqual([]);
    },
  );

  it('that lead outside are refused or stay inside: nothing outside is read or written', async () => {
    const root = join(hpo.folder, 'paths');
    const secret = 'loss: 7 # what nobody may see';
    mkdirSync(join(root, 'theirs'), { recursive: true });
    writeFileSync(join(root, 'theirs', 'secret'), secret);
    writeFileSync(join(root, 'outside'), secret);
    const project = join(root, 'project');
    mkdirSync(join(project, 'sub'), { recursive: true });
    mkdirSync(join(project, '.git'));
    symlinkSync('../theirs', join(project, 'link'));
    symlinkSync('../../theirs', join(project, 'sub/link'));
    const before = everything(root).length;
    const accepted: string[] = [];
    const trials = outside.map(async (place, at) => {
      const directives: Readonly<Record<string, string>> = {
        include: `# @hpo.include ${place}`,
        json: `# @hpo.metric loss from json ${place}`,
        csv: `# @hpo.metric loss from csv ${place}`,
        checkpoint: `# @hpo.checkpoint dir=${place}`,
        'data to': `# @hpo.data sub -> ${place}`,
        key: `# @hpo.include ${place}`,
      };
      for (const [kind, directive] of Object.entries(directives)) {
        const path = join(project, `${kind.replace(' ', '')}${at}.py`);
        const second = kind === 'key' ? `y = 1  # @hpo int(1, 9) via key(${place}:loss)\n` : '';
        writeFileSync(
          path,
          `# @hpo.objective loss min\n${directive}\nx = 0.5  # @hpo float(0, 1)\n${second}import os\nprint(os.listdir("."))\n`,
        );
        try {
          const { studyId } = await client.request('study/create', { script: path, trials: 1 });
          await expect
            .poll(async () => (await client.request('study/view', { studyId })).state, { timeout: 60_000 })
            .not.toBe('running');
          const view = await client.request('study/view', { studyId });
          // It may run, without what it named: nothing printed a loss.
          if (view.trials.some(({ state }) => state === 'complete')) accepted.push(`${kind} ${place}`);
          const home = join(hpo.home, 'studies', studyId);
          for (const file of everything(home)) if (holds(file, secret)) accepted.push(`${kind} ${place}: in ${file}`);
          const said = JSON.stringify(view);
          if (said.includes('nobody may see')) accepted.push(`${kind} ${place}: told`);
        } catch (error) {
          const { code, message } = error as { code?: string; message: string };
          if (code === undefined || !/^HPO-[12]\d{3}$/.test(code) || message.includes('nobody may see'))
            accepted.push(`${kind} ${place}: ${message}`);
        }
      }
    });
    await Promise.all(trials);
    expect(accepted).toEqual([]);
    for (const file of everything(join(hpo.home, 'snapshots'))) expect(holds(file, secret)).toBe(false);
    expect(readFileSync(join(root, 'outside'), 'utf8')).toBe(secret);
    expect(readFileSync(join(root, 'theirs', 'secret'), 'utf8')).toBe(secret);
    // Besides the scripts that this test wrote.
    expect(everything(root).length).toBe(before + outside.length * 6);
  });

  it('that are no text, devices, pipes or without end hold nothing up', async () => {
    const project = join(hpo.folder, 'odd');
    mkdirSync(project);
    writeFileSync(join(project, 'train.py'), '# @hpo.objective loss min\nx = 0.5  # @hpo float(0, 1)\nprint(f"loss={x}")\n');
    writeFileSync(Buffer.concat([Buffer.from(`${project}/bad`), Buffer.from([0xff, 0xfe]), Buffer.from('.txt')]), 'x');
    for (const [name, target] of [
      ['.hpoignore', '/dev/zero'],
      ['.dockerignore', '/dev/random'],
      ['requirements.txt', '/dev/zero'],
      ['environment.yml', '/dev/zero'],
      ['hpo.yml', '/dev/zero'],
    ] as const)
      symlinkSync(target, join(project, name));
    execFileSync('mkfifo', [join(project, 'pyproject.toml'), join(project, 'setup.cfg'), join(project, '.python-version')]);
    chmodSync(join(project, 'train.py'), 0o644);
    const { studyId } = await client.request('study/create', { script: join(project, 'train.py'), trials: 1 });
    await hpo.ended(studyId);
    expect((await client.request('study/view', { studyId })).trials[0]?.state).toBe('complete');
    for (const path of ['a\u0000b.py', '/proc/self/mem', '/dev/zero', project])
      await expect(client.request('study/create', { script: path, trials: 1 })).rejects.toMatchObject({
        code: expect.stringMatching(/^HPO-2/),
      });
    expect(existsSync(join(hpo.home, 'journal.db'))).toBe(true);
  });

  it.each(['$(touch fired)', 'line\nend 😀'])('a home called %j works', async (name) => {
    await using own = new Hpo({ HPO_HOME: join(hpo.folder, 'homes', name) });
    own.write('train.py', '# @hpo.objective loss min\nx = 0.5  # @hpo float(0, 1)\nprint(f"loss={x}")\n');
    const { code, stderr } = await own.run('tune', 'train.py', '-n', '1');
    expect([code, stderr.includes('complete')]).toEqual([0, true]);
    expect(existsSync(join(hpo.folder, 'homes', name, 'journal.db'))).toBe(true);
    expect(everything(own.folder).filter((path) => path.endsWith('/fired'))).toEqual([]);
  });
});

/** Keeps a checkpoint in a folder of its name, and reports through a file of its name, where annotations can say it. */
function scriptOf(name: string): string {
  const isSayable = /^[^\s"'\\#]+$/.test(name) && !name.startsWith('-');
  const directives = isSayable ? `# @hpo.checkpoint dir=ck/${name}\n# @hpo.metric loss from json "m/${name}.jsonl"\n` : '';
  const report = `open("ck/" + name + "/kept", "w").close()
os.makedirs("m", exist_ok=True)
with open("m/" + name + ".jsonl", "w") as file:
    file.write(json.dumps({"step": 1, "loss": x}) + "\\n")`;
  return `# @hpo.objective loss min
${directives}import json, os
name = json.loads(${JSON.stringify(JSON.stringify(name))})
x = 0.5  # @hpo float(0, 1)
${isSayable ? report : 'print(f"loss={x}")'}
`;
}

/** Paths of everything below the folder; links are not followed. */
function everything(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...everything(path)] : [path];
  });
}

function holds(file: string, text: string): boolean {
  try {
    return readFileSync(file, 'utf8').includes(text);
  } catch {
    return false;
  }
}
