import { openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Hpo } from '../../support/hpo.ts';

/** A curve that falls towards a value that depends on the parameters; standard library only. */
const quick = `# A study in miniature.
# @hpo.objective val_loss min
import time
lr = 1e-2  # @hpo float(1e-4, 1e-1, log)
width = 16  # @hpo int(4, 64)
kind = "a"  # @hpo choice("a", "b")
epochs = 9  # @hpo fidelity(1, 9, eta=3)
for epoch in range(1, epochs + 1):
    value = (width - 40) ** 2 / 1000 + abs(lr - 3e-3) * 10 + (kind == "a") * 0.1 + 1 / epoch
    print(f"epoch {epoch} val_loss={value:.6f}", flush=True)
    time.sleep(0.005)
`;

interface Ended {
  readonly type: string;
  readonly studyId: string;
  readonly reason: string;
  readonly trials: Record<string, number>;
  readonly best: { number: number; params: Record<string, unknown>; values: Record<string, number> } | null;
}

interface TrialLine {
  readonly number: number;
  readonly state: string;
  readonly params: Record<string, unknown>;
  readonly values: Record<string, number>;
  readonly attempts: number;
}

describe('hpo tune', () => {
  it('tunes, says what it gained, and writes the best values into the source', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', quick);
    const tuned = await hpo.run('tune', script, '-n', '12', '--parallel', '2', '--seed', '1');
    expect(tuned.stderr).toMatch(/✓ {3}0 complete/);
    expect(tuned.stdout).toMatch(/best configuration/);
    expect(tuned.stdout).toMatch(/gain {2}val_loss [\d.]+ with the script's own values → [\d.]+ with trial \d+/);
    expect(tuned.stdout).toMatch(/^-.*lr = 1e-2 {2}# @hpo/m);
    expect(tuned.code).toBe(0);
    const report = readFileSync(/report: {4}(\S+)/.exec(tuned.stdout)?.[1] ?? '', 'utf8');
    expect(report).toContain('<!doctype html>');

    const [status] = await hpo.json<{ studyId: string }>('status');
    const studyId = status?.studyId ?? '';
    expect((await hpo.run('best', studyId, '--apply')).code).toBe(0);
    const after = readFileSync(script, 'utf8');
    expect(after).not.toBe(quick);
    expect(after).toContain('# @hpo float(1e-4, 1e-1, log)');
    expect(after.split('\n')).toHaveLength(quick.split('\n').length);
  });

  it('proposes the same sequence for the same seed', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', quick);
    const sequences = [];
    // Whether a trial that is to be stopped hears of it before it ends is a matter of milliseconds, and a result like others.
    const repeatable = ['--scheduler', 'none', '--parallel', '1', '--seed', '7'];
    for (let run = 0; run < 2; run++) {
      const lines = await hpo.json<{ type: string; params?: unknown; number?: number }>(
        'tune',
        script,
        '-n',
        '15',
        ...repeatable,
      );
      sequences.push(lines.filter((line) => line.type === 'trialCreated').map(({ number, params }) => ({ number, params })));
      expect(lines.at(-1)).toMatchObject({ type: 'studyEnded', reason: 'budget' });
    }
    expect(sequences[0]).toHaveLength(15);
    expect(sequences[1]).toEqual(sequences[0]);
  });

  it('keeps every trial, once, when the agent is killed in the middle', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', quick.replace('time.sleep(0.005)', 'time.sleep(0.05)'));
    const [started] = await hpo.json<{ studyId: string }>(
      'tune',
      script,
      '-n',
      '30',
      '--parallel',
      '2',
      '--seed',
      '7',
      '--detach',
    );
    const studyId = started?.studyId ?? '';
    for (let kill = 0; kill < 3; kill++) {
      await delay(700);
      // Starts the next agent, which takes over what runs.
      await hpo.run('status');
      const [agent] = await hpo.json<{ pid: number }>('agent', 'status');
      process.kill(agent?.pid ?? 0, 'SIGKILL');
    }
    await hpo.ended(studyId);
    const trials = await hpo.json<TrialLine>('trials', studyId);
    expect(trials.map(({ number }) => number)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    // No attempt was lost: what ran went on without an agent and was adopted.
    expect(trials.map(({ attempts }) => attempts)).toEqual(trials.map(() => 1));
    expect(new Set(trials.map(({ state }) => state)).difference(new Set(['complete', 'pruned']))).toEqual(new Set());
    const entries = (await hpo.json<{ number: number; state: string }>('trials', studyId)).length;
    expect(entries).toBe(30);
  });

  it('goes on after an interrupt, and stops when told to', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', quick.replace('0.005', '0.2'));
    const child = hpo.spawn('tune', script, '-n', '500');
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    while (!stderr.includes('study train-')) await delay(50);
    await delay(500);
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(130);
    expect(stderr).toMatch(/The study goes on\. See it: hpo status \S+ · stop it: hpo stop \S+/);
    const [status] = await hpo.json<{ studyId: string; state: string }>('status');
    expect(status?.state).toBe('running');
    await hpo.run('stop', status?.studyId ?? '');
    await hpo.ended(status?.studyId ?? '');
  });

  it('pauses, resumes, scales, deletes', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', quick.replace('0.005', '0.05'));
    const [started] = await hpo.json<{ studyId: string }>('tune', script, '-n', '12', '--detach');
    const studyId = started?.studyId ?? '';
    const state = async (): Promise<string | undefined> => (await hpo.json<{ state: string }>('status', studyId))[0]?.state;
    expect((await hpo.run('pause', studyId)).code).toBe(0);
    expect(await state()).toBe('paused');
    await delay(1_000);
    const before = (await hpo.json<TrialLine>('trials', studyId)).length;
    await delay(500);
    expect((await hpo.json<TrialLine>('trials', studyId)).length).toBe(before);
    expect((await hpo.run('scale', studyId, '2')).code).toBe(0);
    expect((await hpo.run('resume', studyId)).code).toBe(0);
    await hpo.ended(studyId);
    const logs = await hpo.run('logs', studyId, '0');
    expect(logs.stdout).toMatch(/^epoch 1 val_loss=/);
    const all = await hpo.run('logs', studyId, '--follow');
    expect(all.stdout).toMatch(/^\[0\] epoch 1 val_loss=/);
    const csv = await hpo.run('export', studyId, '--format', 'csv');
    expect(csv.stdout.trim().split('\n')).toHaveLength(13);
    expect((await hpo.run('delete', studyId)).code).toBe(2);
    for (const text of ['', studyId.slice(0, 1), studyId.slice(0, -1)])
      expect((await hpo.run('delete', '--yes', studyId, text)).code, text).toBe(text === '' ? 2 : 3);
    expect((await hpo.run('status', studyId)).code).toBe(0);
    expect((await hpo.run('delete', '--yes', studyId, studyId)).code).toBe(0);
    expect((await hpo.run('status', studyId)).code).toBe(3);
  });
});

