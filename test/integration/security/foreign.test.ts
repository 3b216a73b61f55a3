import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { discoveryFile } from '../../../agent/client/index.ts';
import { makeCacheFolder } from '../../../agent/client/home.ts';
import { doneFile, madeBefore } from '../../../agent/packaging/environment/environment.ts';
import { Hpo } from '../../support/hpo.ts';

/** Not ours, and of nobody. */
const foreign = 65_534;
const cli = join(import.meta.dirname, '..', '..', '..', 'dist', 'cli.cjs');
const script = `# @hpo.objective loss min
x = 0.5  # @hpo float(0, 1)
print(f"loss={x}")
`;

/** What another user can do with paths: tries all ways and says which of them worked, a line each. */
const intruder = `
const fs = require('node:fs'), net = require('node:net'), { join } = require('node:path');
const can = (what, path, act) => { try { act(); console.log(what + ' ' + path); } catch {} };
(async () => {
  for (const path of process.argv.slice(1)) {
    can('list', path, () => fs.readdirSync(path));
    can('read', path, () => fs.readFileSync(path));
    can('append to', path, () => fs.closeSync(fs.openSync(path, 'a')));
    can('write into', path, () => fs.writeFileSync(join(path, 'planted'), ''));
    can('change', path, () => fs.chmodSync(path, 0o777));
    await new Promise((resolve) => {
      const socket = net.connect(path, () => { console.log('connect to ' + path); socket.destroy(); resolve(); });
      socket.on('error', resolve);
    });
  }
})();
`;

const reason = whyNotForeign();

