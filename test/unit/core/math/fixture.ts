import { readFileSync } from 'node:fs';

/** Reference values that test/fixtures/math/generate.py wrote; the caller knows their shape. */
export function readFixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../fixtures/math/${name}.json`, import.meta.url), 'utf8')) as T;
}
