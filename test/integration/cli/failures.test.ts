import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Hpo } from '../../support/hpo.ts';

const head = '# @hpo.objective loss min\nimport os, sys, time\nx = 0.5  # @hpo float(0, 1)\n';

interface Status {
  readonly studyId: string;
  readonly state: string;
  readonly message: string;
  readonly failure: { readonly kind: string; readonly code: string; readonly message: string } | null;
  readonly trials: Record<string, number>;
}

interface TrialLine {
  readonly number: number;
  readonly state: string;
  readonly attempts: number;
}

async function statusOf(hpo: Hpo, studyId?: string): Promise<Status> {
  const [status] = await hpo.json<Status>('status', ...(studyId === undefined ? [] : [studyId]));
  if (status === undefined) throw new Error('there is no study');
  return status;
}

/** Waits for what something else brings about. */
async function until<T>(find: () => T | null | Promise<T | null>): Promise<T> {
  for (let n = 0; n < 1_200; n++) {
    const found = await find();
    if (found !== null) return found;
    await delay(50);
  }
  throw new Error('it did not come to be');
}

async function paused(hpo: Hpo, studyId: string): Promise<Status> {
  return await until(async () => {
    const status = await statusOf(hpo, studyId);
    return status.state === 'paused' && status.trials['running'] === 0 ? status : null;
  });
}

describe('a script that always fails', () => {
  it('the study pauses itself; the cause is said once, with the fix and the commands; exit code 1', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', `${head}raise ValueError("no such thing")\n`);
    const { code, stdout, stderr } = await hpo.run('tune', script, '-n', '50', '--parallel', '2', '--seed', '1');
    expect(code).toBe(1);
    expect(stdout).toMatch(/paused by itself: .*failed with the same error: ValueError: no such thing \(train\.py, line 4\)/);
    expect(stdout).toMatch(/mend it and tune again: a study keeps the code/);
    expect(stdout).toMatch(/hpo retry train-\w+ --failed[\s\S]*hpo resume train-\w+[\s\S]*hpo tune train\.py/);
    const { studyId, trials } = await statusOf(hpo);
    expect(trials['failed']).toBeLessThanOrEqual(5);
    const lines = stderr.split('\n').filter((line) => line.startsWith('✗'));
    expect(lines.filter((line) => line.includes('no such thing'))).toHaveLength(1);
    expect(lines.slice(1).every((line) => line.includes('the same error as trial'))).toBe(true);
    const later = await hpo.run('status', studyId);
    expect(later.stdout).toMatch(/ {2}paused {2}[\s\S]*ValueError: no such thing[\s\S]*hpo retry/);
  });

  it('--json: the last line is studyPaused, with the failure', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', `${head}raise ValueError("no such thing")\n`);
    const { code, stdout } = await hpo.run('tune', script, '-n', '50', '--parallel', '1', '--seed', '1', '--json');
    expect(code).toBe(1);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>); // the contract
    expect(lines.at(-1)).toEqual({
      type: 'studyPaused',
      studyId: expect.stringMatching(/^train-/),
      message: expect.stringContaining('ValueError: no such thing'),
      failure: { kind: 'userError', code: 'HPO-3001', message: expect.stringContaining('ValueError: no such thing') },
      next: expect.stringContaining('tune again'),
      trials: expect.objectContaining({ failed: 3, running: 0 }),
      best: null,
    });
    // The event itself was streamed before.
    expect(lines.filter(({ type, seq }) => type === 'studyPaused' && typeof seq === 'number')).toHaveLength(1);
  });

  it('as many trials as the budget has: it ends, and the failed ones can be retried', async () => {
    await using hpo = new Hpo();
    const ready = join(hpo.project, 'ready');
    const script = hpo.write('train.py', `${head}open(${JSON.stringify(ready)})\nprint(f"loss={x}")\n`);
    const { code, stdout } = await hpo.run('tune', script, '-n', '2', '--parallel', '1');
    expect(code).toBe(1);
    expect(stdout).toMatch(/ended \(failed\).*2 failed\nAll 2 trials failed with the same error: FileNotFoundError/);
    hpo.write('ready', '');
    const { studyId } = await statusOf(hpo);
    expect((await hpo.run('retry', studyId, '0')).stdout).toBe(`${studyId} tries 1 trial again\n`);
    await hpo.ended(studyId);
    expect((await statusOf(hpo, studyId)).trials).toMatchObject({ complete: 1, failed: 1 });
  });
});

