import { anything, assert, property } from 'fast-check';
import { expect, test } from 'vitest';
import { decodePageState, decodeToHost } from '../../../../extension/panel/decode.ts';

test.each([
  { type: 'ready' },
  { type: 'insertBest' },
  { type: 'openSource' },
  { type: 'openLog', trial: 0 },
  { type: 'command', command: { type: 'pause' } },
  { type: 'command', command: { type: 'delete' } },
  { type: 'command', command: { type: 'scale', parallel: 3 } },
  { type: 'command', command: { type: 'stopTrial', trial: 12 } },
  { type: 'command', command: { type: 'retry', number: 12 } },
])('a message of the contract passes: %j', (message) => expect(decodeToHost(message)).toEqual(message));

test.each([
  null,
  'ready',
  7,
  {},
  { type: 'eval', code: '1' },
  { type: 'openLog' },
  { type: 'openLog', trial: -1 },
  { type: 'openLog', trial: '../../etc' },
  { type: 'command' },
  { type: 'command', command: 'stop' },
  { type: 'command', command: { type: 'create', script: '/etc/passwd' } },
  { type: 'command', command: { type: 'scale', parallel: 0 } },
  { type: 'command', command: { type: 'stopTrial', trial: 1.5 } },
  { type: 'command', command: { type: 'retry', number: -1 } },
])('anything else is dropped: %j', (message) => expect(decodeToHost(message)).toBeNull());

test('nothing that a page could send throws', () => {
  assert(
    property(anything(), (value) => {
      decodeToHost(value);
      decodePageState(value);
    }),
  );
});

test.each([
  [
    { studyId: 'a', selectedTrial: 3 },
    { studyId: 'a', selectedTrial: 3 },
  ],
  [{ studyId: 'a' }, { studyId: 'a', selectedTrial: null }],
  [
    { studyId: 'a', selectedTrial: 'x' },
    { studyId: 'a', selectedTrial: null },
  ],
  [{ selectedTrial: 3 }, null],
  [undefined, null],
])('kept state %j → %j', (kept, state) => expect(decodePageState(kept)).toEqual(state));
