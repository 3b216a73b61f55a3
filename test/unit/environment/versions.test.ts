import { describe, expect, test } from 'vitest';
import { compareVersions, satisfies } from '../../../agent/packaging/environment/versions.ts';

describe('the order of versions', () => {
  /** From PEP 440, "Summary of permitted suffixes and relative ordering". */
  const ascending = [
    '1.dev0',
    '1.0.dev456',
    '1.0a1',
    '1.0a2.dev456',
    '1.0a12.dev456',
    '1.0a12',
    '1.0b1.dev456',
    '1.0b2',
    '1.0b2.post345.dev456',
    '1.0b2.post345',
    '1.0rc1.dev456',
    '1.0rc1',
    '1.0',
    '1.0.post456.dev34',
    '1.0.post456',
    '1.0.15',
    '1.1.dev1',
    '1.10',
    '2024.1',
    '1!0.1',
  ];
  test('every version is less than all that follow', () => {
    for (const [index, version] of ascending.entries()) {
      for (const [other, later] of ascending.entries())
        expect([version, later, Math.sign(compareVersions(version, later) ?? NaN)]).toEqual([
          version,
          later,
          Math.sign(index - other),
        ]);
    }
  });

  test.each([
    ['1.0', '1'],
    ['1.0', 'v1.0.0'],
    ['1.0-1', '1.0.post1'],
    ['1.0ALPHA1', '1.0a1'],
    ['1.0-preview_2', '1.0rc2'],
    ['2.1.0+cu121', '2.1'],
  ])('%s equals %s', (left, right) => {
    expect(compareVersions(left, right)).toBe(0);
  });

  test.each(['', 'x', '1..2', '1.0-'])('%s is no version', (text) => {
    expect(compareVersions(text, '1')).toBeNull();
  });
});

describe('specifiers', () => {
  const cases: readonly (readonly [version: string, specifiers: string, expected: boolean | null])[] = [
    ['1.4', '>=1.4', true],
    ['1.4', '>1.4', false],
    ['1.10', '>=1.9', true],
    ['1.4', '>=1.2,<2,!=1.3', true],
    ['1.3', '>=1.2,<2,!=1.3', false],
    ['1.4.5', '==1.4.*', true],
    ['1.5', '==1.4.*', false],
    ['1.5', '!=1.4.*', true],
    ['1.4', '==1.4.0', true],
    ['2.2', '~=2.1', true],
    ['3.0', '~=2.1', false],
    ['2.1.9', '~=2.1.3', true],
    ['2.2.0', '~=2.1.3', false],
    ['2.1', '~=2', null],
    ['2.0rc1', '<2.0', false],
    ['2.0rc1', '<2.0rc2', true],
    ['2.0rc1', '>=1.0', true],
    ['1.7.post1', '>1.7', false],
    ['1.7.post1', '>=1.7', true],
    ['1.8', '>1.7', true],
    ['2.1.0+cu121', '==2.1.0', true],
    ['2.1.0+cu121', '==2.1.0+cu121', true],
    ['2.1.0+cu121', '==2.1.0+cpu', false],
    ['2.1.0+cu121', '!=2.1.0+cpu', true],
    ['1.0', '===1.0', true],
    ['1.0', '===1.0.0', false],
    ['1.0', '', true],
    ['nonsense', '>=1', null],
    ['1.0', '>=x', null],
    ['1.0', '=1', null],
  ];
  test.each(cases)('%s against "%s": %s', (version, specifiers, expected) => {
    expect(satisfies(version, specifiers)).toBe(expected);
  });
});
