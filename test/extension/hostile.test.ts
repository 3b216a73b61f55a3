import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  lstatSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type HostileWorkspace, makeHostileWorkspaces } from './support/hostileWorkspaces.ts';
import { Vscode } from './support/vscode.ts';

interface Window {
  readonly isTrusted: boolean;
  readonly answers: readonly {
    readonly path: string;
    readonly lenses: readonly string[];
    readonly codes: readonly string[];
  }[];
}

/** Three windows, one of them of all folders, on a machine that has other things to do. */
const slowMs = 360_000;

/** Opened alone too: only then do the settings of a folder hold for its whole window. */
const alone = ['setting-hpo.home', 'git-fsmonitor'];

describe('hostile workspaces', () => {
  let folder: string;
  let canaries: string;
  let workspaces: readonly HostileWorkspace[];
  let installed: ReturnType<typeof inject<'installed'>>;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-hostile-')));
    canaries = join(folder, 'canaries');
    mkdirSync(canaries);
    workspaces = makeHostileWorkspaces(join(folder, 'work'), canaries);
    installed = withProbe(inject('installed'), join(folder, 'extensions'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const fired = (): string[] => readdirSync(canaries).toSorted();
  const clear = (): void => {
    for (const name of fired()) rmSync(join(canaries, name));
  };
  const probe = (
    name: string,
    tune: string | null,
  ): { readonly env: Readonly<Record<string, string>>; readonly windows: () => readonly Window[] } => {
    const [plan, results] = [join(folder, `${name}.plan`), join(folder, `${name}.results`)];
    const scripts = workspaces.map(({ script, others }) => ({ path: script, others }));
    writeFileSync(plan, JSON.stringify({ scripts, results, tune }));
    return {
      env: { HPO_PROBE: plan },
      windows: () => (existsSync(results) ? (JSON.parse(readFileSync(results, 'utf8')) as Window[]) : []), // written by the probe
    };
  };

  test('would fire: each of them, run by hand, and one in a trusted window', async () => {
    expect(workspaces.length).toBeGreaterThanOrEqual(60);
    const silent = workspaces.filter(({ name, folder: cwd, byHand }) => {
      if (byHand === null) return false;
      const [command = '', ...args] = byHand;
      try {
        execFileSync(command, args, { cwd, stdio: 'ignore', timeout: 20_000 });
      } catch {
        // What it does afterwards is not the point.
      }
      return !fired().includes(name);
    });
    expect(silent.map(({ name }) => name)).toEqual([]);
    expect(fired().length).toBeGreaterThanOrEqual(60);
    clear();

    const [victim] = workspaces.filter(({ name }) => name === 'interpreter-.venv-bin-python');
    if (victim === undefined) throw new Error('there is no such workspace');
    const good = readFileSync(victim.script, 'utf8');
    writeFileSync(victim.script, good.replace('flaot', 'float'));
    const { env } = probe('trusted', join(canaries, victim.name));
    await using vscode = await Vscode.start(installed, { env });
    await vscode.open(victim.folder);
    await expect.poll(fired, { timeout: 60_000 }).toEqual([victim.name]);
    await vscode.stopAgent();
    writeFileSync(victim.script, good);
    clear();
  });

  test(
    'that are not trusted run nothing, while annotations are read',
    async () => {
      clear();
      const planted = workspaces.find(({ name }) => name === 'setting-hpo.home');
      if (planted === undefined) throw new Error('there is no such workspace');
      let connections = 0;
      mkdirSync(join(planted.folder, 'home/run'), { recursive: true });
      const socket = join(folder, 'agent.sock');
      const listener = createServer((client) => {
        connections++;
        client.destroy();
      }).listen(socket);
      writeFileSync(
        join(planted.folder, 'home/run/agent.json'),
        JSON.stringify({ pid: 1, version: '0.0.1', socket, token: 'x' }),
      );
      writeFileSync(join(planted.folder, 'home/journal.db'), '');
      const before = listing(join(folder, 'work'));
      const { env, windows } = probe('untrusted', null);
      const all = join(folder, 'all.code-workspace');
      writeFileSync(
        all,
        JSON.stringify({
          folders: workspaces.map(({ folder: path }) => ({ path })),
          settings: {
            'hpo.pythonPath': join(planted.folder, 'run.sh'),
            'hpo.nodePath': join(planted.folder, 'run.sh'),
            'hpo.home': join(planted.folder, 'home'),
          },
        }),
      );
      // A relative entry of PATH, as careless users have it, and git switched on.
      const path = `.:${process.env['PATH'] ?? ''}`;
      await using vscode = await Vscode.start(installed, {
        isTrusted: false,
        settings: { 'git.enabled': true },
        env: { ...env, PATH: path },
      });
      await vscode.open(all);
      await expect.poll(() => windows().length, { timeout: 180_000 }).toBe(1);
      for (const [index, name] of alone.entries()) {
        const one = workspaces.find((workspace) => workspace.name === name);
        const window = await vscode.open(one?.folder ?? '');
        await expect.poll(() => windows().length, { timeout: 60_000 }).toBe(2 + index);
        await window.close();
      }
      const answers = windows().flatMap((window) => window.answers);
      expect(windows().map(({ isTrusted }) => isTrusted)).toEqual(Array.from({ length: 1 + alone.length }, () => false));
      expect(answers.length).toBe(workspaces.length + alone.length);
      expect(answers.filter(({ lenses }) => lenses[0] !== 'Trust this workspace to tune')).toEqual([]);
      expect(answers.filter(({ codes }) => !codes.includes('HPO-1102'))).toEqual([]);
      expect(fired()).toEqual([]);
      expect(connections).toBe(0);
      expect(listing(join(folder, 'work'))).toEqual(before);
      expect(existsSync(join(vscode.home, 'run'))).toBe(false);
      listener.close();
    },
    slowMs,
  );
});

/** The extensions with a further one, which looks at what the product offers. */
function withProbe(
  installed: ReturnType<typeof inject<'installed'>>,
  extensionsDir: string,
): ReturnType<typeof inject<'installed'>> {
  cpSync(installed.extensionsDir, extensionsDir, { recursive: true });
  const place = join(extensionsDir, 'test.probe-1.0.0');
  cpSync(fileURLToPath(new URL('probe', import.meta.url)), place, { recursive: true });
  const list = join(extensionsDir, 'extensions.json');
  const known = (JSON.parse(readFileSync(list, 'utf8')) as { relativeLocation: string; location: { path: string } }[]).map(
    (one) => ({
      ...one,
      location: { ...one.location, path: join(extensionsDir, one.relativeLocation) },
    }),
  );
  const own = {
    identifier: { id: 'test.probe' },
    version: '1.0.0',
    location: { $mid: 1, path: place, scheme: 'file' },
    relativeLocation: 'test.probe-1.0.0',
  };
  writeFileSync(list, JSON.stringify([...known, own]));
  return { ...installed, extensionsDir };
}

/** Every path with its size and time of change: nothing may be written, either. Links are not followed. */
function listing(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    const { size, mtimeMs } = lstatSync(path);
    return [`${path} ${size} ${mtimeMs}`, ...(entry.isDirectory() ? listing(path) : [])];
  });
}
