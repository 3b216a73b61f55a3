import { describe, expect, test } from 'vitest';
import { ServeSession } from '../../../agent/cli/serveSession.ts';

const lr = { name: 'lr', distribution: { type: 'float', low: 1e-5, high: 0.1, log: true } };
const kind = { name: 'kind', distribution: { type: 'categorical', choices: ['a', 'b'] } };
const momentum = { name: 'momentum', distribution: { type: 'float', low: 0, high: 1 }, when: "kind == 'b'" };
const loss = { metric: 'loss', direction: 'min' };
const size = { metric: 'size', direction: 'min' };

/** Answers of a session, from the objects of its lines. */
function talk(...requests: readonly unknown[]): unknown[] {
  const session = new ServeSession();
  return requests.map((request) => JSON.parse(session.answer(typeof request === 'string' ? request : JSON.stringify(request))));
}

const create = (changes: object = {}): object => ({
  create: { parameters: [lr], objectives: [loss], sampler: 'random', scheduler: 'none', seed: 1, ...changes },
});
const ask = (n = 1): object => ({ ask: { n } });
const report = (number: number, step: number, value: unknown): object => ({ report: { number, step, values: { loss: value } } });
const tell = (number: number, state: string, values: object = {}): object => ({ tell: { number, state, values } });
const best = { best: {} };
const ok = { ok: true };
const none = { trials: [], reason: expect.any(String) };
const error = (code: string): unknown => ({ error: { code, message: expect.any(String) } });
const trial = (number: number, changes: object = {}): unknown => ({
  number,
  params: { lr: expect.any(Number) },
  resource: null,
  resume: false,
  reason: expect.any(String),
  ...changes,
});

