import { describe, expect, test } from 'vitest';
import { evaluateMarker, missingRequirements, parseRequirement } from '../../../agent/packaging/environment/requirement.ts';

describe('requirement lines', () => {
  const cases: readonly (readonly [line: string, expected: string | null])[] = [
    ['numpy', 'numpy||'],
    ['Scikit_Learn >= 1.4 , < 2  # why', 'scikit-learn|>=1.4,<2|'],
    ['torch[cuda]==2.1.0 ; sys_platform == "linux"', 'torch|==2.1.0|sys_platform == "linux"'],
    ['zope.interface(>=5)', 'zope-interface|>=5|'],
    ['six==1.16 --hash=sha256:aa --hash=sha256:bb', 'six|==1.16|'],
    ['pkg @ git+https://example.com/pkg.git@main ; python_version > "3"', 'pkg||python_version > "3"'],
    ['six;python_version<"3"', 'six||python_version<"3"'],
    ['', null],
    ['# note', null],
    ['-e .', null],
    ['--index-url https://example.com', null],
    ['./local', null],
    ['https://example.com/a.whl', null],
    ['a b', null],
    ['a = 1', null],
  ];
  test.each(cases)('%s', (line, expected) => {
    const parsed = parseRequirement(line);
    expect(parsed && [parsed.name, parsed.specifiers, parsed.marker].join('|')).toBe(expected);
  });
});

const variables = {
  python_version: '3.11',
  python_full_version: '3.11.7',
  sys_platform: 'linux',
  platform_machine: 'x86_64',
  os_name: 'posix',
};

describe('markers', () => {
  const cases: readonly (readonly [marker: string, expected: boolean | null])[] = [
    ['python_version < "3.9"', false],
    ['python_version >= "3.9"', true],
    ["python_version == '3.*'", true],
    ['"3.9" <= python_version', true],
    ['python_full_version ~= "3.11.2"', true],
    ['sys_platform == "win32" or os_name == "posix"', true],
    ['sys_platform == "win32" and os_name == "posix"', false],
    ['os_name == "nt" and os_name == "nt" or sys_platform == "linux"', true],
    ['os_name == "nt" and (os_name == "nt" or sys_platform == "linux")', false],
    ['platform_machine in "x86_64 aarch64"', true],
    ['platform_machine not in "x86_64 aarch64"', false],
    ['extra == "dev"', false],
    ['unknown == "1"', null],
    ['python_version <', null],
    ['(python_version < "3"', null],
    ['python_version < "3")', null],
    ['and', null],
  ];
  test.each(cases)('%s: %s', (marker, expected) => {
    expect(evaluateMarker(marker, variables)).toBe(expected);
  });
});

test('what is missing', () => {
  const lines = [
    'numpy>=2',
    'scipy<1',
    'six',
    'colorama; sys_platform == "win32"',
    'tomli; unknown == "1"',
    'torch>=2',
    'odd>=1',
  ];
  const requirements = lines.map((line) => parseRequirement(line)).filter((requirement) => requirement !== null);
  const missing = missingRequirements(
    requirements,
    { numpy: '2.1', scipy: '1.2', torch: '2.1.0+cu121', odd: 'unknown' },
    variables,
  );
  expect(missing.map((requirement) => requirement.text)).toEqual(['scipy<1', 'six']);
});
