import type { Finding } from './finding.ts';
import type { Programs } from './language.ts';
import type { ProjectReader } from './projectReader.ts';

/** A program of which no file says what it needs: a base for its language and the programs of its command. */
export function commandRow(
  _project: ProjectReader,
  scriptPath: string | null,
  _command: readonly string[] | null,
  programs: Programs,
): Promise<Finding> {
  return Promise.resolve({
    kind: 'command',
    file: scriptPath ?? 'hpo.yml',
    files: [],
    packages: [],
    versions: [],
    requirements: [],
    isReproducible: true,
    faults: [],
    reason: programs.program === null ? `no file says what ${scriptPath} needs` : `the command runs ${programs.program}`,
  });
}