describe('a conversation', () => {
  test.each<[string, readonly [unknown, unknown][]]>([
    [
      'one trial at a time, and the best of them',
      [
        [create(), ok],
        [best, error('HPO-4506')],
        [{ ask: {} }, { trials: [trial(0)] }],
        [tell(0, 'complete', { loss: 2 }), ok],
        [ask(), { trials: [trial(1)] }],
        [report(1, 1, 1.5), { decision: 'continue' }],
        [report(1, 2, 1), { decision: 'continue' }],
        [tell(1, 'complete'), ok],
        [best, { number: 1, params: { lr: expect.any(Number) }, values: { loss: 1 } }],
      ],
    ],
    [
      'many at once, more than run in parallel, until the budget is used',
      [
        [create({ maxTrials: 5, parallel: 2 }), ok],
        [ask(3), { trials: [trial(0), trial(1), trial(2)] }],
        [ask(3), { trials: [trial(3), trial(4)] }],
        [ask(3), none],
        [tell(4, 'complete', { loss: 1 }), ok],
        [ask(3), none],
      ],
    ],
    [
      'every state is recorded as it is told, and only complete trials are best',
      [
        [create(), ok],
        [ask(5), { trials: [0, 1, 2, 3, 4].map((number) => trial(number)) }],
        [tell(0, 'failed'), ok],
        [tell(1, 'infeasible', { loss: -1 }), ok],
        [tell(2, 'pruned', { loss: -2 }), ok],
        [tell(3, 'complete', { loss: 'nan' }), ok],
        [best, error('HPO-4506')],
        [tell(4, 'complete', { loss: 'inf' }), ok],
        [best, error('HPO-4506')],
        [tell(4, 'complete', { loss: 1 }), error('HPO-4504')],
        [tell(0, 'complete', { loss: 1 }), error('HPO-4504')],
        [report(1, 1, 1), error('HPO-4504')],
        [tell(5, 'complete', { loss: 1 }), error('HPO-4503')],
        [report(5, 1, 1), error('HPO-4503')],
      ],
    ],
    [
      'failures, however many, end nothing',
      [
        [create(), ok],
        [ask(4), { trials: [0, 1, 2, 3].map((number) => trial(number)) }],
        ...[0, 1, 2, 3].map((number): [unknown, unknown] => [tell(number, 'failed'), ok]),
        [ask(), { trials: [trial(4)] }],
      ],
    ],
    [
      'a complete trial needs its objective; nothing has changed where it lacks one',
      [
        [create(), ok],
        [ask(), { trials: [trial(0)] }],
        [tell(0, 'complete', { accuracy: 1 }), error('HPO-4505')],
        [tell(0, 'complete', { loss: 3, accuracy: 1 }), ok],
        // Of the values those of objectives and constraints are kept.
        [best, { number: 0, params: { lr: expect.any(Number) }, values: { loss: 3 } }],
      ],
    ],
    [
      'defaults for all parameters are trial 0, without the inactive ones',
      [
        [
          create({
            parameters: [
              { ...lr, default: 0.01 },
              { ...kind, default: 'a' },
              { ...momentum, default: 0.9 },
            ],
          }),
          ok,
        ],
        [ask(), { trials: [trial(0, { params: { lr: 0.01, kind: 'a' } })] }],
      ],
    ],
    [
      'a measured constraint makes a complete trial infeasible',
      [
        [create({ constraints: ['size < 10'] }), ok],
        [ask(2), { trials: [trial(0), trial(1)] }],
        [tell(0, 'complete', { loss: 1 }), error('HPO-4505')],
        [tell(0, 'complete', { loss: 1, size: 11 }), ok],
        [tell(1, 'complete', { loss: 2, size: 9 }), ok],
        [best, { number: 1, params: { lr: expect.any(Number) }, values: { loss: 2, size: 9 } }],
      ],
    ],
    [
      'several objectives have a front',
      [
        [create({ objectives: [loss, size] }), ok],
        [ask(4), { trials: [0, 1, 2, 3].map((number) => trial(number)) }],
        [tell(0, 'complete', { loss: 1, size: 5 }), ok],
        [tell(1, 'complete', { loss: 2, size: 5 }), ok],
        [tell(2, 'complete', { loss: 0, size: 7 }), ok],
        [tell(3, 'complete', { loss: 9, size: 'nan' }), ok],
        [
          best,
          expect.objectContaining({
            number: 2,
            values: { loss: 0, size: 7 },
            front: [expect.objectContaining({ number: 2 }), expect.objectContaining({ number: 0 })],
          }),
        ],
      ],
    ],
    [
      'a scheduler stops; what is told after that counts',
      [
        [create({ scheduler: 'asha-stop', fidelity: { min: 1, max: 9 } }), ok],
        [ask(4), { trials: [0, 1, 2, 3].map((number) => trial(number, { resource: 9 })) }],
        [report(0, 1, 1), { decision: 'continue' }],
        [report(1, 1, 2), { decision: 'continue' }],
        [report(2, 1, 3), { decision: 'stop' }],
        [report(2, 2, 0), { decision: 'stop' }],
        [tell(2, 'pruned'), ok],
        [report(3, 1, 'nan'), { decision: 'stop' }],
        [tell(3, 'complete', { loss: 7 }), ok],
        [best, { number: 3, params: { lr: expect.any(Number) }, values: { loss: 7 } }],
      ],
    ],
    [
      'a scheduler pauses, waits for results, and goes on with the best',
      [
        [create({ scheduler: 'asha-promote', fidelity: { min: 1, max: 9 }, maxTrials: 3, hasCheckpoint: true }), ok],
        [ask(9), { trials: [0, 1, 2].map((number) => trial(number, { resource: 1 })) }],
        [ask(9), none],
        [report(0, 1, 3), { decision: 'pause' }],
        [report(1, 1, 1), { decision: 'pause' }],
        [report(1, 1, 1), { decision: 'pause' }],
        [ask(9), none],
        // Told without reports: it did what it was asked for, which is not the whole training.
        [tell(2, 'complete', { loss: 2 }), ok],
        [ask(9), { trials: [trial(1, { resource: 3, resume: true })] }],
        [tell(0, 'failed'), ok],
        [tell(0, 'failed'), error('HPO-4504')],
        [report(1, 2, 1), { decision: 'continue' }],
        [report(1, 3, 1), { decision: 'pause' }],
        [tell(1, 'complete'), ok],
        [ask(9), { trials: [trial(1, { resource: 9, resume: true })] }],
        [tell(1, 'complete', { loss: 0.5 }), ok],
        [best, { number: 1, params: { lr: expect.any(Number) }, values: { loss: 0.5 } }],
        [ask(9), none],
      ],
    ],
    [
      'a second study replaces the first',
      [
        [create(), ok],
        [ask(2), { trials: [trial(0), trial(1)] }],
        [create({ parameters: [kind] }), ok],
        [ask(), { trials: [trial(0, { params: { kind: expect.any(String) } })] }],
      ],
    ],
  ])('%s', (_, lines) => {
    const answers = talk(...lines.map(([request]) => request));
    expect(answers).toEqual(lines.map(([, answer]) => answer));
  });
});

describe('bad lines', () => {
  test.each<[unknown, string, RegExp]>([
    ['', 'HPO-4501', /not JSON/],
    ['{"ask": {"n": NaN}}', 'HPO-4501', /not JSON.*"nan"/],
    ['[]', 'HPO-4501', /an object with one field/],
    ['null', 'HPO-4501', /an object with one field/],
    ['{}', 'HPO-4501', /an object with one field/],
    [{ ask: {}, best: {} }, 'HPO-4501', /an object with one field/],
    [{ quit: {} }, 'HPO-4501', /no request "quit"/],
    [{ ask: { n: 0 } }, 'HPO-4501', /ask\.n/],
    [{ report: { number: 0, step: 1, values: { loss: null } } }, 'HPO-4501', /report\.values\.loss/],
    [{ tell: { number: 0, state: 'done' } }, 'HPO-4501', /tell\.state/],
    [create({ max_trials: 3 }), 'HPO-4501', /max_trials/],
    [create({ objectives: [] }), 'HPO-4501', /create\.objectives/],
    [create({ objectives: [loss, { ...loss, direction: 'max' }] }), 'HPO-4501', /two objectives have one metric/],
    [create({ fidelity: { min: 9, max: 1 } }), 'HPO-4501', /min is above max/],
    [create({ parameters: [{ name: 'x', distribution: { type: 'float', low: 2, high: 1 } }] }), 'HPO-4101', /x/],
    [create({ where: ['lr <'] }), 'HPO-4102', /where/],
    [create({ constraints: ['size <'] }), 'HPO-4203', /size/],
    [create({ scheduler: 'asha-stop' }), 'HPO-4202', /resource/],
    [best, 'HPO-4502', /create/],
    [tell(0, 'failed'), 'HPO-4502', /create/],
  ])('%j', (line, code, message) => {
    const [answer] = talk(line);
    expect(answer).toEqual({ error: { code, message: expect.stringMatching(message) } });
  });

  test('the study lives on after a bad line, also one that would have created another', () => {
    const [, , , trials] = talk(create(), 'oops', create({ sampler: 'best' }), ask());
    expect(trials).toEqual({ trials: [trial(0)] });
  });
});

