import { expect, test } from 'vitest';
import { createRng } from '../../agent/core/math/index.ts';
import { fold, loadStudy, savedPageSize, savePage, saveRest, stateHash, type StudyState } from '../../agent/core/study/index.ts';
import type { JournalEntry } from '../../agent/protocol/events.ts';
import { replay } from '../unit/core/study/harness.ts';
import { someFaults, someLoss, someSpec } from './someStudies.ts';
import { VirtualStudy } from './virtualStudy.ts';

const nSeeds = 150;

test(`a state that was saved anywhere in any study is the same again, and goes on alike: ${nSeeds} studies`, () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < nSeeds; seed++) {
    const study = new VirtualStudy(seed, someSpec(seed), someFaults(seed), someLoss);
    study.run();
    const cut = 1 + createRng(seed, 3).int(study.journal.length);
    const state = replay(study.journal.slice(0, cut));
    const hash = stateHash(state);
    const loaded = load(state, study.journal);
    expect(stateHash(loaded), `seed ${seed} at ${cut}`).toBe(hash);
    expect(loaded.history.countOf('pending'), `seed ${seed}`).toBe(state.history.countOf('pending'));
    for (const entry of study.journal.slice(cut)) fold(loaded, entry);
    expect(stateHash(loaded), `seed ${seed} after ${cut}`).toBe(stateHash(study.state));
    seen.add(study.state.schedulerState.type);
  }
  expect([...seen].sort()).toEqual(['asha-promote', 'asha-stop', 'async-hyperband', 'hyperband', 'median', 'none', 'pbt', 'sha']);
});

test('a study of several pages is whole again; a page that is missing or of another place is refused', () => {
  const study = new VirtualStudy(
    5,
    { ...someSpec(5), budget: { trials: 1_200, wallTimeMs: null, resource: null } },
    someFaults(5),
    () => 1,
  );
  const trialEntries: JournalEntry[] = study.journal.slice(0, 1);
  for (let number = 0; number < 1_200; number++)
    trialEntries.push({
      seq: number + 2,
      studyId: trialEntries[0]?.studyId ?? '',
      event: {
        type: 'trialCreated',
        at: 1,
        number,
        params: { lr: 1e-4 + number / 2e3 },
        origin: 'sampler',
        reason: 'r',
        target: null,
      },
    });
  const state = replay(trialEntries);
  const pages = [0, 1, 2].map((page) => savePage(state, page));
  expect(savedPageSize * 2).toBeLessThan(1_200);
  expect(stateHash(loadStudy(first(trialEntries), saveRest(state), pages))).toBe(stateHash(state));
  expect(() => loadStudy(first(trialEntries), saveRest(state), [pages[0] ?? '', pages[2] ?? ''])).toThrow(/out of place/);
});

function load(state: StudyState, journal: readonly JournalEntry[]): StudyState {
  const nPages = Math.ceil(state.view.trials.length / savedPageSize);
  const pages = Array.from({ length: nPages }, (_, page) => savePage(state, page));
  return loadStudy(first(journal), saveRest(state), pages);
}

function first([entry]: readonly JournalEntry[]): JournalEntry {
  if (entry === undefined) throw new RangeError('an empty journal');
  return entry;
}