describe('what a study is asked for', () => {
  it('several objectives: the trials that no other one beats instead of a best', async () => {
    await using hpo = new Hpo();
    const script = hpo.write(
      'train.py',
      '# @hpo.objective loss min\n# @hpo.objective speed max\nx = 0.5  # @hpo float(0, 1)\nprint(f"loss={x} speed={x}")\n',
    );
    const tuned = await hpo.run('tune', script, '-n', '3', '--seed', '1');
    expect(tuned.stdout).toMatch(/Several objectives \(loss min, speed max\): there is no single best/);
    const [status] = await hpo.json<{ studyId: string; createdAt: number }>('status');
    expect(Math.abs(Date.now() - (status?.createdAt ?? 0))).toBeLessThan(600_000);
    expect((await hpo.run('status')).stdout).toMatch(/3\/3 trials {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}train\.py/);
    const best = await hpo.json<TrialLine>('best', status?.studyId ?? '');
    expect(best.map(({ number, values }) => [number, Object.keys(values)])).toEqual(
      [0, 1, 2].map((number) => [number, ['loss', 'speed']]),
    );
    expect((await hpo.run('best', status?.studyId ?? '', '--apply')).code).toBe(1);
    const report = await hpo.run('report', status?.studyId ?? '', '-o', '/nowhere/x.html');
    expect(report).toMatchObject({ code: 1, stderr: expect.stringMatching(/HPO-4027: \/nowhere\/x\.html could not be written/) });
    expect(report.stderr).not.toMatch(/\.cjs/);
  });

  it('deleted while it is followed: says so, and exits with 1', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', quick.replace('0.005', '0.2'));
    const child = hpo.spawn('tune', script, '-n', '500');
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const closed = new Promise((resolve) => child.once('close', resolve));
    while (!stderr.includes('study train-')) await delay(50);
    const [status] = await hpo.json<{ studyId: string }>('status');
    expect((await hpo.run('delete', '--yes', status?.studyId ?? '')).code).toBe(0);
    expect(await closed).toBe(1);
    expect(stderr).toMatch(/HPO-4028: study train-\S+ was deleted/);
    expect(stderr).not.toMatch(/goes on/);
  });

  it('annotations with faults: --json says them too', async () => {
    await using hpo = new Hpo();
    const result = await hpo.run('tune', hpo.write('train.py', 'lr = 5  # @hpo float(0, 1)\n'), '--json');
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject({ type: 'preflightFailed', diagnostics: [{ code: 'HPO-1114', line: 1 }] });
  });

  it('a folder for the state that cannot be: a clear error, at once', async () => {
    await using hpo = new Hpo({ HPO_HOME: '/proc/nope' });
    expect(await hpo.run('status')).toMatchObject({ code: 1, stderr: expect.stringMatching(/HPO-5014.*\/proc\/nope/) });
  });
});

