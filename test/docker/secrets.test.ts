import { execFileSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { engineClient, ensureBases } from '../support/docker.ts';
import { EnvironmentProject } from '../support/environmentProject.ts';
import { drawn } from '../unit/packaging/secrets/drawn.ts';
import { leftOut, ofTheMachine, stopped } from './plantedSecrets.ts';
import { SecretSearch } from './secretSearch.ts';

/** Tells that the search finds what is there: each in a place of its own. */
const canaries = {
  'the snapshot': `ghp_${drawn('a canary in the code', 36)}`,
  'the journal': `canary_${drawn('a canary among the metrics', 24)}`,
  'the output': drawn('a canary that is printed', 32),
  'the image': 'Utilities for writing code that runs on Python 2 and 3',
} as const;

const script = `# @hpo.objective ${canaries['the journal']} min
# @hpo.secret WANDB_API_KEY
import base64
import os
import six
CANARY = "${canaries['the snapshot']}"  # hpo-allow-secret: looked for by the test
x = 0.5  # @hpo float(0, 1)
assert len(os.environ["WANDB_API_KEY"]) == 40
assert os.path.exists("data/.env"), "data is mounted where it is"
print("${canaries['the output']}", six.__name__)
print(f"${canaries['the journal']}: {(x - 0.3) ** 2}")
`;

/** A certificate of an authority of one's own, as companies have them; a line of it. */
function makeAuthority(folder: string): { readonly file: string; readonly line: string } {
  const [ca, all] = [join(folder, 'ca.pem'), join(folder, 'all.pem')];
  const subject = ['-subj', '/CN=planted', '-days', '2', '-nodes', '-keyout', join(folder, 'ca.key'), '-out', ca];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...subject], { stdio: 'ignore' });
  const own = readFileSync(ca, 'utf8');
  const given = process.env['SSL_CERT_FILE'];
  writeFileSync(all, (given === undefined ? '' : readFileSync(given, 'utf8')) + own);
  return { file: all, line: own.split('\n')[5] ?? '' };
}

function ownFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'hpo-machine-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** All layers, the configuration and the history of an image, unpacked into a folder. */
async function saveImage(id: string, folder: string): Promise<void> {
  const file = join(folder, 'image.tar');
  await pipeline(await engineClient().getImage(id).get(), createWriteStream(file));
  mkdirSync(join(folder, 'image'));
  execFileSync('tar', ['-xf', file, '-C', join(folder, 'image')]);
  rmSync(file);
}

