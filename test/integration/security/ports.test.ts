import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { canListPorts, openPorts, processesNaming } from '../../../agent/audit/openPorts.ts';
import { Hpo } from '../../support/hpo.ts';

/** Slow enough to be looked at, with a space whose model is fitted in the agent's thread. */
const script = `# @hpo.objective loss min
# @hpo.search sampler=gp parallel=2 seed=1
import time
a = 0.5  # @hpo float(0, 1)
b = 0.5  # @hpo float(0, 1)
c = 0.5  # @hpo float(0, 1)
time.sleep(0.2)
print(f"loss={(a - 0.3) ** 2 + (b - 0.7) ** 2 + c}", flush=True)
`;

const recorder = join(import.meta.dirname, 'netRecorder.cjs');

describe.skipIf(!canListPorts)('ports (skipped where the kernel does not say which socket is whose)', () => {
  it('of a process are found, by looking and by recording', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hpo-ports-'));
    const record = join(folder, 'record');
    const program = `require('node:net').createServer().listen(0, '127.0.0.1');
      const udp = require('node:dgram').createSocket('udp6');
      udp.bind(0, '::1', () => console.log('ready'));`;
    const child = spawn(process.execPath, ['-r', recorder, '-e', program], { env: { ...process.env, NET_RECORD: record } });
    try {
      await once(child.stdout, 'data');
      await expect.poll(() => openPorts([child.pid ?? 0]).map(({ protocol }) => protocol)).toEqual(['tcp', 'udp6']);
      expect(readFileSync(record, 'utf8').match(/ (listen|bind) /g)).toEqual([' listen ', ' bind ']);
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('are never opened: by the agent and its thread, shims, and the commands', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hpo-ports-'));
    const record = join(folder, 'record');
    try {
      await using hpo = new Hpo({ NODE_OPTIONS: `--require=${recorder}`, NET_RECORD: record });
      const seen: { readonly pids: Set<number>; readonly ports: unknown[]; isOver: boolean } = {
        pids: new Set(),
        ports: [],
        isOver: false,
      };
      const watching = (async () => {
        for (; !seen.isOver; await delay(20)) {
          const pids = processesNaming(hpo.home);
          for (const pid of pids) seen.pids.add(pid);
          seen.ports.push(...openPorts(pids));
        }
      })();
      const command = async (...args: readonly string[]): Promise<string> => {
        const child = hpo.spawn(...args);
        let [stdout, stderr] = ['', ''];
        child.stdout.on('data', (chunk: Buffer) => {
          stdout += chunk.toString();
          seen.ports.push(...openPorts([child.pid ?? 0]));
        });
        child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
        await once(child, 'close');
        if (child.exitCode !== 0) throw new Error(`hpo ${args.join(' ')}: ${stderr}`);
        return stdout;
      };
      hpo.write('train.py', script);
      const { studyId } = JSON.parse(await command('tune', 'train.py', '-n', '24', '--detach', '--json')) as { studyId: string };
      await Promise.all([command('logs', studyId, '--follow'), command('status'), command('preview', 'train.py')]);
      for (const args of [
        ['status', studyId],
        ['trials', studyId],
        ['explain', studyId],
        ['best', studyId],
        ['export', studyId, '--format', 'csv'],
        ['report', studyId, '-o', join(folder, 'report.html')],
        ['serve'],
        ['space', 'train.py'],
        ['agent', 'status'],
      ])
        await command(...args);
      seen.isOver = true;
      await watching;
      const loaded = readFileSync(`${record}.loaded`, 'utf8');
      expect(loaded).toMatch(/^main .*cli\.cjs$/m);
      expect(loaded).toMatch(/^main .*agent\.cjs$/m);
      // The model was fitted where it would be in earnest.
      expect(loaded).toMatch(/^thread /m);
      // The agent and a shim for each of 24 trials, as far as they lived long enough to be seen.
      expect(seen.pids.size).toBeGreaterThan(12);
      expect(seen.ports).toEqual([]);
      expect(() => readFileSync(record, 'utf8')).toThrow('ENOENT');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