describe('hpo space', () => {
  it('prints the contract', async () => {
    await using hpo = new Hpo();
    const [space] = await hpo.json<Record<string, unknown>>('space', hpo.write('train.py', quick));
    expect(space).toMatchObject({
      parameters: [
        {
          name: 'lr',
          distribution: { type: 'float', low: 1e-4, high: 1e-1, log: true, step: null },
          default: 1e-2,
          when: null,
          site: { file: 'train.py', line: 4 },
        },
        { name: 'width', distribution: { type: 'int', low: 4, high: 64, log: false }, default: 16 },
        { name: 'kind', distribution: { type: 'categorical', choices: ['a', 'b'] }, default: 'a' },
      ],
      objectives: [{ metric: 'val_loss', direction: 'min' }],
      fidelity: { name: 'epochs', min: 1, max: 9, reductionFactor: 3 },
      hash: expect.stringMatching(/^[0-9a-f]{16,}$/),
      diagnostics: [],
    });
  });

  it('finds ten faults with line and column, and exits with 1', async () => {
    await using hpo = new Hpo();
    const script = hpo.write(
      'faults.py',
      readFileSync(join(import.meta.dirname, '../../fixtures/annotations/tenFaults.py'), 'utf8'),
    );
    const { code, stdout } = await hpo.run('space', script, '--json');
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; line: number; column: number }[] }; // the contract
    expect(code).toBe(1);
    expect(new Set(diagnostics.map((diagnostic) => diagnostic.code)).size).toBe(10);
    for (const { line, column } of diagnostics) expect([line, column].every((n) => Number.isInteger(n) && n >= 1)).toBe(true);
  });
});