describe('fifty secrets in a project, its machine and its builds', () => {
  beforeAll(() => ensureBases('python'), 900_000);

  it('are in no layer of the image, no snapshot, no journal, no log and no report', async () => {
    using own = ownFolder();
    const machine = own.path;
    const authority = makeAuthority(machine);
    const data = { path: 'data/.env', secret: drawn('planted in linked data', 32) };
    const gitConfig = drawn('planted in .git/config', 40);
    const planted: Record<string, string> = {
      ...Object.fromEntries([...leftOut, ...stopped, data].map(({ path, secret }) => [path, secret])),
      ...ofTheMachine,
      'the certificate of an authority': authority.line,
      '.git/config': gitConfig,
    };
    expect(Object.keys(planted).length).toBeGreaterThanOrEqual(50);
    expect(new Set(Object.keys(planted).map((path) => basename(path))).size).toBeGreaterThanOrEqual(25);
    expect(new Set(Object.values(planted)).size).toBe(Object.keys(planted).length);

    const files = {
      '.config/pip/pip.conf': `[global]\nindex-url = https://hpo:${ofTheMachine['the password of the package index in pip.conf']}@pypi.org/simple\n`,
      '.netrc': `machine packages.example.org login me password ${ofTheMachine['the password in ~/.netrc']}\n`,
      '.config/uv/uv.toml': `[[index]]\nname = "own"\nurl = "https://me:${ofTheMachine['the password of an index in uv.toml']}@packages.example.org/simple"\nexplicit = true\n`,
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(machine, path)), { recursive: true });
      writeFileSync(join(machine, path), text, { mode: 0o600 });
    }
    await using project = new EnvironmentProject(null, {
      HOME: machine,
      XDG_CONFIG_HOME: join(machine, '.config'),
      SSL_CERT_FILE: authority.file,
      WANDB_API_KEY: ofTheMachine['a variable that trials get by @hpo.secret'],
      SOME_SERVICE_TOKEN: ofTheMachine['a variable of the agent that no trial gets'],
    });
    for (const { path, text } of [...leftOut, ...stopped]) project.write(path, text);
    project.write(data.path, `TOKEN=${data.secret}\n`);
    project.write('requirements.txt', 'six==1.17.0\n');
    project.write('.python-version', '3.11\n');
    project.write('.gitignore', 'data/\n');
    const git = (...args: string[]) => execFileSync('git', ['-C', project.project, ...args], { stdio: 'ignore' });
    git('config', 'http.extraheader', `Authorization: Bearer ${gitConfig}`);
    // Even what git holds: no ignore file is needed to keep them out.
    git('add', '--all', '--force', '--', '.', ':!data');
    const search = new SecretSearch({ ...planted, ...canaries });
    const said: string[] = [];

    // The script itself first; its own secret is what the first attempt stops at.
    const scriptWithSecret = `${script}${stopped.find(({ path }) => path === 'train.py')?.text.toString() ?? ''}`;
    project.write('train.py', scriptWithSecret);
    const told = new Map<string, number>();
    for (let round = 0; told.size < stopped.length && round < 4; round++) {
      const { code, stdout, stderr } = await project.run('tune', 'train.py', '--on', 'docker', '-n', '1', '--json');
      said.push(stdout, stderr);
      expect([code, stderr]).toEqual([expect.not.stringMatching('^0$'), expect.stringContaining('HPO-2440')]);
      const lines = [...`${stdout}${stderr}`.matchAll(/^(\S+):(\d+) an? /gm)];
      expect(lines.length).toBeGreaterThan(0);
      for (const [index, [, path = '', line = '']] of lines.entries()) {
        told.set(path, Number(line));
        // Each way on that the message names.
        if (path === 'train.py') project.write(path, script);
        else if (index % 2 === 0)
          project.write(
            '.hpoignore',
            `${existsSync(join(project.project, '.hpoignore')) ? readFileSync(join(project.project, '.hpoignore'), 'utf8') : ''}/${path}\n`,
          );
        else project.write(path, 'nothing\n');
      }
      expect(existsSync(join(project.home, 'snapshots')) ? readdirSync(join(project.home, 'snapshots')) : []).toEqual([]);
      expect(await project.labelled()).toEqual([]);
    }
    const wanted = stopped.map(({ path, secret, text }) => {
      const content = path === 'train.py' ? scriptWithSecret : text.toString('latin1');
      const at = content.split('\n').findIndex((part) => part.includes(secret));
      // In base64 it is on its first line; a key is named at its first.
      return [path, at === -1 ? 1 : at + 1];
    });
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(wanted));

    const { studyId, image } = await project.tuneInContainers('train.py', 2);
    const log = await project.run('logs', studyId, '0');
    const report = join(machine, 'report.html');
    for (const args of [
      ['report', studyId, '-o', report],
      ['export', studyId],
      ['status', studyId],
      ['image', 'train.py', '--print'],
      ['image', 'train.py', '--rebuild'],
      ['doctor'],
    ]) {
      const { code, stdout, stderr } = await project.run(...args);
      expect([args, code, stderr]).toEqual([args, 0, stderr]);
      said.push(stdout, stderr);
    }
    expect(said.join('\n')).toContain('building the image');
    await saveImage(image.name, machine);

    const nameOf = (canary: keyof typeof canaries): string => canary;
    expect(search.inFolder(join(project.home, 'snapshots'))).toEqual(expect.arrayContaining([nameOf('the snapshot')]));
    expect(search.inBytes(readFileSync(join(project.home, 'journal.db'))).concat(journalWal(project.home, search))).toContain(
      'the journal',
    );
    expect(search.inText(log.stdout)).toEqual(expect.arrayContaining([nameOf('the output')]));
    expect(search.inFolder(join(machine, 'image'))).toEqual(['the image']);
    expect(search.inBytes(readFileSync(report))).toEqual(['the journal']);
    expect(readdirSync(join(project.home, 'images'))).toHaveLength(1);

    const leaks = (found: readonly string[]): string[] => found.filter((name) => name in planted);
    expect(leaks(search.inFolder(project.home)), 'snapshots, recipes, journal, logs, work folders').toEqual([]);
    expect(leaks(search.inText(said.join('\n')))).toEqual([]);
    expect(leaks(search.inText(log.stdout + log.stderr))).toEqual([]);
    const others = readdirSync(project.folder).filter((name) => name !== 'project' && name !== 'home');
    expect(others.flatMap((name) => leaks(search.inFolder(join(project.folder, name))))).toEqual([]);
    // All of them were there to be found.
    const everywhere = search.inFolder(project.project).concat(search.inFolder(machine));
    const removed = stopped.filter((_, index) => !everywhere.includes(stopped[index]?.path ?? '')).map(({ path }) => path);
    const variables = Object.keys(ofTheMachine).filter((name) => name.startsWith('a variable'));
    expect([...new Set([...everywhere, ...removed, ...variables])]).toEqual(expect.arrayContaining(Object.keys(planted)));
    await project.free(studyId);
  }, 900_000);
});

function journalWal(home: string, search: SecretSearch): string[] {
  const wal = join(home, 'journal.db-wal');
  return existsSync(wal) ? search.inBytes(readFileSync(wal)) : [];
}
