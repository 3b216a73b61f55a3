import { join } from 'node:path';
import type { Plugin } from 'vite';
import { type Mutant, mutants, type Place } from './mutants.ts';

/** Name of the mutant that the run is made with; none when it is not there. */
export const mutantVariable = 'HPO_TEST_MUTANT';

export function placesOf(mutant: Mutant): readonly Place[] {
  return [mutant, ...(mutant.also ?? [])];
}

/** The text with the bug in it. Throws where the place of the bug is not there exactly once. */
export function mutate({ file, find, replace }: Place, text: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`a mutant is stale: its text stands ${parts.length - 1} times in ${file}`);
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
    transform: (code, id) => {
      const place = mutant === undefined ? undefined : placesOf(mutant).find(({ file }) => id === join(root, file));
      return place === undefined ? null : mutate(place, code);
    },
  };
}
