import { basename } from 'node:path/posix';
import { parse as parseToml, TomlError } from 'smol-toml';
import type { Diagnostic } from '../../protocol/space.ts';
import { inlineBlock } from '../inlineBlock.ts';
import { record, records, strings, text } from '../unknown.ts';
import { fault, lineOf, type Place, placeOf } from './faults.ts';
import type { Finding } from './finding.ts';
import type { ProjectReader } from './projectReader.ts';
import { packagesOf } from './pythonPackages.ts';
import { areSameRanges, rangeClaim } from './pythonVersion.ts';
import { compareLists, lockClaim, lockedPackages, readUvLock, staleLock, wantedOfEntry } from './uv.ts';

/** The script's own block, with the lock that `uv lock --script` puts beside it. */
export async function pep723(project: ProjectReader, script: string): Promise<Finding | null> {
  const source = (await project.text(script)) ?? '';
  const block = inlineBlock(source);
  if (block === null) return null;
  const faults: Diagnostic[] = [];
  const table = parseBlock(block.toml, script, source, block.line, faults);
  const lines = strings(table['dependencies']);
  const requiresPython = text(table['requires-python']);
  const pythonPlace = placeOf(script, source, /^#\s*requires-python\s*=.*$/m);
  const claim = rangeClaim(requiresPython, pythonPlace);
  const lockPath = `${script}.lock`;
  const lock = await readUvLock(project, lockPath, faults);
  const hasLock = (await project.bytes(lockPath)) !== null;
  if (lock !== null) {
    const command = `uv lock --script ${basename(script)}`;
    const stale = (place: Place, what: string) => faults.push(staleLock(lock.path, place, what, command));
    compareLists(lines, records(record(lock.table['manifest'])?.['requirements']).map(wantedOfEntry), script, source, stale);
    const lockedPython = text(lock.table['requires-python']);
    if (claim !== null && lockedPython !== '' && !areSameRanges(claim.range, lockedPython.replaceAll(' ', ''))) {
      stale(pythonPlace, `${script} says requires-python ${requiresPython}, and the lock was made for ${lockedPython}`);
    }
  }
  return {
    kind: 'pep723',
    file: script,
    files: [script, ...(hasLock ? [lockPath] : [])],
    packages: lock === null ? packagesOf(lines, script, source) : lockedPackages(lock),
    versions: [...(claim === null ? [] : [claim]), ...(lock === null ? [] : lockClaim(lock))],
    requirements: lines,
    isReproducible: hasLock,
    faults,
    sources: records(record(record(table['tool'])?.['uv'])?.['index']).map((index) => text(index['url'])),
    block: block.source,
    reason: hasLock ? `the block in ${script}, locked by ${lockPath}` : `the block in ${script}`,
  };
}

function parseBlock(toml: string, script: string, source: string, line: number, faults: Diagnostic[]): Record<string, unknown> {
  try {
    return parseToml(toml);
  } catch (error) {
    const at = error instanceof TomlError ? error.line : 0;
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
    faults.push(
      fault(
        'HPO-2420',
        'error',
        lineOf(script, source, line + at),
        `the block that begins with "# /// script" in ${script} cannot be read: ${why}`,
        'correct it',
      ),
    );
    return {};
  }
}
