import { HpoError } from '../../protocol/errors.ts';
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

export function secretsError(found: ReadonlyMap<string, readonly FoundSecret[]>, purpose: string): HpoError {
  const lines = [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([path, inFile]) => inFile.map(({ line, what, masked }) => `${path}:${line} ${what}: ${masked}`));
  const rest = lines.length > maxTold ? [`and ${lines.length - maxTold} more`] : [];
  return new HpoError(
    'HPO-2440',
    `what looks like a secret is not ${purpose}:\n${[...lines.slice(0, maxTold), ...rest].join('\n')}`,
    `take it out of the file, or leave the file out by a line in .hpoignore; a program gets secrets as variables, in containers by # @hpo.secret NAME. If it is none, write "${allowMark}" in a comment on that line`,
  );
}
