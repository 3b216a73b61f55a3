import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * How many CPUs this process may keep busy, at least 1: those of its affinity mask, and no more than the whole CPUs that
 * a quota on its control group allows, so that a container with `--cpus=2` on a large machine counts 2.
 */
export function cpuCount(system: CpuSystem = { root: '/', available: availableParallelism() }): number {
  const quota = Math.min(quotaV2(system.root), quotaV1(system.root));
  return Math.max(1, Math.min(system.available, Math.floor(quota)));
}

export interface CpuSystem {
  /** Where `/proc` and `/sys` are found. */
  readonly root: string;
  /** CPUs by affinity. */
  readonly available: number;
}

/** Control groups version 2: the tightest `cpu.max` from our group up to the root. Infinity without one. */
function quotaV2(root: string): number {
  const group = ownGroup(root, (line) => line.startsWith('0::'));
  let quota = Infinity;
  for (const folder of upwards(group)) {
    const [limit, period] = read(join(root, 'sys/fs/cgroup', folder, 'cpu.max'))
      .split(/\s+/)
      .map(Number);
    quota = Math.min(quota, ratio(limit, period));
  }
  return quota;
}

/** Control groups version 1, of which a container may see its own group mounted as the root. */
function quotaV1(root: string): number {
  const group = ownGroup(root, (line) => /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:/.test(line));
  let quota = Infinity;
  for (const mount of ['cpu', 'cpu,cpuacct']) {
    for (const folder of upwards(group)) {
      const path = join(root, 'sys/fs/cgroup', mount, folder);
      quota = Math.min(quota, ratio(Number(read(join(path, 'cpu.cfs_quota_us'))), Number(read(join(path, 'cpu.cfs_period_us')))));
    }
  }
  return quota;
}

/** "max" (NaN), -1 and a missing file are no limit. */
function ratio(limit: number | undefined, period: number | undefined): number {
  return limit !== undefined && period !== undefined && limit > 0 && period > 0 ? limit / period : Infinity;
}

function ownGroup(root: string, isOurs: (line: string) => boolean): string {
  const line = read(join(root, 'proc/self/cgroup')).split('\n').find(isOurs);
  return line?.split(':').slice(2).join(':') ?? '/';
}

function upwards(path: string): string[] {
  return path === '/' || path === '.' || path === '' ? ['/'] : [path, ...upwards(dirname(path))];
}

/** Empty where there is no such file, as on macOS and Windows. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
