import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** What the evaluations themselves say they did, whoever heard of it. */
export class Ledger {
  constructor(path) {
    this.path = path;
  }

  /** `{ phase: 'begun' | 'done', pid, point }`, in order. */
  lines() {
    let text = '';
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  count(phase) {
    return this.lines().filter((line) => line.phase === phase).length;
  }

  /** Resolves with true once there are `n` lines of a phase; with false after `timeoutMs`, or once `isInVain` says so. */
  async reaches(phase, n, timeoutMs, isInVain = () => false) {
    const deadline = performance.now() + timeoutMs;
    while (this.count(phase) < n) {
      if (performance.now() > deadline || isInVain()) return false;
      await delay(20);
    }
    return true;
  }
}

export function keyOf(point) {
  return JSON.stringify(point);
}
