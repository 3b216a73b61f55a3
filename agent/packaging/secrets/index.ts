import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';
import type { Diagnostic } from '../../protocol/space.ts';
import { forEachLimited } from '../forEachLimited.ts';
import { allowMark, type FoundSecret, scanSecrets } from './scan.ts';

export { allowMark, type FoundSecret, scanSecrets } from './scan.ts';

/** As many are told; who has more sees the rest when these are gone. */
const maxTold = 10;

/**
 * Throws HPO-2440 where a file holds what looks like a secret, with file and line of each and nothing of the secret itself. `purpose`
 * says what the files were to be: `stored`, `built into an image`.
 */
export async function refuseSecrets(
  files: readonly { readonly path: string; readonly content: Uint8Array }[],
  purpose: string,
): Promise<void> {
  const found = new Map<string, readonly FoundSecret[]>();
  for (const { path, content } of files) {
    const inFile = await scanSecrets(path, content);
    if (inFile.length > 0) found.set(path, inFile);
  }
  if (found.size > 0) throw secretsError(found, purpose);
}

/** The same of files on the disk, as faults of a project that is only looked at; paths are relative to `root`. */
export async function secretDiagnostics(root: string, paths: readonly string[]): Promise<readonly Diagnostic[]> {
  const found: Diagnostic[] = [];
  await forEachLimited(
    paths,
    async (file) => {
      const content = await readFile(join(root, file)).catch(() => null);
      if (content === null) return;
      for (const { line, what, masked } of await scanSecrets(file, content)) {
        found.push({
          code: 'HPO-2440',
          severity: 'error',
          message: `what looks like a secret is not stored: ${what}: ${masked}; ${wayOn}`,
          file,
          line,
          column: 1,
          endLine: line,
          endColumn: 1,
          fix: null,
        });
      }
    },
    16,
  );
  return found.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

const wayOn = `take it out of the file, or leave the file out by a line in .hpoignore; a program gets secrets as variables, in containers by # @hpo.secret NAME. If it is none, write "${allowMark}" in a comment on that line`;

export function secretsError(found: ReadonlyMap<string, readonly FoundSecret[]>, purpose: string): HpoError {
  const lines = [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([path, inFile]) => inFile.map(({ line, what, masked }) => `${path}:${line} ${what}: ${masked}`));
  const rest = lines.length > maxTold ? [`and ${lines.length - maxTold} more`] : [];
  return new HpoError(
    'HPO-2440',
    `what looks like a secret is not ${purpose}:\n${[...lines.slice(0, maxTold), ...rest].join('\n')}`,
    wayOn,
  );
}
