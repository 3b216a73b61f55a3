import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { cpuCount } from '../../../agent/devices/cpuCount.ts';

const folder = mkdtempSync(join(tmpdir(), 'hpo-cpu-'));
afterAll(() => rmSync(folder, { recursive: true }));

const v1 = '5:memory:/a\n4:cpu,cpuacct:/docker/x\n0::/ignored\n';

const cases: readonly (readonly [what: string, available: number, files: Record<string, string>, expected: number])[] = [
  ['no control groups', 8, {}, 8],
  ['version 2 without a limit', 8, { 'proc/self/cgroup': '0::/a\n', 'sys/fs/cgroup/a/cpu.max': 'max 100000\n' }, 8],
  ['version 2, own group', 8, { 'proc/self/cgroup': '0::/a\n', 'sys/fs/cgroup/a/cpu.max': '200000 100000\n' }, 2],
  [
    'version 2, a group above',
    8,
    {
      'proc/self/cgroup': '0::/a/b/c\n',
      'sys/fs/cgroup/a/b/c/cpu.max': '400000 100000\n',
      'sys/fs/cgroup/a/cpu.max': '300000 100000\n',
    },
    3,
  ],
  ['version 2, seen from inside a container', 8, { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '150000 100000\n' }, 1],
  ['a fraction of a CPU', 8, { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '50000 100000\n' }, 1],
  ['more quota than CPUs', 4, { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '900000 100000\n' }, 4],
  [
    'version 1, own group',
    8,
    {
      'proc/self/cgroup': v1,
      'sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us': '250000\n',
      'sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us': '100000\n',
    },
    2,
  ],
  [
    'version 1, mounted as the root',
    8,
    {
      'proc/self/cgroup': v1,
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '300000\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    },
    3,
  ],
  [
    'version 1 without a limit',
    8,
    { 'proc/self/cgroup': v1, 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n', 'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n' },
    8,
  ],
];

describe('CPUs that may be kept busy', () => {
  test.each(cases)('%s', (what, available, files, expected) => {
    const root = join(folder, what.replaceAll(' ', '-'));
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    expect(cpuCount({ root, available })).toBe(expected);
  });

  test('this machine', () => {
    expect(cpuCount()).toBeGreaterThanOrEqual(1);
    expect(cpuCount()).toBeLessThanOrEqual(availableParallelism());
  });
});
