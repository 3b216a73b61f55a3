import { describe, expect, test } from 'vitest';
import { canonicalJson, type Hashable, hashSpec, hashText } from '../../../../agent/core/space/canonical.ts';
import { choice, float, int, ordinal, parameter, searchSpace } from './builders.ts';

test.each<[unknown, string]>([
  [{ b: 1, a: [true, null, 'x"'] }, '{"a":[true,null,"x\\""],"b":1}'],
  [{ a: undefined, b: -0 }, '{"b":0}'],
  [[NaN, Infinity, -Infinity], '[NaN,Infinity,-Infinity]'],
  [1e-7, '1e-7'],
])('canonicalJson %j', (value, text) => expect(canonicalJson(value)).toBe(text));

// FIPS 180-2, appendix B.
test.each([
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
])('hashText %j', (text, hash) => expect(hashText(text)).toBe(hash));

const base: Hashable = {
  space: searchSpace(
    [
      parameter('lr', float(1e-5, 0.1, { log: true }), { default: 0.01 }),
      parameter('opt', choice('a', 'b')),
      parameter('n', int(1, 8), { when: 'opt == "a"' }),
    ],
    ['lr < 0.05', 'n != 3'],
  ),
  objectives: [{ metric: 'loss', direction: 'min', goal: null }],
  constraints: ['latency <= 20'],
  fidelity: {
    name: 'epochs',
    min: 1,
    max: 81,
    reductionFactor: 3,
    default: 81,
    sink: { type: 'literal' },
    site: { file: 'a.py', line: 1, column: 1 },
    literal: null,
  },
};
const change = (edit: Partial<Hashable>): Hashable => ({ ...base, ...edit });

describe('equal searches hash equally', () => {
  test.each<[string, Hashable]>([
    ['order of parameters', change({ space: { ...base.space, parameters: base.space.parameters.toReversed() } })],
    ['order of where', change({ space: { ...base.space, where: base.space.where.toReversed() } })],
    ['spacing', change({ constraints: ['(latency<=20)'] })],
    [
      'site',
      change({
        space: {
          ...base.space,
          parameters: base.space.parameters.map((p) => ({ ...p, site: { file: 'b.py', line: 9, column: 9 } })),
        },
      }),
    ],
    [
      'default',
      change({
        space: { ...base.space, parameters: base.space.parameters.map((p) => ({ ...p, default: p.name === 'lr' ? 0.02 : 'a' })) },
      }),
    ],
    [
      'order of choices',
      change({
        space: {
          ...base.space,
          parameters: base.space.parameters.map((p) => (p.name === 'opt' ? parameter('opt', choice('b', 'a')) : p)),
        },
      }),
    ],
    [
      'step one of an int',
      change({
        space: {
          ...base.space,
          parameters: base.space.parameters.map((p) =>
            p.name === 'n' ? parameter('n', int(1, 8, { step: 1 }), { when: 'opt=="a"' }) : p,
          ),
        },
      }),
    ],
  ])('%s', (_, spec) => expect(hashSpec(spec)).toBe(hashSpec(base)));
});

describe('different searches hash differently', () => {
  const withParameter = (distribution = float(1e-5, 0.1, { log: true }), when?: string): Hashable =>
    change({
      space: {
        ...base.space,
        parameters: [parameter('lr', distribution, when === undefined ? {} : { when }), ...base.space.parameters.slice(1)],
      },
    });
  test.each<[string, Hashable]>([
    ['range', withParameter(float(1e-5, 0.2, { log: true }))],
    ['log', withParameter(float(1e-5, 0.1))],
    ['type', withParameter(ordinal(1e-5, 0.1))],
    ['when', withParameter(undefined, 'opt == "b"')],
    ['where', change({ space: { ...base.space, where: ['lr < 0.05'] } })],
    ['direction', change({ objectives: [{ metric: 'loss', direction: 'max', goal: null }] })],
    ['constraint', change({ constraints: [] })],
    ['fidelity', change({ fidelity: null })],
  ])('%s', (_, spec) => expect(hashSpec(spec)).not.toBe(hashSpec(base)));
});
