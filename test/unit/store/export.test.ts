import { describe, expect, test } from 'vitest';
import type { JournalEntry, StudyEvent } from '../../../agent/protocol/events.ts';
import type { Failure } from '../../../agent/protocol/study.ts';
import { createView, foldView, type StudyView } from '../../../agent/protocol/view.ts';
import { exportCsv, exportJson, trialLine } from '../../../agent/store/export.ts';
import { make, startMs, studyCreated, studySpec, wholeTrial } from './studies.ts';

function viewOf(...events: StudyEvent[]): StudyView {
  const entries = events.map((event, index): JournalEntry => ({ seq: index + 1, studyId: 'k3f9', event }));
  const [first, ...rest] = entries;
  if (first === undefined) throw new Error('a study has events');
  const view = createView(first);
  for (const entry of rest) foldView(view, entry);
  return view;
}

/** Reads RFC 4180 back, strictly: what is not quoted holds no quote, comma or line break. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const cell = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/y;
  while (cell.lastIndex < text.length) {
    const at = cell.lastIndex;
    const match = cell.exec(text);
    if (match === null) throw new Error(`not RFC 4180 at ${at}: ${text.slice(at, at + 20)}`);
    const [, raw = '', end] = match;
    row.push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw);
    if (end === '\r\n') {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}

test('a trial line is what the command line promises', () => {
  const view = viewOf(studyCreated(), ...wholeTrial(0, 0.5));
  const [trial] = view.trials;
  if (trial === undefined) throw new Error('no trial');
  const line = trialLine(view, trial);
  expect(Object.keys(line)).toEqual([
    'trialId',
    'number',
    'state',
    'params',
    'values',
    'resource',
    'attempts',
    'startedAt',
    'endedAt',
    'history',
  ]);
  expect(line).toMatchObject({
    trialId: 'k3f9/0',
    number: 0,
    state: 'complete',
    values: { loss: 0.5, acc: 0.5 },
    resource: 5,
    attempts: 1,
    startedAt: startMs + 250,
    endedAt: startMs + 9125,
    history: [{ attempt: 1, startedAt: startMs + 250, endedAt: startMs + 8000, exitCode: 0, stopReason: null, failure: null }],
  });
});

/** Preempted once, and done then. */
const preempted: Failure = { kind: 'preempted', code: 'HPO-3008', message: 'The machine was taken away, and "gone".' };
const twice = (): StudyView => {
  const [created, requested, started, ...rest] = wholeTrial(0, 0.5);
  if (created === undefined || requested === undefined || started === undefined) throw new Error('a trial has events');
  const again = rest.map((event) => ('attempt' in event ? { ...event, attempt: 2 } : event));
  const first = [created, requested, started, make.attemptEnd(0, 1, preempted)];
  return viewOf(studyCreated(), ...first, make.request(0, 2), make.start(0, 2), ...again);
};

test('why a trial was begun again stays, after it has ended, too', () => {
  const view = twice();
  const history = [
    { attempt: 1, exitCode: 1, failure: preempted },
    { attempt: 2, exitCode: 0, failure: null },
  ];
  expect(view.trials.map((trial) => trialLine(view, trial))).toMatchObject([{ state: 'complete', attempts: 2, history }]);
  expect(JSON.parse(exportJson(view)).trials).toMatchObject([{ failure: null, attempts: 2, history }]);
  const [header, row] = parseCsv(exportCsv(view));
  expect(row?.[header?.indexOf('failures') ?? -1]).toBe('1: preempted HPO-3008 The machine was taken away, and "gone".');
});

describe('JSON', () => {
  test('is the whole study, with NaN and infinities by name', () => {
    const view = viewOf(studyCreated(), ...wholeTrial(0, 'nan'), ...wholeTrial(1, 0.25), make.trial(2));
    const document = JSON.parse(exportJson(view));
    expect(document).toMatchObject({
      studyId: 'k3f9',
      name: 'digits',
      state: 'running',
      best: { number: 1, values: { loss: 0.25 } },
      counts: { complete: 2, waiting: 1 },
    });
    expect(document.spec).toEqual(studySpec());
    expect(document.trials[0]).toMatchObject({ trialId: 'k3f9/0', values: { loss: 'nan' }, origin: 'default', failure: null });
    expect(document.trials[1].curve).toHaveLength(5);
  });

  test('of a study without trials is one too', () => {
    expect(JSON.parse(exportJson(viewOf(studyCreated())))).toMatchObject({ trials: [], best: null });
  });
});

describe('CSV', () => {
  test('has a column for each parameter and metric, and a row for each trial', () => {
    const view = viewOf(studyCreated(), ...wholeTrial(0, 0.5), make.trial(1, 1, { lr: 1e-5, optimizer: null, extra: 3 }));
    const [header, first, second, ...rest] = parseCsv(exportCsv(view));
    expect(rest).toEqual([]);
    expect(header?.join(' ')).toBe(
      'trialId number state params.lr params.momentum params.dropout params.layers params.units params.optimizer ' +
        'params.batch params.shape params.extra values.loss values.acc resource attempts startedAt endedAt failures',
    );
    expect(first?.join(' ')).toBe(
      'k3f9/0 0 complete 0.0003 0.9 0.1 3 64 adam 64 [128,64,"x"]  0.5 0.5 5 1 2026-03-01T09:00:00.250Z 2026-03-01T09:00:09.125Z ',
    );
    expect(second?.join(' ')).toBe('k3f9/1 1 waiting 0.00001     null   3   0 0   ');
  });

  test.each<[string, string]>([
    ['a,b', 'a,b'],
    ['say "hi"', 'say "hi"'],
    ['two\nlines', 'two\nlines'],
    ['=1+1', `'=1+1`],
    ['+1', `'+1`],
    ['-1', `'-1`],
    ['@SUM(A1)', `'@SUM(A1)`],
    ['\tx', `'\tx`],
    ['\r=1', `'\r=1`],
    ['a=b', 'a=b'],
    ['=HYPERLINK("http://x","y")', `'=HYPERLINK("http://x","y")`],
  ])('text %j stands as %j', (value, cell) => {
    const view = viewOf(studyCreated(), make.trial(0, 0, { optimizer: value }));
    const [header, row] = parseCsv(exportCsv(view));
    expect(row?.[header?.indexOf('params.optimizer') ?? -1]).toBe(cell);
  });

  test('numbers stay numbers, also below zero, and named values stay named', () => {
    const view = viewOf(
      studyCreated(),
      make.trial(0, 0, { lr: -1 }),
      make.request(0),
      make.start(0),
      make.attemptEnd(0),
      make.end(0, 'complete', { loss: '-inf', acc: -0.5 }),
    );
    const [header, row] = parseCsv(exportCsv(view));
    const cell = (name: string) => row?.[header?.indexOf(name) ?? -1];
    expect([cell('params.lr'), cell('values.loss'), cell('values.acc')]).toEqual(['-1', '-inf', '-0.5']);
  });

  test('a metric whose name is a formula is not one', () => {
    const view = viewOf(
      studyCreated(),
      make.trial(0),
      make.request(0),
      make.start(0),
      make.attemptEnd(0),
      make.end(0, 'complete', { 'a,"b"': 1 }),
    );
    expect(parseCsv(exportCsv(view))[0]).toContain('values.a,"b"');
  });
});
