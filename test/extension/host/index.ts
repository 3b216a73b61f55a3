import { writeFileSync } from 'node:fs';
import { tests } from './tests.ts';

export interface HostResult {
  readonly name: string;
  /** Null when it passed. */
  readonly error: string | null;
  /** What was measured. */
  readonly note: string | null;
}

/** Runs inside of VS Code's extension host; writes what came out to the file that HPO_TEST_RESULTS names. */
export async function run(): Promise<void> {
  const results: HostResult[] = [];
  for (const [name, test] of tests) {
    try {
      const note = await test();
      results.push({ name, error: null, note: note ?? null });
    } catch (error) {
      results.push({ name, error: error instanceof Error ? (error.stack ?? error.message) : String(error), note: null });
    }
  }
  const file = process.env['HPO_TEST_RESULTS'];
  if (file !== undefined) writeFileSync(file, JSON.stringify(results));
  const failed = results.filter((result) => result.error !== null);
  for (const { name, error } of results) console.log(error === null ? `ok ${name}` : `not ok ${name}\n${error}`);
  if (failed.length > 0) throw new Error(`${failed.length} of ${results.length} tests failed`);
}