it('a script that fails until a file appears: resumed, it goes on; retried, the failed trials are made good', async () => {
  await using hpo = new Hpo();
  const ready = join(hpo.project, 'ready');
  const script = hpo.write('train.py', `${head}open(${JSON.stringify(ready)})\nprint(f"loss={x}")\n`);
  const [started] = await hpo.json<{ studyId: string }>('tune', script, '-n', '6', '--parallel', '1', '--detach');
  const studyId = started?.studyId ?? '';
  expect((await paused(hpo, studyId)).failure).toMatchObject({ kind: 'userError', code: 'HPO-3001' });
  hpo.write('ready', '');
  expect((await hpo.run('resume', studyId)).code).toBe(0);
  await hpo.ended(studyId);
  expect((await statusOf(hpo, studyId)).trials).toMatchObject({ failed: 3, complete: 3 });
  expect((await hpo.run('retry', studyId)).code).toBe(2);
  expect((await hpo.run('retry', studyId, '3')).stderr).toMatch(/HPO-4312.*Trial 3 cannot be retried: it is complete/);
  expect((await hpo.run('retry', studyId, '--failed')).stdout).toBe(`${studyId} tries 3 trials again\n`);
  await hpo.ended(studyId);
  expect((await hpo.json<TrialLine>('trials', studyId)).map(({ number, state, attempts }) => [number, state, attempts])).toEqual(
    [0, 1, 2, 3, 4, 5].map((number) => [number, 'complete', number < 3 ? 2 : 1]),
  );
  expect(await hpo.run('retry', studyId, '--failed')).toMatchObject({ code: 1, stderr: expect.stringMatching(/HPO-4034/) });
});

it('one that still runs does well: the study goes on by itself, and so does who follows it', async () => {
  await using hpo = new Hpo();
  const go = join(hpo.project, 'go');
  const script = hpo.write(
    'train.py',
    `${head}if int(os.environ["HPO_TRIAL"]) < 3:
    raise ValueError("too early")
while not os.path.exists(${JSON.stringify(go)}):
    time.sleep(0.05)
print(f"loss={x}")
`,
  );
  const tuned = hpo.run('tune', script, '-n', '8', '--parallel', '3', '--seed', '1');
  const { message } = await until(async () => {
    const status = (await hpo.json<Status>('status'))[0];
    return status?.state === 'paused' && (status.trials['running'] ?? 0) > 0 ? status : null;
  });
  expect(message).toMatch(/^All 3 trials failed with the same error: ValueError: too early/);
  hpo.write('go', '');
  const { code, stdout, stderr } = await tuned;
  expect(stderr).toMatch(
    /paused by itself: All 3 trials failed[\s\S]*running trials? go(es)? on to (its|their) end; if (it|one of them) succeeds, the study goes on/,
  );
  expect(stdout).toMatch(/ended \(budget\).*5 complete, 3 failed/);
  expect(code).toBe(0);
});

