import { basename, dirname, join, normalize } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { secretReason } from '../denyList.ts';
import { fault, lineOf, type Place } from './faults.ts';
import type { Finding, Row, Search, VersionClaim } from './finding.ts';
import type { ProjectReader } from './projectReader.ts';
import { pinClaim } from './pythonVersion.ts';

/** Files that a build of an environment reads, wherever a whole folder is copied into it. */
const manifestNames =
  /^(?:requirements[\w.-]*\.(?:txt|in)|constraints[\w.-]*\.txt|pyproject\.toml|setup\.(?:py|cfg)|uv\.lock|poetry\.lock|pdm\.lock|Pipfile(?:\.lock)?|pixi\.(?:toml|lock)|environment\.ya?ml|conda-lock\.ya?ml|\.python-version|package(?:-lock)?\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-(?:lock|workspace)\.yaml|renv\.lock|(?:Julia)?(?:Project|Manifest)\.toml|Cargo\.(?:toml|lock)|go\.(?:mod|sum)|CMakeLists\.txt|Makefile|[\w.-]*\.sh)$/;
/** More files than an environment is made from. */
const maxCopied = 2_000;

export const dockerfile: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const path = await project.firstOf(folder, ['Dockerfile.hpo', 'Dockerfile']);
  const finding = path === null ? null : await dockerfileAt(project, path, folder);
  const plain = join(folder, 'Dockerfile');
  if (finding === null || path === plain || (await project.bytes(plain)) === null) return finding;
  return { ...finding, passedOver: [{ file: plain, reason: `${path} is for hpo` }] };
};

/** A Dockerfile by its path, whose COPY is meant from `context`. */
export async function dockerfileAt(project: ProjectReader, path: string, context: string): Promise<Finding | null> {
  const source = await project.text(path);
  if (source === null) return null;
  const faults: Diagnostic[] = [];
  const files = new Set([path]);
  const ignore = await project.firstOf('.', [`${path}.dockerignore`, join(context, '.dockerignore')]);
  if (ignore !== null) files.add(ignore);
  const steps = instructions(source);
  if (!steps.some(({ name }) => name === 'FROM')) {
    faults.push(
      fault('HPO-2420', 'error', lineOf(path, source, 1), `${path} has no FROM`, 'begin it with the image that it is made from'),
    );
  }
  for (const { name, rest, line } of steps) {
    if (name !== 'COPY' && name !== 'ADD') continue;
    for (const wanted of copiedSources(rest))
      await addCopied(project, context, wanted, lineOf(path, source, line), files, faults);
  }
  return {
    kind: 'dockerfile',
    file: path,
    files: [...files],
    packages: [],
    versions: baseVersion(steps, path, source),
    requirements: [],
    isReproducible: false,
    faults,
    dockerfile: path,
    dockerContext: normalize(context),
  };
}

interface Instruction {
  readonly name: string;
  readonly rest: string;
  /** From 1. */
  readonly line: number;
}

