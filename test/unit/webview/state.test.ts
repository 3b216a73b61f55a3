import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StudyView } from '../../../agent/protocol/view.ts';
import type { ToHost, ToPage } from '../../../webview/contract.ts';
import { type Action, foldEntries, initialState, pageStateOf, type PanelState, reduce } from '../../../webview/state.ts';
import { scene, sceneEntries, viewOf } from '../../support/views.ts';

const start = (options: Partial<PanelState> = {}): PanelState => ({
  ...initialState({ restored: null, isReadOnly: false }),
  ...options,
});

function run(state: PanelState, ...actions: Action[]): { state: PanelState; sent: ToHost[] } {
  const sent: ToHost[] = [];
  for (const action of actions) {
    const [next, messages] = reduce(state, action);
    state = next;
    sent.push(...messages);
  }
  return { state, sent };
}

/** The view after `n` events, and messages of the given size that bring the rest. */
function streamed(
  name: Parameters<typeof sceneEntries>[0],
  n: number,
  size: number,
): { first: ToPage; rest: Extract<ToPage, { type: 'entries' }>[] } {
  const entries = sceneEntries(name);
  const rest: Extract<ToPage, { type: 'entries' }>[] = [];
  for (let i = n; i < entries.length; i += size) {
    rest.push({ type: 'entries', studyId: 'k3f9a1c2', entries: entries.slice(i, i + size), after: entries[i - 1]?.seq ?? 0 });
  }
  return { first: { type: 'study', view: viewOf(entries.slice(0, n)) }, rest };
}

describe('entries', () => {
  it.each([1, 3, 50, 10_000])('in batches of %i lead to the view of all of them', (size) => {
    const { first, rest } = streamed('ended', 20, size);
    const { state, sent } = run(start(), first, ...rest);
    expect(state.view).toEqual(scene('ended'));
    expect(sent).toEqual([]);
  });

  it('change no view that was shown before', () => {
    const entries = sceneEntries('ended');
    const before = viewOf(entries.slice(0, 300));
    const copy = structuredClone(before);
    const after = foldEntries(before, entries.slice(300));
    expect(before).toEqual(copy);
    expect(after).not.toBeNull();
  });

  it('leave the trials that they do not name as the same objects', () => {
    const entries = sceneEntries('ended');
    const n = entries.findIndex((entry) => entry.event.type === 'metricReported' && entry.event.number === 9);
    const before = viewOf(entries.slice(0, n));
    const after = foldEntries(before, entries.slice(n, n + 1)) as StudyView;
    const changed = after.trials.filter((trial, i) => trial !== before.trials[i]).map((trial) => trial.number);
    expect(changed).toEqual([9]);
  });

  it('that came already are skipped', () => {
    const { first, rest } = streamed('ended', 20, 40);
    const { state } = run(start(), first, ...rest.flatMap((message) => [message, message]));
    expect(state.view).toEqual(scene('ended'));
  });

  it('of another study, or before there is one, are ignored', () => {
    const { rest } = streamed('ended', 20, 40);
    expect(run(start(), ...rest)).toEqual({ state: start(), sent: [] });
    const other = rest.map((message) => ({ ...message, studyId: 'other' }));
    const shown = run(start(), { type: 'study', view: scene('empty') }).state;
    expect(run(shown, ...other)).toEqual({ state: shown, sent: [] });
  });

  it('after a gap make the page ask once for the whole study, and nothing is folded until it comes', () => {
    const { first, rest } = streamed('ended', 20, 40);
    const withGap = run(start(), first, ...rest.slice(1));
    expect(withGap.sent).toEqual([{ type: 'ready' }]);
    expect(withGap.state.view?.trials).toEqual((first as { view: StudyView }).view.trials);
    const healed = run(withGap.state, { type: 'study', view: scene('ended') });
    expect(healed.state.isResyncing).toBe(false);
    expect(healed.state.view).toEqual(scene('ended'));
  });

  it('whose host names no predecessor still betray a gap by a trial or attempt that is missing', () => {
    const entries = sceneEntries('ended');
    const gaps = fc.property(fc.integer({ min: 1, max: entries.length - 2 }), fc.integer({ min: 1, max: 200 }), (at, missed) => {
      const view = viewOf(entries.slice(0, at));
      const left = entries.slice(at + missed);
      const lost = entries.slice(at, at + missed);
      const isTold =
        lost.some((entry) => entry.event.type === 'trialCreated') && left.some((entry) => entry.event.type === 'trialCreated');
      const folded = foldEntries(view, left);
      return isTold ? folded === null : true;
    });
    fc.assert(gaps, { numRuns: 200 });
  });
});

