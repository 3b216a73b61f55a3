import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { mutate, mutantVariable, placesOf } from './mutantPlugin.ts';
import { type Killer, mutants } from './mutants.ts';

const root = join(import.meta.dirname, '..', '..');
const temporary = mkdtempSync(join(tmpdir(), 'hpo-mutation-'));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

interface TestResult {
  readonly file: string;
  /** The names of its groups and its own. */
  readonly name: string;
  readonly status: string;
  readonly messages: readonly string[];
}

/** Runs the named tests, on a product with the bug where one is named. Files that could not even be loaded have no tests in the result. */
async function run(killers: readonly Killer[], mutant: string | null): Promise<readonly TestResult[]> {
  const report = join(temporary, `${crypto.randomUUID()}.json`);
  const pattern = killers.map(({ test: name }) => `${name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`).join('|');
  const files = [...new Set(killers.map(({ file }) => file))];
  const args = ['run', '--config', 'test/mutation/vitest.config.ts', ...files, '--testNamePattern', pattern];
  const said = await execute([...args, '--reporter=json', `--outputFile=${report}`], mutant);
  let parsed: Report;
  try {
    parsed = JSON.parse(readFileSync(report, 'utf8')); // vitest's own report
  } catch {
    throw new Error(`no report was written: ${said.slice(-2000)}`);
  }
  return parsed.testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status !== 'pending' && status !== 'skipped')
      .map(({ fullName: name, status, failureMessages: messages }) => ({ file, name, status, messages })),
  );
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

function execute(args: readonly string[], mutant: string | null): Promise<string> {
  const env = { ...process.env, NO_COLOR: '1', ...(mutant === null ? {} : { [mutantVariable]: mutant }) };
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  return new Promise((resolve) => {
    execFile(process.execPath, [vitest, ...args], { cwd: root, env, maxBuffer: 64 << 20 }, (_error, stdout, stderr) =>
      resolve(`${stdout}${stderr}`),
    );
  });
}

const resultsOf = (results: readonly TestResult[], killer: Killer): readonly TestResult[] =>
  results.filter(({ file, name }) => file === join(root, killer.file) && name.endsWith(killer.test));

/** An expectation that does not hold: not an exception, not a text that cannot be read, not a time-out. */
const isByExpectation = ({ messages }: TestResult): boolean =>
  messages.some((message) => /AssertionError|promise resolved .* instead of rejecting/.test(message));

describe('the deliberate bugs', () => {
  test('have names of their own, and places that are there', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    for (const mutant of mutants) {
      for (const place of placesOf(mutant)) {
        const text = readFileSync(join(root, place.file), 'utf8');
        expect(mutate(place, text)).not.toBe(text);
      }
      expect(mutant.caughtBy).not.toEqual([]);
    }
  });

  test('are not there by default: the tests that find them pass', async () => {
    const killers = mutants.flatMap(({ caughtBy }) => caughtBy);
    const results = await run(killers, null);
    for (const killer of killers) {
      expect(
        resultsOf(results, killer).map(({ status }) => status),
        killer.test,
      ).toContain('passed');
    }
    expect(results.filter(({ status }) => status !== 'passed')).toEqual([]);
  });
});

describe.concurrent('a product that', () => {
  test.each(mutants)('$name is found', async ({ name, caughtBy }) => {
    const results = await run(caughtBy, name);
    for (const killer of caughtBy) {
      const found = resultsOf(results, killer).filter(isByExpectation);
      expect(
        found.map(({ status }) => status),
        `${killer.file}: ${killer.test}`,
      ).toContain('failed');
    }
  });
});
