import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AwayStudies, awayStudies, movedAway } from '../../../../agent/executors/kubernetes/awayStudies.ts';
import type { JournalEntry, StudyEvent } from '../../../../agent/protocol/events.ts';
import type { Files } from '../../../../agent/system/files.ts';
import { nodeFiles } from '../../../../agent/system/nodeFiles.ts';

let home: string;
let file: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hpo-away-'));
  file = join(home, 'run', 'away.json');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const never = (): never => {
  throw new Error('nothing was damaged');
};

test('it is on the disk before it counts, and comes back from there', async () => {
  const asked: string[] = [];
  const disk: Files = {
    ...nodeFiles,
    flush: (path) => {
      asked.push(`flush ${path.slice(home.length)}`);
      return nodeFiles.flush(path);
    },
    rename: (from, to) => {
      asked.push('rename');
      return nodeFiles.rename(from, to);
    },
  };
  const away = new AwayStudies(disk, home, never);
  expect(await away.has('s')).toBe(false);
  await away.set('s', true);
  expect(asked).toEqual(['flush /run/away.json.new', 'rename', 'flush /run']);
  expect(await new AwayStudies(nodeFiles, home, never).has('s')).toBe(true);
  await away.set('s', false);
  expect([...(await awayStudies(nodeFiles, home))]).toEqual([]);
});

test.each(['', '["s"', '{}', '[1]', '\0\0\0\0'])('a list damaged to %j is made anew of what the journal says', async (text) => {
  mkdirSync(join(home, 'run'));
  writeFileSync(file, text);
  await expect(awayStudies(nodeFiles, home)).rejects.toMatchObject({ code: 'HPO-2514' });
  const away = new AwayStudies(nodeFiles, home, () => new Set(['s', 't']));
  expect(await away.has('s')).toBe(true);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(['s', 't']);
  await away.set('t', false);
  expect([...(await awayStudies(nodeFiles, home))]).toEqual(['s']);
});

test('a study is away by the last of its moves, also when it was deleted here', () => {
  const gone: StudyEvent = { type: 'studyMovedAway', at: 0, to: 'there', agent: 'a', epoch: 1 };
  const back: StudyEvent = { type: 'studyMovedHere', at: 0, from: 'there', epoch: 2 };
  const deleted: StudyEvent = { type: 'studyDeleted', at: 0 };
  const events: readonly (readonly [string, StudyEvent])[] = [
    ['away', gone],
    ['back', gone],
    ['deleted', gone],
    ['back', back],
    ['deleted', deleted],
    ['here', deleted],
  ];
  const entries = events.map(([studyId, event], seq): JournalEntry => ({ seq, studyId, event }));
  expect([...movedAway(entries)]).toEqual(['away', 'deleted']);
});
