import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { Hpo } from './hpo.ts';

/** Programs in other languages, each described by its hpo.yml, and what they take to run. */
export const examples = [
  { name: 'node', tool: 'node', base: 'node', metric: 'val_loss' },
  { name: 'r', tool: 'Rscript', base: 'r', metric: 'loss' },
  { name: 'julia', tool: 'julia', base: 'julia', metric: 'val_loss' },
  { name: 'cpp', tool: 'c++', base: 'debian', metric: 'loss' },
  { name: 'rust', tool: 'rustc', base: 'debian', metric: 'loss' },
] as const;

/** Whether this machine itself can run the example. */
export function isRunnable({ tool }: (typeof examples)[number]): boolean {
  try {
    execFileSync(tool, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Copies the example into the project, as a user would. */
export function copyExample(hpo: Hpo, name: string): void {
  cpSync(join(import.meta.dirname, '..', '..', 'media', 'examples', name), hpo.project, { recursive: true });
}
