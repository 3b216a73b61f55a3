import { readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { type DoctorOptions, examine, repair } from '../../../agent/doctor/doctor.ts';
import { eventHash, genesisHash, hex } from '../../../agent/store/chain.ts';
import { lockJournal, openJournal } from '../../../agent/store/index.ts';
import { eventRow } from '../../../agent/store/read.ts';
import { nodeSystem } from '../../../agent/system/node.ts';
import { of, studyCreated, wholeTrial } from '../store/studies.ts';
import { tempDir } from '../store/tempDir.ts';
import { noClusters } from './noClusters.ts';
import { noEngine } from './noEngine.ts';

const optionsOf = (home: string): DoctorOptions => ({
  home,
  cacheDir: home,
  folder: home,
  version: '0',
  system: nodeSystem(),
  agent: { type: 'none' },
  engine: noEngine,
  clusters: noClusters,
});

/** A home with a journal of one study; `change` is made to it, with the hashes as they were. */
function homeWith(change: string) {
  const dir = tempDir();
  const file = dir.file('journal.db');
  {
    using journal = openJournal(file);
    journal.append(of('a', [studyCreated(), ...wholeTrial(0)]));
  }
  const db = new DatabaseSync(file);
  db.exec(change);
  db.close();
  return { ...dir, file };
}

/** Whoever changes a journal by hand can make its hashes fit. */
function chainAnew(file: string): void {
  using db = new DatabaseSync(file);
  let prevHash = genesisHash;
  let seq = 0;
  for (const raw of db.prepare('SELECT * FROM hpo_event ORDER BY seq').all()) {
    const row = eventRow(raw);
    const hash = eventHash(prevHash, row);
    db.prepare('UPDATE hpo_event SET prevHash = ?, hash = ? WHERE seq = ?').run(prevHash, hash, row.seq);
    prevHash = hash;
    ({ seq } = row);
  }
  db.prepare(`UPDATE hpo_meta SET value = ? WHERE key = 'head'`).run(`${seq} ${hex(prevHash)}`);
}

describe('a repair', () => {
  test('is refused, and changes nothing, while somebody holds the lock of the journal', async () => {
    const { path, file, [Symbol.dispose]: remove } = homeWith(`UPDATE hpo_event SET body = '{}' WHERE seq = 5`);
    try {
      const before = readFileSync(file);
      {
        using _lock = lockJournal(file);
        await expect(repair(optionsOf(path))).rejects.toThrow(expect.objectContaining({ code: 'HPO-6001' }));
        expect(readFileSync(file).equals(before)).toBe(true);
        expect(readdirSync(path)).not.toContain('aside');
      }
      const mended = await repair(optionsOf(path));
      expect(mended.map(({ done }) => done)).toContainEqual(expect.stringMatching(/^a new journal has 4 of \d+ events/));
    } finally {
      remove();
    }
  });
});

describe('events that no agent writes, with hashes that fit', () => {
  test.each([
    ['a trial without its params', `UPDATE hpo_event SET body = json_remove(body, '$.params') WHERE type = 'trialCreated'`],
    ['a report without its values', `UPDATE hpo_event SET body = json_remove(body, '$.values') WHERE type = 'metricReported'`],
    ['a study without its spec', `UPDATE hpo_event SET body = json_remove(body, '$.spec') WHERE type = 'studyCreated'`],
    ['a trial that nobody created', `UPDATE hpo_event SET body = json_set(body, '$.number', 3) WHERE type = 'attemptRequested'`],
  ])('are said to be wrong: %s', async (_, change) => {
    const { path, file, [Symbol.dispose]: remove } = homeWith(change);
    try {
      chainAnew(file);
      const wrong = (await examine(optionsOf(path))).filter(({ state }) => state === 'wrong');
      expect(wrong.length).toBeGreaterThan(0);
      expect(wrong.map(({ check }) => check)).toContain('history');
    } finally {
      remove();
    }
  });
});