test('what hpo space --json prints can be created', () => {
  const printed = {
    parameters: [
      {
        ...lr,
        distribution: { ...lr.distribution, revlog: false, step: null },
        default: 1e-3,
        when: null,
        sink: { type: 'literal' },
        site: { file: 'train.py', line: 1, column: 6 },
      },
    ],
    objectives: [loss],
    fidelity: { name: 'epochs', min: 1, max: 9, reductionFactor: 3 },
    hash: 'abc',
    diagnostics: [],
  };
  expect(talk({ create: printed }, ask())).toEqual([ok, { trials: [trial(0, { params: { lr: 1e-3 }, resource: 9 })] }]);
});

test.each(['random', 'tpe'])('1,000 trials of %s, the same in every session', (sampler) => {
  const run = (nTrials: number): string[] => {
    const session = new ServeSession();
    session.answer(JSON.stringify(create({ parameters: [lr, kind, momentum], sampler, seed: 3 })));
    return Array.from({ length: nTrials }, (_, number) => {
      const answer = session.answer('{"ask":{"n":1}}');
      const [asked] = (JSON.parse(answer) as { trials: { number: number; params: { lr: number } }[] }).trials;
      expect(asked?.number).toBe(number);
      session.answer(JSON.stringify(tell(number, 'complete', { loss: Math.log(asked?.params.lr ?? NaN) ** 2 })));
      return answer;
    });
  };
  expect(run(1_000).slice(0, 100)).toEqual(run(100));
});

interface Answer {
  readonly trials: { number: number; parent?: number; resume: boolean; resource: number; params: { lr: number } }[];
  readonly decision: string;
}

test('in batches the same is asked for, whoever is told of first', () => {
  const play = (order: (numbers: number[]) => number[]) => {
    const session = new ServeSession();
    const say = (request: object): Answer => JSON.parse(session.answer(JSON.stringify(request))) as Answer;
    expect(say(create({ sampler: 'tpe', batch: 3, maxTrials: 11, seed: 4 }))).toEqual(ok);
    const asked: unknown[] = [];
    for (;;) {
      const { trials } = say(ask(8));
      if (trials.length === 0) return asked;
      expect(trials.length).toBeLessThanOrEqual(3);
      asked.push(trials);
      for (const number of order(trials.map((each) => each.number)))
        say({
          tell: { number, state: 'complete', values: { loss: trials.find((each) => each.number === number)?.params.lr } },
        });
    }
  };
  const forth = play((numbers) => numbers);
  expect(forth.map((trials) => (trials as unknown[]).length)).toEqual([3, 3, 3, 2]);
  expect(play((numbers) => numbers.toReversed())).toEqual(forth);
});

test('a fork of population-based training names the trial whose checkpoint it begins with', () => {
  const session = new ServeSession();
  const say = (request: object): Answer => JSON.parse(session.answer(JSON.stringify(request))) as Answer;
  const fidelity = { min: 1, max: 8, reductionFactor: 2 };
  expect(say(create({ scheduler: 'pbt', fidelity, hasCheckpoint: true, parallel: 6, maxTrials: 24 }))).toEqual(ok);
  const forks: Answer['trials'] = [];
  const reached = new Map<number, number>();
  for (let round = 0; round < 40; round++) {
    for (const asked of say(ask(6)).trials) {
      if (asked.parent !== undefined) forks.push(asked);
      const from = reached.get(asked.parent ?? asked.number) ?? 0;
      expect(asked.resource).toBeGreaterThan(from);
      for (let step = from + 1; step <= asked.resource; step++) {
        reached.set(asked.number, step);
        const { decision } = say(report(asked.number, step, asked.params.lr));
        if (decision === 'stop') say(tell(asked.number, 'pruned'));
        if (decision !== 'continue') break;
        if (step === 8) say(tell(asked.number, 'complete'));
      }
    }
  }
  expect(forks.length).toBeGreaterThan(0);
  for (const { number, parent = number, resume } of forks) expect([parent < number, resume]).toEqual([true, false]);
});