describe.skipIf(reason !== null)(`another user (${reason ?? 'uid 65534'})`, () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-foreign-')));
  /** A Node that the other user may start. */
  const node = join(folder, 'node');
  beforeAll(() => {
    chmodSync(folder, 0o755);
    copyFileSync(process.execPath, node);
    chmodSync(node, 0o755);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const tryAll = (paths: readonly string[], uid = foreign): string[] =>
    execFileSync('setpriv', [...setUser(uid), node, '-e', intruder, ...paths], { encoding: 'utf8', cwd: '/' })
      .split('\n')
      .filter((line) => line !== '');

  it.each(['000', '022', '077'])(
    'reads, changes and reaches nothing of an agent that was started with umask %s',
    async (umask) => {
      await using hpo = new Hpo({ XDG_RUNTIME_DIR: '' });
      // Nothing above is in the other user's way, and the home is one that was made by hand.
      chmodSync(hpo.folder, 0o755);
      mkdirSync(hpo.home);
      chmodSync(hpo.home, 0o755);
      hpo.write('train.py', script);
      const run = spawnSync(
        'sh',
        ['-c', `umask ${umask}; exec "$0" "$@"`, process.execPath, cli, 'tune', 'train.py', '-n', '2'],
        {
          cwd: hpo.project,
          env: { ...process.env, HPO_HOME: hpo.home, HPO_CACHE: join(hpo.folder, 'cache'), XDG_RUNTIME_DIR: '' },
          encoding: 'utf8',
        },
      );
      expect(run.status, run.stderr).toBe(0);
      const { socket } = JSON.parse(readFileSync(discoveryFile(hpo.home), 'utf8')) as { socket: string };
      expect(dirname(socket)).toBe(join(hpo.home, 'run'));
      const inside = readdirSync(hpo.home, { recursive: true, encoding: 'utf8' }).map((path) => join(hpo.home, path));
      const names = inside.map((path) => relative(hpo.home, path)).join('\n');
      for (const expected of [
        /^journal\.db$/m,
        /^journal\.db-wal$/m,
        /^journal\.db\.lock$/m,
        /^agent\.log$/m,
        /^run\/agent\.json$/m,
        /^run\/.*\.sock$/m,
        /^studies\/.*\/attempt-1\/out\.log$/m,
        /^studies\/.*\/attempt-1\/exit\.json$/m,
        /^snapshots\/.*manifest\.json$/m,
      ])
        expect(names).toMatch(expected);
      expect(tryAll(inside)).toEqual([]);
      // The same tries by ourselves: they are able to find something.
      const own = tryAll(inside, 0).join('\n');
      for (const way of ['list', 'read', 'append to', 'write into', 'change', 'connect to'])
        expect(own).toMatch(`${way} ${hpo.home}`);
    },
  );

  /** Runs a command that needs an agent, in a world where somebody was there before; it must refuse and leave no trace. */
  const refused = (hpo: Hpo, env: Readonly<Record<string, string>>): { stderr: string; status: number | null } =>
    spawnSync(process.execPath, [cli, 'status'], {
      cwd: hpo.project,
      env: { ...process.env, HPO_HOME: hpo.home, HPO_CACHE: join(hpo.folder, 'cache'), XDG_RUNTIME_DIR: '', ...env },
      encoding: 'utf8',
    });
  const ownedBy = (path: string, uid: number, mode: number): string => {
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
    chownSync(path, uid, uid);
    return path;
  };

  const attacks: readonly [string, (hpo: Hpo) => { readonly env: Readonly<Record<string, string>>; readonly place: string }][] = [
    [
      'a socket folder in XDG_RUNTIME_DIR',
      (hpo) => {
        const runtime = ownedBy(join(hpo.folder, 'runtime'), 0, 0o777);
        return { env: { XDG_RUNTIME_DIR: runtime }, place: ownedBy(join(runtime, 'hpo'), foreign, 0o777) };
      },
    ],
    [
      'a link in the place of the socket folder, to a folder of theirs',
      (hpo) => {
        const runtime = ownedBy(join(hpo.folder, 'runtime'), 0, 0o777);
        const place = ownedBy(join(hpo.folder, 'theirs'), foreign, 0o777);
        symlinkSync(place, join(runtime, 'hpo'));
        execFileSync('chown', ['-h', String(foreign), join(runtime, 'hpo')]);
        return { env: { XDG_RUNTIME_DIR: runtime }, place };
      },
    ],
    [
      'a link of ours to a folder of theirs',
      (hpo) => {
        const runtime = ownedBy(join(hpo.folder, 'runtime'), 0, 0o777);
        const place = ownedBy(join(hpo.folder, 'theirs'), foreign, 0o777);
        symlinkSync(place, join(runtime, 'hpo'));
        return { env: { XDG_RUNTIME_DIR: runtime }, place };
      },
    ],
    [
      'the folder in /tmp, for a home whose path is too long for a socket',
      (hpo) => {
        const temporary = ownedBy(join(hpo.folder, 't'), 0, 0o1777);
        const place = ownedBy(join(temporary, `hpo-${process.getuid?.() ?? 0}`), foreign, 0o777);
        return { env: { TMPDIR: temporary, HPO_HOME: join(hpo.folder, 'long'.repeat(30)) }, place };
      },
    ],
    ['the home itself', (hpo) => ({ env: {}, place: ownedBy(hpo.home, foreign, 0o777) })],
    [
      'a link of ours that leads to a home of theirs',
      (hpo) => {
        const place = ownedBy(join(hpo.folder, 'theirs'), foreign, 0o777);
        symlinkSync(place, hpo.home);
        return { env: {}, place };
      },
    ],
  ];
  it.each(attacks)('who made %s first is refused, and gets nothing', async (_what, prepare) => {
    await using hpo = new Hpo();
    chmodSync(hpo.folder, 0o755);
    const { env, place } = prepare(hpo);
    const { stderr, status } = refused(hpo, env);
    expect(stderr).toMatch(/HPO-500[46]: .*belongs to another user \(uid 65534\)/);
    expect(stderr).toMatch(/next: set HPO_/);
    expect(status).toBe(1);
    expect(readdirSync(place)).toEqual([]);
    expect(lstatSync(place).uid).toBe(foreign);
  });

  it('who poses as the agent is told neither the token nor a request', async () => {
    await using hpo = new Hpo();
    chmodSync(hpo.folder, 0o755);
    const theirs = ownedBy(join(hpo.folder, 'theirs'), foreign, 0o755);
    const socket = join(theirs, 'agent.sock');
    const heard = join(theirs, 'heard');
    const listener = `require('node:net').createServer((s) => { require('node:fs').appendFileSync(${JSON.stringify(heard)}, 'x');
      s.on('data', () => {}); }).listen(${JSON.stringify(socket)}, () => { require('node:fs').chmodSync(${JSON.stringify(socket)}, 0o777); console.log('ready'); });`;
    const child = spawn('setpriv', [...setUser(foreign), node, '-e', listener], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      mkdirSync(join(hpo.home, 'run'), { recursive: true });
      writeFileSync(discoveryFile(hpo.home), JSON.stringify({ pid: child.pid, version: '0.0.1', socket, token: 'x' }));
      const { stderr, status } = refused(hpo, {});
      expect(stderr).toMatch(/HPO-5006: the socket .* belongs to another user \(uid 65534\)/);
      expect(status).toBe(1);
      expect(existsSync(heard)).toBe(false);
      // It does hear who does not look.
      await new Promise<void>((resolve) => connect(socket, resolve).unref());
      await expect.poll(() => existsSync(heard)).toBe(true);
    } finally {
      child.kill('SIGKILL');
      rmSync(discoveryFile(hpo.home), { force: true });
    }
  });

  it('has no environment of theirs taken for one that was made', async () => {
    const cache = ownedBy(join(folder, 'cache'), foreign, 0o777);
    expect(() => makeCacheFolder(cache)).toThrow(expect.objectContaining({ code: 'HPO-5006' }));
    const planted = ownedBy(join(folder, 'planted'), 0, 0o755);
    for (const part of ['bin', 'Scripts']) mkdirSync(join(planted, part));
    for (const file of ['bin/python', doneFile]) writeFileSync(join(planted, file), '{"version":"3.12.0"}', { mode: 0o755 });
    const manifest = { label: 'requirements.txt' } as Parameters<typeof madeBefore>[1]; // nothing else of it is read
    expect(await madeBefore(planted, manifest)).toMatchObject({ version: '3.12.0' });
    chownSync(planted, foreign, foreign);
    expect(await madeBefore(planted, manifest)).toBeNull();
    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    makeCacheFolder(open);
    expect(lstatSync(open).mode & 0o777).toBe(0o700);
  });
});

function setUser(uid: number): readonly string[] {
  return [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
}

/** Null where this process can become another user. */
function whyNotForeign(): string | null {
  if (process.platform !== 'linux') return 'skipped: needs Linux';
  if (process.getuid?.() !== 0) return 'skipped: only root can become another user here';
  return spawnSync('setpriv', [...setUser(foreign), 'true']).status === 0 ? null : 'skipped: setpriv cannot change the user';
}
