import { join } from 'node:path';
import type { Plugin } from 'vite';
import { type Mutant, mutants } from './mutants.ts';

/** Name of the mutant that the run is made with; none when it is not there. */
export const mutantVariable = 'HPO_TEST_MUTANT';

/** The text with the bug in it. Throws where the place of the bug is not there exactly once. */
export function mutate({ name, file, find, replace }: Mutant, text: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`the mutant "${name}" is stale: its text stands ${parts.length - 1} times in ${file}`);
  return parts.join(replace);
}

/** Puts the bug into its file as it is loaded; the file itself stays as it is. */
export function mutantPlugin(root: string): Plugin {
  const name = process.env[mutantVariable];
  const mutant = mutants.find((each) => each.name === name);
  if (name !== undefined && mutant === undefined) throw new Error(`there is no mutant "${name}"`);
  return {
    name: 'mutant',
    enforce: 'pre',
    transform: (code, id) => (mutant !== undefined && id === join(root, mutant.file) ? mutate(mutant, code) : null),
  };
}