describe('how a program ends', () => {
  it.each([
    [
      'killed by SIGKILL',
      'os.kill(os.getpid(), 9)',
      'HPO-3001',
      /ended from outside by SIGKILL, often a sign of too little memory/,
    ],
    ['exit code 137', 'sys.exit(137)', 'HPO-3001', /SIGKILL/],
    ['exit code 3', 'print("bad luck"); sys.exit(3)', 'HPO-3001', /exit code 3\. Last line: "bad luck"/],
    [
      'MemoryError',
      'import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); big = bytearray(2**32)',
      'HPO-3015',
      /ran out of memory \(MemoryError\)/,
    ],
    ['a missing module', 'import no_such_module_of_ours', 'HPO-3012', /No module named 'no_such_module_of_ours'.*Install it for/],
    ['a full disk', 'raise OSError(28, os.strerror(28))', 'HPO-3011', /The disk is full \(OSError: \[Errno 28\]/],
  ])('%s', async (_name, line, code, message) => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', `${head}${line}\n`);
    const tuned = await hpo.run('tune', script, '-n', '4', '--parallel', '1', '--retry', 'lost=1');
    expect(tuned.code).toBe(1);
    const { failure, state } = await statusOf(hpo);
    expect(state).toBe('paused');
    expect(failure?.code).toBe(code);
    expect(failure?.message).toMatch(message);
    expect(tuned.stdout).toMatch(message);
  });
});

it('out of memory beside another trial: tried again alone, and then well', async () => {
  await using hpo = new Hpo();
  // Each looks whether another one is there: together they do not fit.
  const script = hpo.write(
    'train.py',
    `${head}import pathlib
room = pathlib.Path(${JSON.stringify(hpo.folder)}, "room")
room.mkdir(exist_ok=True)
mine = room / f"{os.environ['HPO_TRIAL']}-{os.environ['HPO_ATTEMPT']}"
mine.touch()
try:
    for _ in range(20):
        time.sleep(0.05)
        if len(list(room.iterdir())) > 1 and os.environ["HPO_TRIAL"] == "1":
            raise MemoryError("no room")
finally:
    mine.unlink()
print(f"loss={x}")
`,
  );
  const tuned = await hpo.run('tune', script, '-n', '3', '--parallel', '2', '--seed', '3');
  expect(tuned.code).toBe(0);
  const { studyId } = await statusOf(hpo);
  const trials = await hpo.json<TrialLine>('trials', studyId);
  expect(trials.map(({ state, attempts }) => [state, attempts])).toEqual([
    ['complete', 1],
    ['complete', 2],
    ['complete', 1],
  ]);
});

