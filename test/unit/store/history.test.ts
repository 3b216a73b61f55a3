import { describe, expect, test } from 'vitest';
import type { JournalEntry, StudyEvent } from '../../../agent/protocol/events.ts';
import { exportHistory, type HistoryEnd, historyLines, importHistory } from '../../../agent/store/index.ts';
import { study } from '../driver/world.ts';

function created(number: number, basedOn?: number): StudyEvent {
  const base = {
    type: 'trialCreated',
    at: 2,
    number,
    params: { lr: 0.1 },
    origin: 'sampler',
    reason: 'r',
    target: null,
  } as const;
  return basedOn === undefined ? base : { ...base, basedOn };
}

/** The study's events at these places of a journal that has others between them. */
const entries: readonly JournalEntry[] = [
  { seq: 3, studyId: 's', event: { type: 'studyCreated', at: 1, spec: study() } },
  { seq: 7, studyId: 's', event: created(0) },
  { seq: 8, studyId: 's', event: created(1, 7) },
  // It knew all up to an event of another study.
  { seq: 12, studyId: 's', event: created(2, 9) },
  { seq: 20, studyId: 's', event: { type: 'studyMovedAway', at: 3, to: 'there', agent: 'a', epoch: 1 } },
];

function exported(of: readonly JournalEntry[] = entries): { readonly lines: readonly string[]; readonly end: HistoryEnd } {
  let text = '';
  const end = exportHistory(of, (line) => (text += line));
  return { lines: [...historyLines(text)], end };
}

describe('a history that travels', () => {
  test('is numbered as the journal in which it arrives, with what proposals knew', () => {
    const { lines, end } = exported();
    expect(end.events).toBe(5);
    const events = importHistory('s', lines, end, [], 101);
    expect(events.map((event) => (event.type === 'trialCreated' ? event.basedOn : event.type))).toEqual([
      'studyCreated',
      undefined,
      102,
      103,
      'studyMovedAway',
    ]);
    // Back again it is, word for word, what left.
    const there = events.map((event, i): JournalEntry => ({ seq: 101 + i, studyId: 's', event }));
    expect(exported(there)).toEqual({ lines, end });
  });

  test('brings only what is not known', () => {
    const { lines, end } = exported();
    const known = importHistory('s', lines.slice(0, 3), exported(entries.slice(0, 3)).end, [], 50).map(
      (event, i): JournalEntry => ({ seq: 50 + i, studyId: 's', event }),
    );
    const later = importHistory('s', lines, end, known, 900);
    expect(later.map(({ type }) => type)).toEqual(['trialCreated', 'studyMovedAway']);
    expect(later[0]).toMatchObject({ number: 2, basedOn: 52 });
    expect(importHistory('s', lines, end, [...entries], 900)).toEqual([]);
  });

  const changed = (line: string): string => line.replace('0.1', '0.2');
  test.each<[string, (lines: readonly string[]) => readonly string[], string]>([
    ['a line is changed', (lines) => lines.with(2, changed(lines[2] ?? '')), 'HPO-2501'],
    ['a line is missing', (lines) => lines.toSpliced(2, 1), 'HPO-2501'],
    ['the last line is missing', (lines) => lines.slice(0, -1), 'HPO-2501'],
    ['a line comes twice', (lines) => lines.toSpliced(2, 0, lines[2] ?? ''), 'HPO-2501'],
    ['two lines are exchanged', (lines) => lines.with(2, lines[3] ?? '').with(3, lines[2] ?? ''), 'HPO-2501'],
    ['a line is no JSON', (lines) => lines.with(1, '{'), 'HPO-2501'],
    ['there are none', () => [], 'HPO-2501'],
  ])('is refused where %s', (_name, change, code) => {
    const { lines, end } = exported();
    expect(() => importHistory('s', change(lines), end, [], 1)).toThrow(expect.objectContaining({ code }));
  });

  test.each<[string, readonly JournalEntry[]]>([
    ['something else happened', entries.with(3, { seq: 12, studyId: 's', event: created(2, 3) })],
    ['more happened', [...entries, { seq: 21, studyId: 's', event: { type: 'studyMovedHere', at: 4, from: 'x', epoch: 1 } }]],
  ])('is refused where here %s', (_name, known) => {
    const { lines, end } = exported();
    expect(() => importHistory('s', lines, end, known, 30)).toThrow(expect.objectContaining({ code: 'HPO-2502' }));
  });

  test('of another study under this name is refused', () => {
    const { lines, end } = exported();
    expect(() => importHistory('t', lines, end, [], 1)).toThrow(expect.objectContaining({ code: 'HPO-2501' }));
  });
});