/** Instructions with their continued lines joined; comments and the bodies of heredocs are left out. */
function instructions(source: string): Instruction[] {
  const escape = /^#\s*escape\s*=\s*`/im.test(source) ? '`' : '\\';
  const found: Instruction[] = [];
  let open: { text: string; line: number } | null = null;
  let heredocs: string[] = [];
  for (const [index, line] of source.split(/\r?\n/).entries()) {
    const [first] = heredocs;
    if (first !== undefined) {
      if (line.trim() === first) heredocs = heredocs.slice(1);
      continue;
    }
    if (/^\s*#/.test(line) || (open !== null && line.trim() === '')) continue;
    const joined: string = (open?.text ?? '') + line;
    const start: number = open?.line ?? index + 1;
    if (joined.trimEnd().endsWith(escape)) {
      open = { text: `${joined.trimEnd().slice(0, -1)} `, line: start };
      continue;
    }
    open = null;
    const [, name, rest = ''] = /^\s*([A-Za-z]+)\s+(.*)$/s.exec(joined) ?? [];
    if (name === undefined) continue;
    found.push({ name: name.toUpperCase(), rest: rest.trim(), line: start });
    heredocs = [...rest.matchAll(/<<-?["']?(\w+)["']?/g)].map((match) => match[1] ?? '');
  }
  return found;
}

/** What a COPY or ADD takes from the context. */
function copiedSources(rest: string): string[] {
  const flags = /^(?:--\S+\s+)*/.exec(rest)?.[0] ?? '';
  if (/--from=/.test(flags)) return [];
  const body = rest.slice(flags.length);
  const words = body.startsWith('[')
    ? (body.match(/"(?:[^"\\]|\\.)*"/g) ?? []).map((word) => word.slice(1, -1))
    : body.split(/\s+/);
  return words.slice(0, -1).filter((word) => !/^(?:<<|https?:\/\/|git@)/.test(word));
}

async function addCopied(
  project: ProjectReader,
  context: string,
  wanted: string,
  place: Place,
  files: Set<string>,
  faults: Diagnostic[],
): Promise<void> {
  if (wanted.includes('$')) {
    faults.push(
      fault(
        'HPO-2427',
        'warning',
        place,
        `which files ${wanted} means is known only when the image is built`,
        'name the files in COPY, as the build gets no others',
      ),
    );
    return;
  }
  const path = join(context, wanted.replace(/^\/+/, ''));
  if (path === context || path === '.') {
    for (const name of await project.list(context)) {
      const file = join(context, name);
      if (manifestNames.test(name) && (await project.bytes(file)) !== null) files.add(file);
    }
    faults.push(
      fault(
        'HPO-2427',
        'info',
        place,
        `${place.file} copies the whole folder: the image gets all of the project that a snapshot would store and .dockerignore leaves in, and is built anew only when the Dockerfile or a file named in COPY changes; each trial gets the code as it is when the study starts`,
        'nothing has to be done unless a step of the build needs the code: name its files in COPY, or build anew by hpo image SCRIPT --rebuild',
      ),
    );
    return;
  }
  const matched = await matching(project, path);
  for (const file of matched) files.add(file);
  if (matched.length === 0) {
    faults.push(
      fault(
        'HPO-2429',
        'error',
        place,
        `${place.file} copies ${wanted}, which is not there`,
        'correct the path, or take the line out',
      ),
    );
  }
  if (matched.length > maxCopied) {
    faults.push(
      fault(
        'HPO-2427',
        'error',
        place,
        `${place.file} copies ${wanted} with more than ${maxCopied} files`,
        'copy only what the packages need, and mount data by @hpo.data',
      ),
    );
  }
}

/** The files of a path with * and ?; of a folder, all in it. */
async function matching(project: ProjectReader, path: string): Promise<readonly string[]> {
  if ((await project.bytes(path)) !== null) return [path];
  if (/[*?]/.test(basename(path))) {
    const expression = new RegExp(
      `^${basename(path)
        .replaceAll(/[\\^$.+()[\]{}|]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
    );
    const names = (await project.list(dirname(path))).filter((name) => expression.test(name));
    return (await Promise.all(names.map((name) => matching(project, join(dirname(path), name))))).flat();
  }
  const found: string[] = [];
  for (const name of await project.list(path)) {
    const at = join(path, name);
    if (secretReason(at) !== null || found.length > maxCopied) continue;
    found.push(...(await matching(project, at)));
  }
  return found;
}

/** `FROM python:3.11-slim` → Python 3.11, of the last stage. */
function baseVersion(steps: readonly Instruction[], path: string, source: string): VersionClaim[] {
  const from = steps.findLast(({ name }) => name === 'FROM');
  const version = /(?:^|[\s/])python:(\d+\.\d+(?:\.\d+)?)/.exec(from?.rest ?? '')?.[1];
  const claim = from === undefined || version === undefined ? null : pinClaim(version, lineOf(path, source, from.line));
  return claim === null ? [] : [claim];
}