describe('a trial that is lost', () => {
  /** Ends an attempt's program and its shim, so that nobody records the end. */
  async function lose(hpo: Hpo, studyId: string, attempt: number, isFarEnough: (log: string) => boolean): Promise<void> {
    const folder = join(hpo.home, 'studies', studyId, 'trials/0', `attempt-${attempt}`);
    const record = await until(() => {
      const log = join(folder, 'out.log');
      if (!existsSync(join(folder, 'start.json')) || !existsSync(log) || !isFarEnough(readFileSync(log, 'utf8'))) return null;
      return JSON.parse(readFileSync(join(folder, 'start.json'), 'utf8')) as { readonly shim: number; readonly pid: number };
    });
    process.kill(record.shim, 'SIGKILL');
    process.kill(record.pid, 'SIGKILL');
  }

  it('thrice, each time after it came farther: it goes on from its checkpoint, though one retry is all that it may have', async () => {
    await using hpo = new Hpo();
    const script = hpo.write(
      'train.py',
      `${head}# @hpo.checkpoint dir=ckpt
epochs = 8  # @hpo fidelity(1, 8)
os.makedirs("ckpt", exist_ok=True)
begin = int(open("ckpt/epoch").read()) if os.path.exists("ckpt/epoch") else 0
for epoch in range(begin + 1, epochs + 1):
    open("ckpt/new", "w").write(str(epoch))
    os.replace("ckpt/new", "ckpt/epoch")
    print(f"epoch={epoch} loss={x}", flush=True)
    while epoch < 8 and epoch == 2 * int(os.environ["HPO_ATTEMPT"]):
        time.sleep(0.05)
`,
    );
    const args = ['-n', '1', '--parallel', '1', '--scheduler', 'none', '--retry', 'lost=1'];
    const [started] = await hpo.json<{ studyId: string }>('tune', script, ...args, '--detach');
    const studyId = started?.studyId ?? '';
    for (const attempt of [1, 2, 3]) {
      await until(async () => {
        const { stdout } = await hpo.run('export', studyId, '--format', 'json');
        return stdout.includes(`"step": ${2 * attempt}`) || stdout.includes(`"step":${2 * attempt}`) ? true : null;
      });
      await lose(hpo, studyId, attempt, (log) => log.includes(`epoch=${2 * attempt} `));
    }
    await hpo.ended(studyId);
    const [trial] = await hpo.json<TrialLine>('trials', studyId);
    expect(trial).toMatchObject({ state: 'complete', attempts: 4, resource: 8 });
    expect(readFileSync(join(hpo.home, 'studies', studyId, 'trials/0/attempt-4/out.log'), 'utf8')).toMatch(/^epoch=7 /);
  });

  it('thrice without progress, and two retries: it failed, and says how often', async () => {
    await using hpo = new Hpo();
    const script = hpo.write('train.py', `${head}print("begun", flush=True)\ntime.sleep(600)\n`);
    const args = ['-n', '1', '--parallel', '1', '--retry', 'lost=2', '--seed', '2'];
    const [started] = await hpo.json<{ studyId: string }>('tune', script, ...args, '--detach');
    const studyId = started?.studyId ?? '';
    for (const attempt of [1, 2, 3]) await lose(hpo, studyId, attempt, (log) => log.includes('begun'));
    await hpo.ended(studyId);
    const { stdout } = await hpo.run('trials', studyId);
    expect(stdout).toMatch(/HPO-3007 The process vanished.*It was tried again in vain\./);
    expect(stdout).toMatch(/3 attempts \(the machine failed 2 times: The process vanished/);
    const [line] = await hpo.json<{ history: unknown[] }>('trials', studyId, '--trial', '0');
    expect(line?.history).toMatchObject([1, 2, 3].map((attempt) => ({ attempt, failure: { code: 'HPO-3007' } })));
    expect((await hpo.run('trials', studyId, '--trial', '0')).stdout.match(/HPO-3007 .*The process vanished/g)).toHaveLength(4);
    expect(await hpo.run('logs', studyId, '0', '--attempt', '1', '--follow')).toMatchObject({ code: 0, stdout: 'begun\n' });
    expect((await hpo.run('logs', studyId, '0', '--attempt', '4')).stderr).toContain('HPO-4006');
    expect((await hpo.run('logs', studyId, '--attempt', '1')).stderr).toContain('HPO-4019');
  });
});

it('the interpreter is deleted in the middle: the study pauses, no trial is lost, and it goes on when it is back', async () => {
  await using hpo = new Hpo();
  const real = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  const python = join(hpo.folder, 'python3');
  symlinkSync(real, python);
  const script = hpo.write('train.py', `${head}time.sleep(0.5)\nprint(f"loss={x}", flush=True)\ntime.sleep(0.5)\n`);
  const args = ['-n', '4', '--parallel', '1', '--python', python, '--env', 'current', '--retry', 'lost=1'];
  const [started] = await hpo.json<{ studyId: string }>('tune', script, ...args, '--detach');
  const studyId = started?.studyId ?? '';
  await until(async () => ((await statusOf(hpo, studyId)).trials['complete'] === 1 ? true : null));
  rmSync(python);
  const { failure, trials } = await paused(hpo, studyId);
  expect(failure).toMatchObject({ kind: 'infrastructure', code: 'HPO-3010' });
  expect(failure?.message).toMatch(/can no longer be run/);
  expect(trials).toMatchObject({ failed: 0, waiting: 1 });
  symlinkSync(real, python);
  expect((await hpo.run('resume', studyId)).code).toBe(0);
  await hpo.ended(studyId);
  expect((await statusOf(hpo, studyId)).trials).toMatchObject({ complete: 4, failed: 0 });
});