describe('bad input', () => {
  const head = '# @hpo.objective loss min\nx = 0.5  # @hpo float(0, 1)\n';
  const cases: readonly {
    name: string;
    file?: string;
    text: string | Buffer;
    args?: readonly string[];
    code: number;
    says: RegExp;
    ended?: Partial<Ended>;
  }[] = [
    { name: 'no annotation', text: 'x = 1\nprint("loss=1")\n', code: 1, says: /HPO-4001.*no parameter to tune[\s\S]*@hpo float/ },
    {
      name: 'no objective',
      text: 'x = 0.5  # @hpo float(0, 1)\nprint(f"val_loss={x}")\n',
      code: 1,
      says: /HPO-4002.*val_loss min[\s\S]*@hpo\.objective val_loss min/,
    },
    {
      name: 'no metric in the output',
      text: `${head}print("score=3")\n`,
      code: 1,
      says: /No metric "loss" was reported[\s\S]*printed only "score"/,
    },
    { name: 'a syntax error', text: `${head}def broken(:\n`, code: 1, says: /SyntaxError/ },
    {
      name: 'an exception on import',
      text: `import no_such_module_of_ours\n${head}print(f"loss={x}")\n`,
      code: 1,
      says: /no_such_module_of_ours/,
    },
    { name: 'a metric that is NaN', text: `${head}print("loss=nan")\n`, code: 1, says: /nan/i },
    {
      name: 'an interpreter that is missing',
      text: `${head}print(f"loss={x}")\n`,
      args: ['--python', '/nowhere/python3'],
      code: 4,
      says: /\/nowhere\/python3/,
    },
    {
      name: 'a trial that never ends',
      text: `${head}import time\nprint(f"loss={x}", flush=True)\ntime.sleep(600)\n`,
      args: ['--timeout', '1s'],
      code: 1,
      says: /timeout|longer than|1 s/i,
    },
    {
      name: 'a script that is not UTF-8',
      text: Buffer.from(`# größe\n${head}print(f"loss={x}")\n`, 'latin1'),
      code: 1,
      says: /HPO-2106[\s\S]*not UTF-8: byte 0xf6[\s\S]*in line 1[\s\S]*save it as UTF-8/,
    },
    { name: 'a script that is not there', file: '', text: '', code: 3, says: /HPO-2101/ },
  ];
  it.each(cases)('$name', async ({ file, text, args = [], code, says }) => {
    await using hpo = new Hpo();
    const script = file === '' ? join(hpo.project, 'absent.py') : hpo.write('train.py', text);
    const result = await hpo.run('tune', script, '-n', '4', ...args);
    expect(`${result.stdout}${result.stderr}`).toMatch(says);
    expect(result.code).toBe(code);
    expect(result.stderr).not.toMatch(/at .*\.cjs:\d+/);
  });

  it('a file name with spaces, quotes and newlines', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('my "best"\nscript\'s $(touch pwned).py', `${head}print(f"loss={x}")\n`);
    const lines = await hpo.json<Ended>('tune', script, '-n', '3');
    expect(lines.at(-1)).toMatchObject({ type: 'studyEnded', trials: { complete: 3 } });
  });

  it('100 MB/s of output: the trial is ended with a reason, what it reported is kept', async () => {
    await using hpo = new Hpo();
    const script = hpo.write(
      'train.py',
      `${head}# @hpo.resources output=30MB\nprint(f"loss={x}", flush=True)\nblock = "x" * 99 + "\\n"\nwhile True:\n    print(block * 1000)\n`,
    );
    const result = await hpo.run('tune', script, '-n', '1');
    expect(`${result.stdout}${result.stderr}`).toMatch(/30(\.0)? MB|output/i);
    const [status] = await hpo.json<{ studyId: string }>('status');
    const [trial] = await hpo.json<TrialLine>('trials', status?.studyId ?? '');
    expect(trial?.state).toBe('failed');
    const log = join(hpo.home, 'studies', status?.studyId ?? '', 'trials/0/attempt-1/out.log');
    const first = Buffer.alloc(9);
    readSync(openSync(log, 'r'), first);
    expect(first.toString()).toBe('loss=0.5\n');
    // What comes in the half second until it is noticed, at any speed of this machine.
    expect(statSync(log).size).toBeLessThan(3e9);
  });

  it.each([
    [['tune'], 2],
    [['nonsense'], 2],
    [['tune', 'x.py', '-n', 'many'], 2],
    [['tune', 'x.py', '--search', 'magic'], 2],
    [['trials', 'no-such-study'], 3],
  ])('hpo %j exits with %d', async (args, code) => {
    await using hpo = new Hpo();
    expect((await hpo.run(...args)).code).toBe(code);
  });
});

describe('the agent', () => {
  it('is one, however many start it', async () => {
    await using hpo = new Hpo();
    const results = await Promise.all(Array.from({ length: 6 }, () => hpo.run('status')));
    expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      results.map(() => ({ code: 0, stderr: expect.stringContaining('no studies yet') })),
    );
    const [status] = await hpo.json<{ pid: number }>('agent', 'status');
    process.kill(status?.pid ?? 0, 0);
  });

  it('opens no TCP port', async () => {
    await using hpo = new Hpo();
    await hpo.run('status');
    const [status] = await hpo.json<{ pid: number }>('agent', 'status');
    const inodes = new Set(
      ['tcp', 'tcp6'].flatMap((name) => listening(readFileSync(`/proc/${status?.pid ?? 0}/net/${name}`, 'utf8'))),
    );
    const folder = `/proc/${status?.pid ?? 0}/fd`;
    const sockets = readdirSync(folder).flatMap((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(join(folder, fd)))?.[1] ?? []);
    expect(sockets.length).toBeGreaterThan(0);
    expect(sockets.filter((inode) => inodes.has(inode))).toEqual([]);
  });
});

/** Inodes of the listening sockets in /proc/net/tcp. */
function listening(table: string): string[] {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === '0A')
    .map((columns) => columns[9] ?? '');
}