describe('the user', () => {
  const shown = run(start(), { type: 'study', view: scene('ended') }).state;
  const cases: readonly [string, Action[], Partial<PanelState>, ToHost[]][] = [
    ['selects a trial', [{ type: 'trialSelected', trial: 7 }], { selectedTrial: 7 }, []],
    ['cannot select a trial that is not there', [{ type: 'trialSelected', trial: 7_000 }], { selectedTrial: null }, []],
    [
      'sorts by the objective: the best first',
      [{ type: 'columnClicked', key: 'value:val_accuracy' }],
      { sort: { key: 'value:val_accuracy', isDescending: true } },
      [],
    ],
    ['sorts the other way', [{ type: 'columnClicked', key: 'number' }], { sort: { key: 'number', isDescending: true } }, []],
    [
      'filters by two states',
      [
        { type: 'stateToggled', state: 'failed' },
        { type: 'stateToggled', state: 'pruned' },
      ],
      { states: ['failed', 'pruned'] },
      [],
    ],
    [
      'takes a filter back',
      [
        { type: 'stateToggled', state: 'failed' },
        { type: 'stateToggled', state: 'failed' },
      ],
      { states: [] },
      [],
    ],
    ['clears the filter', [{ type: 'stateToggled', state: 'failed' }, { type: 'filterCleared' }], { states: [] }, []],
    ['is asked before a stop', [{ type: 'stopAsked' }], { isStopAsked: true }, []],
    ['thinks better of it', [{ type: 'stopAsked' }, { type: 'stopDismissed' }], { isStopAsked: false }, []],
    [
      'stops',
      [{ type: 'stopAsked' }, { type: 'hostAsked', message: { type: 'command', command: { type: 'stop' } } }],
      { isStopAsked: false },
      [{ type: 'command', command: { type: 'stop' } }],
    ],
    ['opens a log', [{ type: 'hostAsked', message: { type: 'openLog', trial: 3 } }], {}, [{ type: 'openLog', trial: 3 }]],
  ];
  it.each(cases)('%s', (_, actions, expected, sent) => {
    const result = run(shown, ...actions);
    expect(result.state).toEqual({ ...shown, ...expected });
    expect(result.sent).toEqual(sent);
  });

  it('can ask nothing of a report', () => {
    const report = run(start({ isReadOnly: true }), { type: 'study', view: scene('ended') }).state;
    expect(run(report, { type: 'hostAsked', message: { type: 'insertBest' } }).sent).toEqual([]);
  });
});

describe('what is kept', () => {
  it('brings the selected trial back after a reload, for the same study only', () => {
    const restored = { studyId: 'k3f9a1c2', selectedTrial: 4 };
    expect(run(start({ restored }), { type: 'study', view: scene('ended') }).state.selectedTrial).toBe(4);
    expect(
      run(start({ restored: { ...restored, studyId: 'other' } }), { type: 'study', view: scene('ended') }).state.selectedTrial,
    ).toBeNull();
    expect(
      run(start({ restored: { ...restored, selectedTrial: 400 } }), { type: 'study', view: scene('ended') }).state.selectedTrial,
    ).toBeNull();
  });

  it('is the study and the selection', () => {
    expect(pageStateOf(start())).toBeNull();
    const state = run(start(), { type: 'study', view: scene('ended') }, { type: 'trialSelected', trial: 2 }).state;
    expect(pageStateOf(state)).toEqual({ studyId: 'k3f9a1c2', selectedTrial: 2 });
  });

  it('outlives a new snapshot of the same study, not another study', () => {
    const state = run(
      start(),
      { type: 'study', view: scene('ended') },
      { type: 'trialSelected', trial: 2 },
      { type: 'stateToggled', state: 'complete' },
    ).state;
    expect(run(state, { type: 'study', view: scene('ended') }).state).toMatchObject({ selectedTrial: 2, states: ['complete'] });
    expect(run(state, { type: 'study', view: { ...scene('ended'), studyId: 'other' } }).state).toMatchObject({
      selectedTrial: null,
      states: [],
    });
  });
});

it('a message that cannot be read says so and changes nothing else', () => {
  const shown = run(start(), { type: 'study', view: scene('ended') }).state;
  const { state, sent } = run(shown, { type: 'undecodable', problem: '.type is unknown: "x"' });
  expect(state.notice).toMatchObject({ severity: 'error', text: expect.stringContaining('.type is unknown: "x"') as string });
  expect({ ...state, notice: null }).toEqual(shown);
  expect(sent).toEqual([]);
});
