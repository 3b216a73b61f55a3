import { dirname, join } from 'node:path/posix';
import { relative, sep } from 'node:path';
import type { Diagnostic } from '../../protocol/space.ts';
import { readRequirements, type RequirementLine } from '../requirementsFile.ts';
import { disagreements } from './disagreements.ts';
import { fault, lineOf, placeOf } from './faults.ts';
import type { Package, Row, Search } from './finding.ts';
import { filesOfPath, pathInRequirement } from './localFiles.ts';
import type { ProjectReader } from './projectReader.ts';
import { packageOf } from './pythonPackages.ts';

/** Names of lists that are for working on a project, not for running it. */
const forDevelopers =
  /^requirements[-_.](?:dev|develop|development|test|tests|testing|doc|docs|lint|ci|build|typing|types|style|format)\b/i;

export const requirements: Row = async ({ project, folder }: Search) => {
  const names = (await project.list(folder)).filter((name) => /^requirements[\w.-]*\.txt$/i.test(name));
  const usable = names.filter((name) => !forDevelopers.test(name));
  const chosen = usable.find((name) => name === 'requirements.txt') ?? usable[0];
  if (chosen === undefined) return null;
  const found = await requirementsAt(project, join(folder, chosen));
  if (found === null) return null;
  const passedOver = names
    .filter((name) => name !== chosen && !found.covers.includes(join(folder, name)))
    .map((name) => ({
      file: join(folder, name),
      reason: usable.includes(name) ? `${found.file} comes before it` : 'is for working on the project, by its name',
    }));
  const others = usable.filter((name) => name !== chosen && !found.covers.includes(join(folder, name)));
  const faults = [...found.faults];
  for (const name of others) {
    const other = chosen === 'requirements.txt' ? await requirementsAt(project, join(folder, name)) : null;
    // A list of its own may well have more; the same package in two versions is what somebody has to decide.
    if (other !== null) faults.push(...disagreements({ ...found, isReproducible: false }, other));
  }
  const finding = { ...found, faults, passedOver };
  if (chosen === 'requirements.txt' || usable.length === 1) return finding;
  const choice = fault(
    'HPO-2423',
    'error',
    placeOf(finding.file, (await project.text(finding.file)) ?? '', /^.*$/m),
    `${folder === '.' ? 'the project' : folder} has ${usable.join(' and ')}, and no requirements.txt`,
    `say which one counts: # @hpo.image manifest=${join(folder, chosen)}`,
  );
  return { ...finding, faults: [...finding.faults, choice] };
};

/** A list by its path. */
export async function requirementsAt(project: ProjectReader, path: string) {
  const content = await project.text(path);
  if (content === null) return null;
  const faults: Diagnostic[] = [];
  const inProject = (absolute: string) => relative(project.root, absolute).split(sep).join('/');
  const list = await readRequirements(join(project.root, path), content, (at) => project.text(inProject(at)));
  const texts = new Map([...list.files].map(([at, text]) => [inProject(at), text]));
  const placed = (line: RequirementLine) => lineOf(inProject(line.file), texts.get(inProject(line.file)) ?? '', line.line);

  const files = new Set<string>();
  for (const at of texts.keys()) if ((await project.bytes(at)) !== null) files.add(at);
  for (const line of list.missing) {
    const place = placed(line);
    faults.push(
      fault(
        'HPO-2429',
        'error',
        place,
        `${place.file} includes what is not in the project: ${line.text.trim()}`,
        'add the file, or take the line out',
      ),
    );
  }
  for (const line of list.remote) {
    const place = placed(line);
    const what = `${place.file} includes a list by its address, and what it says is not known before the build: ${line.text.trim()}`;
    faults.push(fault('HPO-2429', 'error', place, what, 'save it in the project, and include that file'));
  }
  if (isUtf16(await project.bytes(path))) {
    const what = `${path} is written in UTF-16, which installers do not read alike`;
    const next = 'save it as UTF-8 (in PowerShell: pip freeze | Out-File -Encoding utf8 requirements.txt)';
    faults.push(fault('HPO-2420', 'error', { file: path, text: '', span: null }, what, next));
  }
  const packages: Package[] = [];
  const sources: string[] = [];
  for (const line of list.lines) {
    const at = pathInRequirement(line.text, dirname(inProject(line.file)), project.root);
    if (at !== null) for (const file of await filesOfPath(project, at, placed(line), faults)) files.add(file);
    const item = at === null ? packageOf(line.text, () => placed(line)) : null;
    if (item !== null) packages.push(item);
    const [, index] = /^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links)[\s=]+(\S+)/.exec(line.text) ?? [];
    if (index !== undefined) sources.push(index);
  }
  return {
    kind: 'requirements' as const,
    file: path,
    files: [...files],
    packages,
    versions: [],
    requirements: [],
    isReproducible: isComplete(content, packages, list.lines),
    faults,
    sources,
    covers: [...files].filter((file) => file !== path),
  };
}

/** By the mark that it begins with, as PowerShell writes what is sent to a file. */
function isUtf16(bytes: Uint8Array | null): boolean {
  const [first, second] = bytes ?? [];
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
}

/** Whether all that will be installed is pinned: by hashes, which pip wants for everything then, or by a tool that wrote the list. */
function isComplete(content: string, packages: readonly Package[], lines: readonly RequirementLine[]): boolean {
  const isPinned = packages.every(({ version }) => version !== null) && packages.length > 0;
  const isHashed = lines.some(({ text }) => /\s--hash[=\s]/.test(text));
  const isMade =
    /^#.*(?:autogenerated by (?:pip-compile|uv)|\b(?:uv (?:export|pip compile)|pip-compile|poetry export|pdm export)\b)/m.test(
      content,
    );
  return isPinned && (isHashed || isMade);
}
