import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StudyFolders } from '../../../agent/executors/attempt/studyFolders.ts';
import { Hpo } from '../../support/hpo.ts';

interface Check {
  readonly check: string;
  readonly state: 'ok' | 'wrong' | 'unknown';
  readonly what: string;
  readonly next?: string;
}

interface Diagnosis {
  readonly ok: boolean;
  readonly checks: readonly Check[];
  readonly repaired: readonly { readonly check: string; readonly what: string; readonly done: string }[];
}

const script = `# @hpo.objective val_loss min
lr = 1e-2  # @hpo float(1e-4, 1e-1, log)
for epoch in range(1, 4):
    print(f"epoch {epoch} val_loss={abs(lr - 3e-3) + 1 / epoch:.6f}", flush=True)
`;

const slow = `import time
# @hpo.objective val_loss min
lr = 1e-2  # @hpo float(1e-4, 1e-1, log)
for epoch in range(1, 1000):
    print(f"epoch {epoch} val_loss={lr + 1 / epoch:.6f}", flush=True)
    time.sleep(0.2)
`;

async function diagnose(hpo: Hpo, ...args: readonly string[]): Promise<Diagnosis & { readonly code: number | null }> {
  const { code, stdout, stderr } = await hpo.run('doctor', ...args, '--json');
  if (stdout === '') throw new Error(`doctor ended with ${code}: ${stderr}`);
  // The contract of --json.
  return { code, ...(JSON.parse(stdout) as Diagnosis) };
}

const wrong = ({ checks }: Diagnosis): readonly string[] =>
  checks.filter(({ state }) => state === 'wrong').map(({ check, what }) => `${check}: ${what}`);

const database = (hpo: Hpo, text: string): void => {
  const db = new DatabaseSync(join(hpo.home, 'journal.db'));
  db.exec(text);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
};

