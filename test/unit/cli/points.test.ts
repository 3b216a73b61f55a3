import { expect, test } from 'vitest';
import { pointOf, pointOfWords } from '../../../agent/cli/points.ts';
import { decodeParams } from '../../../agent/protocol/decoders.ts';
import type { Params } from '../../../agent/protocol/space.ts';

test.each<[string, Params]>([
  ['lr=1e-3 momentum=0.9', { lr: 0.001, momentum: 0.9 }],
  ['  lr=.5\tn=-3 ', { lr: 0.5, n: -3 }],
  ['a=+1 b=1_000', { a: 1, b: '1_000' }],
  ['kind=adam flag=true none=null', { kind: 'adam', flag: true, none: null }],
  ['kind="3" n=3', { kind: '3', n: 3 }],
  ['flag=True', { flag: 'True' }],
  ['betas=[0.9, 0.999] lr=1', { betas: [0.9, 0.999], lr: 1 }],
  ['name=two words lr=1', { name: 'two words', lr: 1 }],
  ['expression=a=b', { expression: 'a=b' }],
  ['empty=', { empty: '' }],
  ['object={"a":1}', { object: '{"a":1}' }],
])('%s', (text, point) => {
  expect(pointOf(text)).toEqual(point);
  const command = { type: 'enqueue', params: point } as const;
  expect(decodeParams('study/command', { studyId: 's', command })).toEqual({ studyId: 's', command });
});

test.each(['', 'lr', '=3', 'lr=1 lr=2', 'a b=3'])('"%s" is none', (text) => {
  expect(() => pointOf(text)).toThrow(expect.objectContaining({ code: 'HPO-4029', exitCode: 2 }));
});

test('words of the command line may hold what they like', () => {
  expect(pointOfWords(['name=b=c d=e'])).toEqual({ name: 'b=c d=e' });
});
