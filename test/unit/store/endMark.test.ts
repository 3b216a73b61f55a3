import { copyFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../agent/store/journal.ts';
import { of, studyCreated } from './studies.ts';
import { tempDir } from './tempDir.ts';

/** A journal of 5 events whose writer was killed: the first two are in the main file, the others in the WAL. */
function killed(from: ReturnType<typeof tempDir>, to: string): void {
  const path = from.file('journal.db');
  using journal = openJournal(path, { checkpointMs: null });
  for (const studyId of ['a', 'b', 'c', 'd', 'e']) {
    journal.append(of(studyId, [studyCreated()]));
    if (studyId === 'b') journal.checkpoint();
  }
  for (const suffix of ['', '-wal', '.end']) copyFileSync(`${path}${suffix}`, `${to}${suffix}`);
}

describe('a journal that lacks what was last written', () => {
  it.each<[string, (path: string) => void, number]>([
    ['its WAL removed', (path) => rmSync(`${path}-wal`), 2],
    ['its WAL cut', (path) => truncateSync(`${path}-wal`, statSync(`${path}-wal`).size - 10), 4],
    [
      'its WAL damaged',
      (path) => {
        const bytes = readFileSync(`${path}-wal`);
        bytes.fill(0x55, 100, 200);
        writeFileSync(`${path}-wal`, bytes);
      },
      2,
    ],
  ])('%s: is refused and left as it is, until somebody agrees to go on without', (_, harm, left) => {
    using dir = tempDir();
    using other = tempDir();
    const path = dir.file('journal.db');
    killed(other, path);
    harm(path);
    for (const again of [1, 2]) {
      expect(() => openJournal(path), `opening ${again}`).toThrow(
        expect.objectContaining({
          code: 'HPO-6011',
          message: expect.stringMatching(`ends at event ${left}, but event 5 was recorded`),
          next: expect.stringMatching(/hpo doctor --repair/),
        }),
      );
    }
    rmSync(`${path}.end`);
    using journal = openJournal(path);
    expect(journal.lastSeq()).toBe(left);
  });

  it('is not meant where nothing is missing: killed, without a note, with an older or unreadable note', () => {
    for (const note of [undefined, null, '', '\0\0\0', '3 abc\n', `3 ${'0'.repeat(64)}\n`]) {
      using dir = tempDir();
      using other = tempDir();
      const path = dir.file('journal.db');
      killed(other, path);
      if (note === null) rmSync(`${path}.end`);
      else if (note !== undefined) writeFileSync(`${path}.end`, note);
      using journal = openJournal(path);
      expect(journal.lastSeq()).toBe(5);
      expect(readFileSync(`${path}.end`, 'utf8')).toMatch(/^5 [0-9a-f]{64} *\n$/);
      if (note === null) expect(statSync(`${path}.end`).mode & 0o777).toBe(0o600);
    }
  });

  it('is not kept of a journal in memory', () => {
    using journal = openJournal(':memory:');
    journal.append(of('a', [studyCreated()]));
    expect(existsSync(':memory:.end')).toBe(false);
  });
});
