import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type AgentClient, connectAgent, discoveryFile } from '../../../agent/client/index.ts';
import type { JournalEntry } from '../../../agent/protocol/events.ts';
import { Hpo } from '../../support/hpo.ts';
import { findUnshare } from '../../support/smallDisk.ts';

const dist = join(import.meta.dirname, '..', '..', '..', 'dist');
const agentMain = join(dist, 'agent.cjs');

const script = `# @hpo.objective loss min
import time
x = 0.5  # @hpo float(0, 1)
for epoch in range(1, 4):
    print(f"epoch {epoch} loss={(x - 0.3) ** 2 + 1 / epoch}", flush=True)
    time.sleep(0.1)
`;

function connect(hpo: Hpo, version = '0.0.1'): Promise<AgentClient> {
  const env = { HPO_CACHE: join(hpo.folder, 'cache') };
  return connectAgent({ home: hpo.home, agentMain, node: process.execPath, env, client: 'test', version });
}

/** Processes whose command line names the home. */
function agentsOf(hpo: Hpo): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const words = readFileSync(join('/proc', name, 'cmdline'), 'utf8').split('\0');
      return words.includes(agentMain) && words.includes(hpo.home) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

describe('the agent', () => {
  it('is one, of twelve that are started at once; its socket and files are its owner’s alone', async () => {
    await using hpo = new Hpo();
    const clients = await Promise.all(Array.from({ length: 12 }, () => connect(hpo)));
    const statuses = await Promise.all(clients.map((client) => client.request('agent/status', {})));
    const pids = new Set(statuses.map(({ pid }) => pid));
    expect(pids.size).toBe(1);
    await expect.poll(() => agentsOf(hpo), { timeout: 20_000 }).toEqual([...pids]);
    const socket = statuses[0]?.socket ?? '';
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
    expect(statSync(discoveryFile(hpo.home)).mode & 0o777).toBe(0o600);
    for (const client of clients) await client[Symbol.asyncDispose]();
  });

  it('shows two clients the same, whenever they come; a start that is given up is none', async () => {
    await using hpo = new Hpo();
    await using first = await connect(hpo);
    await using second = await connect(hpo);
    const path = hpo.write('train.py', script);
    const seen: JournalEntry[] = [];
    await first.subscribe(null, 0, (entries) => seen.push(...entries));
    const progress: string[] = [];
    first.onProgress((message) => progress.push(message));
    const abort = new AbortController();
    const givenUp = first.request('study/create', { script: path, trials: 3 }, abort.signal).catch((error: unknown) => error);
    abort.abort();
    expect(await givenUp).toMatchObject({ code: 'HPO-5009' });
    const { studyId } = await first.request('study/create', { script: path, trials: 3, parallel: 2 });
    expect(progress).toContain('storing the code');
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBeGreaterThan(5);
    const late: JournalEntry[] = [];
    await second.subscribe(studyId, 4, (entries) => late.push(...entries));
    await expect.poll(() => late.at(-1)?.event.type, { timeout: 20_000 }).toBe('studyEnded');
    await expect.poll(() => seen.at(-1)?.event.type).toBe('studyEnded');
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, i) => i + 1));
    expect(late).toEqual(seen.slice(4));
    expect((await second.request('study/list', {})).studies).toHaveLength(1);
  });

  it('hands over to a newer version while trials run, which lose nothing', async () => {
    await using hpo = new Hpo();
    await using old = await connect(hpo);
    const { pid } = await old.request('agent/status', {});
    const { studyId } = await old.request('study/create', { script: hpo.write('train.py', script), trials: 6, parallel: 2 });
    await delay(250);
    // Two at once, as a window and a terminal may be.
    const newer = await Promise.all([connect(hpo, '99.0.0'), connect(hpo, '99.0.0')]);
    await old.closed;
    for (const client of newer) expect((await client.request('agent/status', {})).pid).not.toBe(pid);
    for (const client of newer) await client[Symbol.asyncDispose]();
    await hpo.ended(studyId);
    const trials = await hpo.json<{ state: string; attempts: number }>('trials', studyId);
    expect(trials.map(({ state, attempts }) => [state, attempts])).toEqual(Array.from({ length: 6 }, () => ['complete', 1]));
  });

  it('that is killed ends its connections with a reason, and the next one is found', async () => {
    await using hpo = new Hpo();
    await using client = await connect(hpo);
    const { pid } = await client.request('agent/status', {});
    process.kill(pid, 'SIGSTOP');
    const pending = client.request('study/list', {}).catch((error: unknown) => error);
    process.kill(pid, 'SIGKILL');
    await client.closed;
    expect(await pending).toMatchObject({ code: 'HPO-5002', next: expect.stringContaining('nothing is lost') });
    await using next = await connect(hpo);
    expect((await next.request('agent/status', {})).pid).not.toBe(pid);
  });

  it('ends by itself when nobody needs it, and not before', async () => {
    await using hpo = new Hpo();
    const agent = spawn(process.execPath, [agentMain, '--home', hpo.home, '--idle-minutes', '0.01'], { stdio: 'ignore' });
    const exited = once(agent, 'exit');
    await expect.poll(() => existsSync(discoveryFile(hpo.home)), { timeout: 20_000 }).toBe(true);
    const client = await connect(hpo);
    expect((await client.request('agent/status', {})).pid).toBe(agent.pid);
    await delay(1_500);
    expect(agent.exitCode).toBeNull();
    // A study that runs needs it too, whoever looks.
    await client.request('study/create', { script: hpo.write('train.py', script), trials: 5, parallel: 1 });
    await client[Symbol.asyncDispose]();
    await delay(1_300);
    expect(agent.exitCode).toBeNull();
    expect(await exited).toEqual([0, null]);
    expect(existsSync(discoveryFile(hpo.home))).toBe(false);
    const [status] = await hpo.json<{ trials: Record<string, number> }>('status');
    expect(status?.trials).toMatchObject({ complete: 5 });
  });
});

