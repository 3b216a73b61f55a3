import { join } from 'node:path/posix';
import type { Language } from './detected.ts';
import { placeOf } from './faults.ts';
import type { VersionClaim } from './finding.ts';
import type { ProjectReader } from './projectReader.ts';
import { pinClaim } from './pythonVersion.ts';

const names: Readonly<Record<Language, readonly string[]>> = {
  python: ['.python-version'],
  node: [],
  r: [],
  julia: [],
  other: [],
};

/** Files that say nothing but the version of a language: the nearest upward from a folder. */
export async function versionFiles(
  project: ProjectReader,
  folder: string,
  language: Language,
): Promise<{ readonly claims: readonly VersionClaim[]; readonly files: readonly string[] }> {
  for (let at = folder; ; at = join(at, '..')) {
    const file = await project.firstOf(at, names[language]);
    if (file !== null) {
      const text = (await project.text(file)) ?? '';
      const line = text.split(/\r?\n/).find((each) => each.trim() !== '' && !each.trim().startsWith('#')) ?? '';
      const claim = pinClaim(line, placeOf(file, text, line));
      return { claims: claim === null ? [] : [claim], files: [file] };
    }
    if (at === '.' || at === '') return { claims: [], files: [] };
  }
}
