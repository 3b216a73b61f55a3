import { describe, expect, test } from 'vitest';
import { DecisionCheck, stateHash } from '../../agent/core/study/index.ts';
import type { JournalEntry } from '../../agent/protocol/events.ts';
import { replay } from '../unit/core/study/harness.ts';
import { someFaults, someLoss, someSpec } from './someStudies.ts';
import { VirtualStudy } from './virtualStudy.ts';

const nSeeds = 400;

describe('a journal of any study', () => {
  test(`gives all decisions again: ${nSeeds} studies with faults, crashes, late points and commands`, () => {
    const seen = { decisions: 0, asked: 0, late: 0 };
    for (let seed = 0; seed < nSeeds; seed++) {
      const { journal, state } = someStudy(seed);
      const { differences, check } = checked(journal);
      expect(differences, `seed ${seed}`).toEqual([]);
      expect(stateHash(check.state), `seed ${seed}`).toBe(stateHash(state));
      seen.decisions += check.nDecisions;
      seen.asked += check.nAsked;
      seen.late += journal.filter(({ event }) => event.type === 'trialCreated' && event.basedOn !== undefined).length;
    }
    expect(seen.decisions).toBeGreaterThan(nSeeds * 10);
    expect(seen.asked).toBeGreaterThan(nSeeds * 2);
    expect(seen.late).toBeGreaterThan(200);
  });

  test('has one hash after each of its events, folded on or from the beginning', () => {
    for (let seed = 0; seed < 12; seed++) {
      const { journal } = someStudy(seed);
      const hashes = new Set<string>();
      const check = new DecisionCheck(first(journal));
      for (const [i, entry] of journal.entries()) {
        if (i > 0) check.next(entry);
        const hash = stateHash(check.state);
        hashes.add(hash);
        if (i % 7 === 0) expect(hash).toBe(stateHash(replay(journal.slice(0, i + 1))));
      }
      // Each event is at least the last one that was folded.
      expect(hashes.size).toBe(journal.length);
    }
  });
});

function someStudy(seed: number): VirtualStudy {
  const study = new VirtualStudy(seed, someSpec(seed), someFaults(seed), someLoss);
  study.run();
  return study;
}

function checked(journal: readonly JournalEntry[]) {
  const check = new DecisionCheck(first(journal));
  const differences = journal.slice(1).flatMap((entry) => check.next(entry) ?? []);
  return { check, differences };
}

function first([entry]: readonly JournalEntry[]): JournalEntry {
  if (entry === undefined) throw new RangeError('an empty journal');
  return entry;
}
