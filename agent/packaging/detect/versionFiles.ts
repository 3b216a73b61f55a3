import { join } from 'node:path/posix';
import type { Language } from './detected.ts';
import type { Diagnostic } from '../../protocol/space.ts';
import { fault, type Place, placeOf } from './faults.ts';
import type { VersionClaim } from './finding.ts';
import type { ProjectReader } from './projectReader.ts';
import { pinClaim } from './pythonVersion.ts';
import { nodePin } from './semverRange.ts';

type ReadVersion = (text: string, place: Place) => VersionClaim | null;

const readers: Readonly<Record<Language, { readonly names: readonly string[]; readonly read: ReadVersion }>> = {
  python: { names: ['.python-version', 'runtime.txt'], read: pinClaim },
  node: { names: ['.nvmrc', '.node-version'], read: nodePin },
  r: { names: [], read: () => null },
  julia: { names: [], read: () => null },
  other: { names: [], read: () => null },
};

/** Files that say nothing but the version of a language: those of the nearest folder upward that has any. */
export async function versionFiles(
  project: ProjectReader,
  folders: readonly string[],
  language: Language,
): Promise<{
  readonly claims: readonly VersionClaim[];
  readonly files: readonly string[];
  readonly faults: readonly Diagnostic[];
}> {
  const { names, read } = readers[language];
  for (const folder of folders) {
    const claims: VersionClaim[] = [];
    const files: string[] = [];
    const faults: Diagnostic[] = [];
    for (const name of names) {
      const file = join(folder, name);
      const text = await project.text(file);
      if (text === null) continue;
      const line = text.split(/\r?\n/).find((each) => each.trim() !== '' && !each.trim().startsWith('#')) ?? '';
      const claim = read(line, placeOf(file, text, line));
      files.push(file);
      if (claim !== null) claims.push(claim);
      else if (line !== '' && language === 'python') {
        const what = `${file} says ${JSON.stringify(line.trim())}, which is no version of CPython, and is not followed`;
        faults.push(fault('HPO-2425', 'warning', placeOf(file, text, line), what, 'write a version, such as 3.12'));
      }
    }
    if (files.length > 0) return { claims, files, faults };
  }
  return { claims: [], files: [], faults: [] };
}
