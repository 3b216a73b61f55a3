import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePageState, decodeStudy, decodeToPage } from '../../../webview/decode.ts';
import { scene, sceneEntries, type SceneName } from '../../support/views.ts';

const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('what a host sends is accepted', () => {
  it.each<SceneName>(['empty', 'waiting', 'running', 'ended', 'minimise', 'failed', 'pausedItself', 'hostile'])('%s', (name) => {
    const view = overTheWire(scene(name));
    expect(decodeToPage({ type: 'study', view })).toEqual({ value: { type: 'study', view } });
    const message = { type: 'entries', studyId: 'k3f9a1c2', entries: overTheWire(sceneEntries(name)), after: 3 };
    expect(decodeToPage(message)).toEqual({ value: message });
  });

  it.each([
    { type: 'notice', notice: null },
    { type: 'notice', notice: { severity: 'warning', text: 'The agent is starting.' } },
    { type: 'log', trial: 3, text: 'epoch=1', isEnded: false },
    { type: 'entries', studyId: 'a', entries: [] },
    {
      type: 'entries',
      studyId: 'a',
      entries: [
        { seq: 1, studyId: 'a', event: { type: 'pointEnqueued', at: 1, params: { lr: 0.5 } } },
        { seq: 1, studyId: 'a', event: { type: 'trialRetried', at: 1, number: 2, target: null } },
        { seq: 1, studyId: 'a', event: { type: 'batchEnded', at: 1, trials: [0, 3] } },
        {
          seq: 2,
          studyId: 'a',
          event: {
            type: 'trialCreated',
            at: 1,
            number: 4,
            params: {},
            origin: 'user',
            reason: '',
            target: null,
            parent: 2,
            basedOn: 7,
          },
        },
      ],
    },
  ])('$type', (message) => expect(decodeToPage(message)).toEqual({ value: message }));
});

/** The message of a scene with one value replaced; the path says where. */
function broken(path: readonly (string | number)[], value: unknown): unknown {
  const message = overTheWire({ type: 'study', view: scene('ended') });
  let at = message as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  at[path.at(-1) ?? ''] = value;
  return message;
}

describe('what does not fit is refused with its place', () => {
  it.each<[unknown, string]>([
    [null, 'expected an object, got null'],
    ['study', 'expected an object, got string'],
    [{ type: 'reload' }, '.type is unknown: "reload"'],
    [{ type: 'log', trial: -1, text: '', isEnded: true }, '.trial expected a count, got -1'],
    [
      { type: 'notice', notice: { severity: 'fatal', text: '' } },
      '.notice .severity expected one of info, warning, error, got "fatal"',
    ],
    [broken(['view', 'trials', 3, 'state'], 'done'), '.view .trials [3] .state expected one of waiting'],
    [
      broken(['view', 'trials', 2, 'curve', 1, 'values', 'val_accuracy'], null),
      ".view .trials [2] .curve [1] .values .val_accuracy expected a metric's value, got null",
    ],
    [broken(['view', 'trials', 3, 'params', 'hidden'], {}), ".params .hidden expected a parameter's value"],
    [broken(['view', 'spec', 'objectives', 0, 'direction'], 'maximize'), '.direction expected one of min, max, got "maximize"'],
    [broken(['view', 'incumbent'], 40), '.incumbent 40 is no trial'],
    [broken(['view', 'trials', 2, 'number'], 9), '.trials[2] is not trial 2'],
    [broken(['view', 'seq'], '9'), '.view .seq expected a number, got string'],
    [
      { type: 'entries', studyId: 'a', entries: [{ seq: 1, studyId: 'a', event: { type: 'trialExploded', at: 1 } }] },
      '.type is unknown: "trialExploded"',
    ],
  ])('%#', (message, problem) => {
    const result = decodeToPage(message);
    expect('problem' in result ? result.problem : 'accepted').toContain(problem);
  });

  it('without ever throwing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        decodeToPage(value);
        decodeStudy(value);
        decodePageState(value);
        decodeToPage({ type: 'study', view: value });
        decodeToPage({ type: 'entries', studyId: 'a', entries: [{ seq: 1, studyId: 'a', event: value }] });
      }),
    );
  });
});

it('keeps only a page state of the right form', () => {
  expect(decodePageState({ studyId: 'a', selectedTrial: null })).toEqual({ studyId: 'a', selectedTrial: null });
  expect(decodePageState({ studyId: 'a', selectedTrial: '3' })).toBeNull();
  expect(decodePageState(undefined)).toBeNull();
});