/** One byte of the journal's file, in the text of an event. */
function flipByte(hpo: Hpo, text: string): void {
  const file = join(hpo.home, 'journal.db');
  const bytes = readFileSync(file);
  const at = bytes.lastIndexOf(text);
  expect(at).toBeGreaterThan(0);
  bytes[at + text.length - 1] = (bytes[at + text.length - 1] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

/** The first page of a table or an index is noise. */
function spoilRoot(hpo: Hpo, name: string): void {
  const file = join(hpo.home, 'journal.db');
  const db = new DatabaseSync(file);
  const page = Number(db.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').get(name)?.['rootpage']);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  const bytes = readFileSync(file);
  const size = bytes.readUInt16BE(16);
  writeFileSync(file, bytes.fill(0xa5, (page - 1) * size, page * size));
}

const studyFolder = (hpo: Hpo): string => join(hpo.home, 'studies', readdirSync(join(hpo.home, 'studies'))[0] ?? 'none');

/** Two studies that have ended, of 4 and 3 trials, and no agent. */
let template: Hpo;

beforeAll(async () => {
  template = new Hpo();
  const path = template.write('train.py', script);
  for (const n of ['4', '3']) expect((await template.run('tune', path, '-n', n, '--search', 'random')).code).toBe(0);
  expect((await template.run('agent', 'stop')).code).toBe(0);
  // It answers before it has let go of the journal.
  while (existsSync(join(template.home, 'journal.db-wal'))) await delay(50);
});

afterAll(async () => {
  await template[Symbol.asyncDispose]();
});

function copyOfTemplate(): Hpo {
  const hpo = new Hpo();
  cpSync(template.home, hpo.home, { recursive: true });
  for (const name of ['', 'run', 'studies', 'snapshots']) chmodSync(join(hpo.home, name), 0o700);
  return hpo;
}

describe('hpo doctor', () => {
  it('finds nothing wrong, beside an agent and without one, and changes nothing', async () => {
    await using hpo = copyOfTemplate();
    const listing = () =>
      readdirSync(hpo.home, { recursive: true })
        .map(String)
        .sort()
        .map((name) => [name, statSync(join(hpo.home, name)).mtimeMs]);
    const before = listing();
    const alone = await diagnose(hpo);
    expect(listing()).toEqual(before);
    expect(wrong(alone)).toEqual([]);
    expect(alone).toMatchObject({ code: 0, ok: true, repaired: [] });
    // Everything was looked at.
    expect(alone.checks.map(({ check, state }) => `${check} ${state}`)).toEqual(
      [
        'program',
        'home',
        'disk',
        'agent',
        'journal',
        'tables',
        'history',
        'values',
        'processes',
        'containers',
        'clusters',
        'ports',
        'folders',
        'remains',
        'python',
      ].map((name) => `${name} ok`),
    );
    const said = (name: string, { checks }: Diagnosis) => checks.find(({ check }) => check === name)?.what;
    expect(said('values', alone)).toMatch(/^21 reports are what the trials printed/);
    expect(said('journal', alone)).toMatch(/\d+ events in 2 studies/);
    expect(said('agent', alone)).toMatch(/^none runs/);

    expect((await hpo.run('status')).code).toBe(0);
    const beside = await diagnose(hpo);
    expect(wrong(beside)).toEqual([]);
    expect(said('views', beside)).toMatch(/^2 studies are shown by the agent as the journal has them/);
    expect(said('ports', beside)).toBe('the agent has no TCP port open');
    expect(said('agent', beside)).toMatch(/runs as process \d+ and answers/);

    const [first] = await hpo.json<{ studyId: string }>('status');
    const one = await diagnose(hpo, first?.studyId ?? '');
    expect(one.code).toBe(0);
    expect(said('views', one)).toMatch(/^1 studies/);
    expect((await hpo.run('doctor', 'nothing-like-it')).code).toBe(3);
    const text = await hpo.run('doctor');
    expect(text.stdout).toMatch(/^ok {7}journal {4}/m);
  });

  it('an empty home is in order', async () => {
    await using hpo = new Hpo();
    const { code, checks } = await diagnose(hpo);
    expect(code).toBe(0);
    expect(checks.find(({ check }) => check === 'journal')?.what).toMatch(/there is none yet/);
    expect(existsSync(hpo.home)).toBe(false);
  });
});

describe('hpo doctor finds what is wrong, and --repair puts it right', () => {
  it.each<{ name: string; fault: (hpo: Hpo) => void; line: RegExp; done: RegExp; after?: (hpo: Hpo) => void; goesOn?: true }>([
    {
      name: 'a flipped byte in a value: nothing is lost',
      fault: (hpo) => flipByte(hpo, '"val_loss":0.3'),
      line: /^journal: .*journal\.db is damaged: event \d+ is not what was written; the \d+ events before it are whole/,
      done: /In one event a changed byte was put right, as the hash tells\. Nothing is lost$/,
    },
    {
      name: 'more of an event is changed',
      goesOn: true,
      fault: (hpo) =>
        database(
          hpo,
          `UPDATE hpo_event SET body = replace(body, '"val_loss":0.', '"val_loss":12.') WHERE type = 'metricReported'
          AND seq = (SELECT max(seq) FROM hpo_event WHERE type = 'metricReported')`,
        ),
      line: /^journal: .*journal\.db is damaged: event \d+ is not what was written; the \d+ events before it are whole/,
      done: /a new journal has \d+ of \d+ events; .*Lost: event \d+ of train-\w+ \(not what was written\).* does not go on by itself, as it had ended: hpo resume train-\w+ goes on from before event \d+ \(3 later events were left out/,
      after: (hpo) => expect(readdirSync(join(hpo.home, 'aside'))).toHaveLength(1),
    },
    {
      name: 'a flipped byte in the hash of an event: nothing is lost',
      fault: (hpo) => database(hpo, 'UPDATE hpo_event SET hash = zeroblob(32) WHERE seq = 20'),
      line: /^journal: .*event 20 is not what was written/,
      done: /Nothing is lost/,
    },
    {
      name: 'noise in the index of the events: nothing is lost',
      fault: (hpo) => spoilRoot(hpo, 'hpo_event_study'),
      line: /^journal: pages of .*journal\.db around its \d+ events, which are whole, are damaged/,
      done: /Nothing is lost/,
    },
    {
      name: 'noise in a derived table: nothing is lost',
      fault: (hpo) => spoilRoot(hpo, 'trial_values'),
      line: /^journal: pages of .* are damaged/,
      done: /Nothing is lost/,
    },
    {
      name: 'a cut tail',
      goesOn: true,
      fault: (hpo) => truncateSync(join(hpo.home, 'journal.db'), statSync(join(hpo.home, 'journal.db')).size - 6000),
      line: /^journal: .*damaged/,
      done: /a new journal has \d+ of \d+ events/,
    },
    {
      name: 'no SQLite file any more',
      goesOn: true,
      fault: (hpo) => writeFileSync(join(hpo.home, 'journal.db'), 'lr = 0.1\n'.repeat(2000)),
      line: /^journal: /,
      done: /nothing could be read: a new, empty journal begins; the damaged files are in/,
    },
    {
      name: 'the journal is missing',
      goesOn: true,
      fault: (hpo) => rmSync(join(hpo.home, 'journal.db')),
      line: /^journal: .*journal\.db is missing, but the folders of 2 studies are there/,
      done: /moved aside, for a new journal to begin/,
      after: (hpo) =>
        expect(readdirSync(join(hpo.home, 'aside', readdirSync(join(hpo.home, 'aside'))[0] ?? '', 'studies'))).toHaveLength(2),
    },
    {
      name: 'the journal is empty',
      fault: (hpo) => truncateSync(join(hpo.home, 'journal.db'), 0),
      line: /^journal: .*journal\.db is empty, but the folders of 2 studies are there/,
      done: /moved aside, for a new journal to begin/,
    },
    {
      name: 'the derived tables are changed',
      fault: (hpo) => database(hpo, 'UPDATE trial_values SET value = 0'),
      line: /^tables: .*trial_values \(7 rows\)/,
      done: /made anew from the events/,
    },
    {
      name: 'the last events are lost, as with a lost -wal',
      goesOn: true,
      fault: (hpo) =>
        database(
          hpo,
          `DELETE FROM hpo_event WHERE seq >= (SELECT min(seq) FROM hpo_event WHERE type = 'trialCreated' AND body LIKE '%"number":2,%');
          UPDATE hpo_meta SET value = (SELECT seq || ' ' || lower(hex(hash)) FROM hpo_event ORDER BY seq DESC LIMIT 1) WHERE key = 'head'`,
        ),
      line: /^folders: train-\w+ has folders of attempts that the journal knows nothing of: 2\/attempt-1, 3\/attempt-1/,
      done: /moved 2 folders of attempts/,
    },
    {
      name: 'folders of a study that nobody knows',
      fault: (hpo) => mkdirSync(join(hpo.home, 'studies', 'stranger-abc', 'trials', '0', 'attempt-1'), { recursive: true }),
      line: /^folders: the journal knows nothing of the studies in .*stranger-abc/,
      done: /moved to .*: stranger-abc/,
    },
    {
      name: 'others may read',
      fault: (hpo) => {
        chmodSync(join(hpo.home, 'studies'), 0o755);
        chmodSync(join(hpo.home, 'journal.db'), 0o644);
      },
      line: /^home: other users of this machine may get at .*studies, .*journal\.db/,
      done: /for their owner alone now/,
      after: (hpo) => expect(statSync(join(hpo.home, 'journal.db')).mode & 0o777).toBe(0o600),
    },
    {
      name: 'half-done steps',
      fault: (hpo) => {
        const old = new Date(Date.now() - 3_600_000);
        mkdirSync(join(hpo.home, 'snapshots', '.taking-abc'));
        const files = [
          join(hpo.home, 'run', 'agent.json.new'),
          join(studyFolder(hpo), 'trials', '0', 'attempt-1', 'exit.json.123'),
        ];
        for (const file of files) writeFileSync(file, '{');
        for (const file of [...files, join(hpo.home, 'snapshots', '.taking-abc')]) utimesSync(file, old, old);
      },
      line: /^remains: 3 files were left by something that was interrupted/,
      done: /removed 3 files/,
    },
  ])('$name', async ({ fault, line, done, after, goesOn }) => {
    await using hpo = copyOfTemplate();
    fault(hpo);
    const found = await diagnose(hpo);
    expect(found.code).toBe(1);
    expect(wrong(found)).toContainEqual(expect.stringMatching(line));
    expect(found.checks.find(({ state }) => state === 'wrong')?.next).toMatch(/hpo doctor --repair/);

    const mended = await diagnose(hpo, '--repair');
    expect(mended.repaired.map((one) => one.done)).toContainEqual(expect.stringMatching(done));
    expect(wrong(mended)).toEqual([]);
    expect(mended.code).toBe(0);
    after?.(hpo);
    if (goesOn !== true) return;
    // The agent starts, and a new study runs beside what was kept.
    const path = hpo.write('train.py', script);
    const tuned = await hpo.run('tune', path, '-n', '2', '--search', 'random');
    expect(tuned.code).toBe(0);
    expect(wrong(await diagnose(hpo))).toEqual([]);
  });

  it('deleted and ended studies run no code again because of a repair', async () => {
    await using hpo = copyOfTemplate();
    const [gone, ended] = (await hpo.json<{ studyId: string }>('status')).map(({ studyId }) => studyId);
    expect((await hpo.run('delete', gone ?? '', '--yes')).code).toBe(0);
    expect((await hpo.run('agent', 'stop')).code).toBe(0);
    // The first report of each.
    database(
      hpo,
      `UPDATE hpo_event SET body = '{"at":1}' WHERE seq IN (SELECT min(seq) FROM hpo_event WHERE type = 'metricReported' GROUP BY studyId)`,
    );
    const mended = await diagnose(hpo, '--repair');
    const done = mended.repaired.map((one) => one.done).join('\n');
    expect(done).toContain(`${gone} stays deleted`);
    expect(done).toContain(`${ended} does not go on by itself, as it had ended: hpo resume ${ended}`);
    expect(wrong(mended)).toEqual([]);
    // The agent starts and has looked at its studies once a new one has ended.
    expect((await hpo.run('tune', hpo.write('train.py', script), '-n', '1', '--search', 'random')).code).toBe(0);
    const studies = await hpo.json<{ studyId: string; state: string; message: string }>('status');
    expect(studies.map(({ studyId }) => studyId)).not.toContain(gone);
    expect(studies.find(({ studyId }) => studyId === ended)).toMatchObject({ state: 'paused' });
    expect((await hpo.run('resume', ended ?? '')).code).toBe(0);
    await hpo.ended(ended ?? '');
    expect(wrong(await diagnose(hpo))).toEqual([]);
  });

  it('what lies in the place of a repaired journal and is none does not take the place of a whole one', async () => {
    await using hpo = copyOfTemplate();
    const journal = join(hpo.home, 'journal.db');
    const before = readFileSync(journal);
    writeFileSync(`${journal}.repaired`, 'x\n');
    const mended = await diagnose(hpo, '--repair');
    expect(mended.repaired.map(({ done }) => done)).toEqual([expect.stringMatching(/^what the repair had left is no journal/)]);
    expect(mended.code).toBe(0);
    expect(readFileSync(journal).equals(before)).toBe(true);
  });

  it('a value that is not what the trial printed', async () => {
    await using hpo = copyOfTemplate();
    const log = join(studyFolder(hpo), 'trials', '1', 'attempt-1', 'out.log');
    writeFileSync(log, readFileSync(log, 'utf8').replace(/val_loss=0\./, 'val_loss=1.'));
    const found = await diagnose(hpo);
    expect(found.code).toBe(1);
    expect(wrong(found)).toContainEqual(
      expect.stringMatching(
        /^values: trial 1, attempt 1: event \d+ says step \d \{"val_loss":0\.\d+\}, but out up to byte \d+ says step \d \{"val_loss":1\.\d+\}/,
      ),
    );
  });

  it('output that is gone is said to be unknown, not right', async () => {
    await using hpo = copyOfTemplate();
    rmSync(join(studyFolder(hpo), 'trials', '1', 'attempt-1', 'out.log'));
    const { checks } = await diagnose(hpo);
    expect(checks).toContainEqual(
      expect.objectContaining({
        check: 'values',
        state: 'unknown',
        what: expect.stringMatching(/the output of 1 attempts is gone/),
      }),
    );
  });

  it('a stored code that is gone while its study goes on, and an interpreter', async () => {
    await using hpo = new Hpo();
    const path = hpo.write('train.py', slow);
    const [{ studyId } = { studyId: '' }] = await hpo.json<{ studyId: string }>(
      'tune',
      path,
      '-n',
      '5',
      '--search',
      'random',
      '--detach',
    );
    expect((await hpo.run('agent', 'stop')).code).toBe(0);
    const folder = join(hpo.home, 'snapshots');
    for (const name of readdirSync(folder)) renameSync(join(folder, name), join(hpo.folder, name));
    const found = await diagnose(hpo);
    expect(wrong(found)).toContainEqual(
      expect.stringMatching(/^folders: the stored code \w+… of .* is gone: no further trial of it can start/),
    );
    for (const name of readdirSync(hpo.folder))
      if (/^[0-9a-f]{64}$/.test(name)) renameSync(join(hpo.folder, name), join(folder, name));
    expect((await hpo.run('stop', studyId)).code).toBe(0);
    await hpo.ended(studyId);
  });

  it('processes of attempts that count no more are found and ended; those of live ones are left alone', async () => {
    await using hpo = new Hpo();
    const path = hpo.write('train.py', slow);
    const [{ studyId } = { studyId: '' }] = await hpo.json<{ studyId: string }>(
      'tune',
      path,
      '-n',
      '5',
      '--search',
      'random',
      '--detach',
    );
    const start = join(hpo.home, 'studies', studyId, 'trials', '0', 'attempt-1', 'start.json');
    while (!existsSync(start)) await delay(20);
    const { pid } = JSON.parse(readFileSync(start, 'utf8')) as { pid: number }; // written by the shim
    const files = new StudyFolders(hpo.home);
    const orphans: ChildProcess[] = ['gone-study/3/1', `${studyId}/0/7`].map((text) => {
      const [id = '', trial, attempt] = text.split('/');
      const key = { studyId: id, trial: Number(trial), attempt: Number(attempt) };
      return spawn('sleep', ['300'], { stdio: 'ignore', env: { ...process.env, HPO_ATTEMPT_KEY: files.mark(key) } });
    });
    try {
      const found = await diagnose(hpo);
      const line = wrong(found).find((text) => text.startsWith('processes'));
      for (const { pid: orphan } of orphans) expect(line).toContain(String(orphan));
      expect(line).toMatch(/gone-study\/3\/1/);
      expect(line).not.toContain(String(pid));
      const ended = orphans.map((orphan) => new Promise((resolve) => orphan.once('exit', resolve)));
      const mended = await diagnose(hpo, '--repair');
      await Promise.all(ended);
      expect(mended.repaired.map(({ done }) => done)).toContainEqual(expect.stringMatching(/^ended 2 processes/));
      expect(wrong(mended)).toEqual([]);
      // The agent was stopped for it; its trial runs on.
      expect(() => process.kill(pid, 0)).not.toThrow();
    } finally {
      for (const orphan of orphans) orphan.kill('SIGKILL');
      expect((await hpo.run('stop', studyId)).code).toBe(0);
      await hpo.ended(studyId);
    }
  });

  it('an agent that was killed leaves nothing that is wrong; what it leaves is said', async () => {
    await using hpo = copyOfTemplate();
    expect((await hpo.run('status')).code).toBe(0);
    const [agent] = await hpo.json<{ pid: number }>('agent', 'status');
    process.kill(agent?.pid ?? 0, 'SIGKILL');
    const found = await diagnose(hpo);
    expect(wrong(found)).toEqual([]);
    expect(found.checks.find(({ check }) => check === 'agent')?.what).toMatch(
      /none runs; the last one was ended from outside and left .*agent\.json/,
    );
    const mended = await diagnose(hpo, '--repair');
    expect(mended.repaired.map(({ check }) => check)).toEqual(['agent']);
    expect(existsSync(join(hpo.home, 'run', 'agent.json'))).toBe(false);
  });

  it('no agent starts in the place of a lost journal, and none in the middle of a repair', async () => {
    await using hpo = copyOfTemplate();
    const journal = join(hpo.home, 'journal.db');
    copyFileSync(journal, `${journal}.repaired`);
    const interrupted = await hpo.run('status');
    expect(interrupted.stderr).toMatch(/HPO-6009.*|A repair of the journal .* was interrupted/);
    rmSync(`${journal}.repaired`);
    rmSync(journal);
    const lost = await hpo.run('status');
    expect(lost.code).not.toBe(0);
    expect(lost.stderr).toMatch(/The journal .* is missing or empty, but the folders of its studies are there/);
    expect(lost.stderr).toMatch(/hpo doctor --repair/);
    expect(existsSync(journal)).toBe(false);
  });
});
