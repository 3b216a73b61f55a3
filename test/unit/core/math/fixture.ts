import { readFileSync } from 'node:fs';

/** Reference values that test/fixtures/math/generate.py wrote; whoever reads them knows their shape. */
export function readFixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../fixtures/math/${name}.json`, import.meta.url), 'utf8'));
}