const unshare = findUnshare();

describe.skipIf(unshare === null)(
  'a full disk (skipped where no small file system can be mounted: needs root or user namespaces)',
  () => {
    it('is said to whoever asks, and everything goes on by itself when there is room', async () => {
      await using hpo = new Hpo();
      const out = join(hpo.folder, 'out');
      mkdirSync(out);
      mkdirSync(hpo.home);
      hpo.write('train.py', script);
      // The journal alone is on the disk that gets full; what the trials write is elsewhere.
      writeFileSync(
        join(hpo.folder, 'full.sh'),
        `mount -t tmpfs -o size=4m tmpfs "$HPO_HOME" || exit 9
for part in studies snapshots; do mkdir "$OUT/$part"; ln -s "$OUT/$part" "$HPO_HOME/$part"; done
hpo() { "$NODE" "$CLI" "$@"; }
hpo tune train.py -n 12 --parallel 2 > "$OUT/tune" 2>&1 & tune=$!
until grep -q complete "$OUT/tune"; do sleep 0.1; done
dd if=/dev/zero of="$HPO_HOME/filler" bs=4k 2> "$OUT/dd"
sleep 1.2
hpo status > "$OUT/status" 2>&1
hpo tune train.py -n 1 > "$OUT/refused" 2>&1; echo $? > "$OUT/code"
rm "$HPO_HOME/filler"
wait $tune; echo $? > "$OUT/tuneCode"
hpo trials "$(hpo status --json | head -1 | sed 's/.*"studyId":"\\([^"]*\\)".*/\\1/')" --json > "$OUT/trials"
hpo agent stop
`,
      );
      const env = { ...process.env, HPO_HOME: hpo.home, HPO_CACHE: join(hpo.folder, 'cache'), OUT: out, NODE: process.execPath };
      const args = [...(unshare ?? []), 'sh', join(hpo.folder, 'full.sh')];
      const child = spawn('unshare', args, { cwd: hpo.project, env: { ...env, CLI: join(dist, 'cli.cjs') }, stdio: 'ignore' });
      expect(await once(child, 'exit')).toEqual([0, null]);
      const read = (name: string): string => readFileSync(join(out, name), 'utf8');
      expect(read('dd')).toMatch(/No space left/);
      expect(read('status')).toMatch(/is full; nothing new is recorded/);
      expect(read('refused')).toMatch(/HPO-6003: The disk that holds the journal .* is full[\s\S]*next: Free some room/);
      expect(read('code')).toBe('1\n');
      expect(read('tune')).toMatch(/The disk that holds the journal .* is full/);
      expect(read('tune')).toMatch(/written again/);
      expect(read('tuneCode')).toBe('0\n');
      const trials = read('trials')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { state: string; attempts: number }); // the contract of --json
      expect(trials.map(({ state, attempts }) => [state, attempts])).toEqual(Array.from({ length: 12 }, () => ['complete', 1]));
    });
  },
);
