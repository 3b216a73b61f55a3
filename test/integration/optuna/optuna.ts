import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pythonEnv } from '../../support/python.ts';

/** The Python with the real Optuna and its dashboard. */
export function optunaPython(): Promise<string> {
  return pythonEnv('optuna', ['optuna==5.0.0', 'optuna-dashboard==0.21.0']);
}

/** Runs one of the scripts beside this file and parses what it prints. */
export async function runScript<T>(script: string, args: readonly string[]): Promise<T> {
  const python = await optunaPython();
  const path = join(import.meta.dirname, script);
  const { stdout } = await promisify(execFile)(python, ['-W', 'ignore', path, ...args], { maxBuffer: 64 << 20 });
  const result: T = stdout === '' ? null : JSON.parse(stdout);
  return result;
}

export interface OptunaStudy {
  readonly studies: readonly string[];
  readonly directions: readonly string[];
  readonly metricNames: readonly string[] | null;
  readonly userAttributes: Readonly<Record<string, unknown>>;
  readonly best: number | null;
  readonly trials: readonly OptunaTrial[];
}

export interface OptunaTrial {
  readonly number: number;
  readonly state: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly distributions: Readonly<Record<string, unknown>>;
  readonly values: readonly (number | string)[] | null;
  readonly intermediate: Readonly<Record<string, number | string>>;
  /** Milliseconds since the epoch. */
  readonly start: number | null;
  readonly complete: number | null;
  readonly userAttributes: Readonly<Record<string, unknown>>;
  readonly constraints: readonly number[];
}
