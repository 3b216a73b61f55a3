import { randomInt } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, sep } from 'node:path';
import { makeCacheFolder } from './client/home.ts';
import { type Include, isHpoYml, localImports, metricCandidates, parseHpoYml, parseProject } from './core/annotations/index.ts';
import { planStudy } from './core/study/index.ts';
import { cpuCount } from './devices/index.ts';
import { buildAttempt, tunedFiles } from './driver/buildAttempt.ts';
import { chooseEnvironment, type EnvironmentReport, makeEnvironment, noInterpreter } from './packaging/environment/index.ts';
import { findProjectRoot } from './packaging/projectRoot.ts';
import type { SelectOptions } from './packaging/selectFiles.ts';
import type { SnapshotStore } from './packaging/snapshot.ts';
import { decodeSource } from './packaging/source.ts';
import { HpoError } from './protocol/errors.ts';
import type { Preflight, PreflightQuestion, TuneRequest } from './protocol/requests.ts';
import type { Diagnostic, Fidelity, Parameter, ScriptSpec } from './protocol/space.ts';
import type { EnvironmentChoice, StudySpec } from './protocol/study.ts';
import { buildStudySpec, objectivesOf } from './studySpec.ts';

/** Files that are read to learn the space: a project's own modules, not its dependencies. */
const maxProjectFiles = 500;
const maxFileBytes = 2_000_000;

export interface PreflightPorts {
  readonly snapshots: SnapshotStore;
  /** Where environments that were made are kept. */
  readonly cacheDir: string;
}

export interface ProjectReading {
  readonly root: string;
  /** Relative to the root, with forward slashes. */
  readonly scriptPath: string;
  readonly text: string;
  readonly spec: ScriptSpec;
  readonly diagnostics: readonly Diagnostic[];
  /** From an hpo.yml; null for a script. */
  readonly command: readonly string[] | null;
}

/** Reads the script, its own modules and the files it includes; parses and never runs them. */
export async function readProject(script: string): Promise<ProjectReading> {
  const info = await stat(script).catch(() => null);
  if (info === null)
    throw new HpoError('HPO-2101', `there is no file ${JSON.stringify(script)}`, 'check the path', { exitCode: 3 });
  if (!info.isFile())
    throw new HpoError('HPO-2102', `${JSON.stringify(script)} is not a file`, 'name the script itself', { exitCode: 2 });
  const root = findProjectRoot(script);
  const main = relative(root, script).split(sep).join('/');
  if (!isHpoYml(main)) return await readAnnotated(root, main);
  const { script: named, command = null } = parseHpoYml((await readSmall(join(root, main))) ?? '', main);
  const program = named === undefined ? main : posix.join(posix.dirname(main), named);
  return { ...(await readAnnotated(root, program, main)), command };
}

/** What the comments say, in the script and in all that it imports or includes, with the settings beside it. */
async function readAnnotated(root: string, main: string, yml: string | null = null): Promise<ProjectReading> {
  const files = new Map<string, string>();
  const seen = new Set<string>();
  const read = async (queue: string[]): Promise<void> => {
    for (let path = queue.shift(); path !== undefined && files.size < maxProjectFiles; path = queue.shift()) {
      if (seen.has(path) || path.startsWith('../') || isAbsolute(path)) continue;
      seen.add(path);
      const text = await readSmall(join(root, path));
      if (text === null) continue;
      files.set(path, text);
      queue.push(...localImports(text, path));
    }
  };
  await read([main, 'pyproject.toml', ...(yml === null ? [] : [yml])]);
  const text = files.get(main);
  if (text === undefined) {
    throw new HpoError(
      'HPO-2103',
      `${JSON.stringify(main)} cannot be read, or is larger than ${maxFileBytes / 1e6} MB`,
      'check the file',
      { exitCode: 3 },
    );
  }
  for (;;) {
    const parts = [...files].map(([path, content]) => ({ path, text: content }));
    const { spec, diagnostics, includes } = parseProject(parts, main);
    const included = await findIncluded(root, includes);
    const unread = included.found.filter((path) => !seen.has(path));
    if (unread.length === 0) {
      const placed = { ...(await placeKeys(root, main, spec)), include: included.found };
      return { root, scriptPath: main, text, spec: placed, diagnostics: [...diagnostics, ...included.missing], command: null };
    }
    // They may include and import more.
    await read([...unread]);
    for (const path of unread) seen.add(path);
  }
}

/** Included files relative to the root: beside the file that names them, else from the root, where trials run. */
async function findIncluded(
  root: string,
  includes: readonly Include[],
): Promise<{ readonly found: readonly string[]; readonly missing: readonly Diagnostic[] }> {
  const found = new Set<string>();
  const missing: Diagnostic[] = [];
  for (const include of includes) {
    const path = await placeBeside(root, include.file, include.path);
    if (path === null) missing.push(include.missing);
    else found.add(path);
  }
  return { found: [...found], missing };
}

/** Config files of `via key(…)`, relative to the root: beside the script, else from the root. */
async function placeKeys(root: string, main: string, spec: ScriptSpec): Promise<ScriptSpec> {
  const withFile = async <T extends Parameter | Fidelity>(item: T): Promise<T> =>
    item.sink.type === 'key'
      ? { ...item, sink: { ...item.sink, file: (await placeBeside(root, main, item.sink.file)) ?? item.sink.file } }
      : item;
  return {
    ...spec,
    space: { ...spec.space, parameters: await Promise.all(spec.space.parameters.map(withFile)) },
    fidelity: spec.fidelity === null ? null : await withFile(spec.fidelity),
  };
}

/** A path that `file` names, relative to the root; null when there is nothing. Outside of the root it stays as it is written. */
async function placeBeside(root: string, file: string, path: string): Promise<string | null> {
  if (isAbsolute(path)) return path;
  for (const place of [posix.join(posix.dirname(file), path), posix.normalize(path)]) {
    if ((await stat(join(root, place)).catch(() => null)) !== null) return place;
  }
  return null;
}

async function readSmall(path: string): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  if (info === null || !info.isFile() || info.size > maxFileBytes) return null;
  const bytes = await readFile(path).catch(() => null);
  // What annotates nothing is only looked through: an included file may hold anything.
  const isRead = bytes?.includes('@hpo') === true || /\.(?:ya?ml|toml)$/.test(path);
  return bytes === null ? null : isRead ? decodeSource(bytes, path) : bytes.toString('utf8');
}

/** Everything there is to know before a start. */
export async function preflight(request: TuneRequest, ports: PreflightPorts): Promise<Preflight> {
  const project = await readProject(request.script);
  const [environment, snapshot] = await Promise.all([
    environmentOf(request, project, ports),
    ports.snapshots.survey(selectionOf(project)),
  ]);
  refuseLinkedCheckpoint(project, snapshot.linked);
  return {
    spec: project.spec,
    diagnostics: project.diagnostics,
    environment: environment.choice,
    missingPackages: environment.missing,
    manifest: environment.manifest,
    snapshot: { files: snapshot.files, bytes: snapshot.bytes, linked: snapshot.linked },
    container: null,
    plan: planStudy(specOf(request, project, environment.choice ?? noEnvironment, notStored)),
    questions: questionsOf(request, project, environment),
  };
}

/** Nothing is written before a start. */
const notStored = '';
const noEnvironment: EnvironmentChoice = { interpreter: 'python3', version: '', reason: 'not chosen yet' };

/** Prepares all that a study needs: faults and open questions become errors here. */
export async function prepareStudy(
  request: TuneRequest,
  ports: PreflightPorts,
  progress: (message: string) => void,
): Promise<StudySpec> {
  const project = await readProject(request.script);
  refuseFaults(project, request);
  progress('looking at the environment');
  const report = await environmentOf(request, project, ports);
  const environment = await settleEnvironment(request, report, ports, progress);
  progress('storing the code');
  const snapshot = await ports.snapshots.take(selectionOf(project));
  refuseLinkedCheckpoint(project, snapshot.linked);
  const spec = specOf(request, project, environment, snapshot.hash);
  planStudy(spec);
  await trySplice(spec, ports);
  return spec;
}

/** Writes the script's own values once, so that a place that cannot be written shows now and not in every trial. */
async function trySplice(spec: StudySpec, { snapshots }: PreflightPorts): Promise<void> {
  const files = tunedFiles(spec);
  const texts = await Promise.all(files.map((file) => snapshots.readText(spec.snapshot, file)));
  const params = Object.fromEntries(
    spec.space.parameters.flatMap(({ name, default: own }) => (own === undefined ? [] : [[name, own]])),
  );
  const key = { studyId: 'preflight', trial: 0, attempt: 1 };
  buildAttempt(
    spec,
    { key, params, target: spec.fidelity?.default ?? null, seed: 0, parent: null },
    new Map(files.map((file, i) => [file, texts[i] ?? ''])),
  );
}

/** Files with a tuned value, and those that one is written into, are stored whatever ignores them: they have to be spliced. */
function selectionOf({ root, scriptPath, spec }: ProjectReading): SelectOptions {
  const tuned = [...spec.space.parameters, ...(spec.fidelity === null ? [] : [spec.fidelity])].flatMap(({ site, sink }) =>
    sink.type === 'key' ? [site.file, sink.file] : [site.file],
  );
  return { root, mustHave: [...new Set([scriptPath, ...tuned])], include: spec.include, data: spec.data };
}

/** The snapshot links what is not stored to its place in the project: nothing is written there, and nothing removed. */
function refuseLinkedCheckpoint({ spec }: ProjectReading, linked: readonly string[]): void {
  const dir = spec.checkpoint?.['dir'];
  if (dir === undefined) return;
  const place = posix.normalize(dir);
  const folder = linked.find((path) => place.startsWith(`${path}/`) && place !== `${path}/`);
  if (folder === undefined) return;
  throw new HpoError(
    'HPO-2302',
    `the checkpoint folder ${dir} is in ${folder}, which is not copied for each trial but linked to yours`,
    'name a folder that is not linked: # @hpo.checkpoint dir=ckpt/',
  );
}

function refuseFaults({ spec, diagnostics, scriptPath, text, command }: ProjectReading, request: TuneRequest): void {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  const [first] = errors;
  if (first !== undefined) {
    const lines = errors.map((error) => `${error.file}:${error.line}:${error.column} ${error.code} ${error.message}`);
    throw new HpoError(first.code, `the annotations have faults\n${lines.join('\n')}`, 'mend them, then start again');
  }
  if (command === null && !/\.pyw?$/.test(scriptPath)) {
    const example = 'command: [julia, {script}]';
    throw new HpoError('HPO-2104', `how to run ${scriptPath} is not known`, `say it in an hpo.yml: ${example}`, { exitCode: 4 });
  }
  if (isHpoYml(scriptPath) && command?.includes('{script}') === true) {
    throw new HpoError(
      'HPO-2104',
      `the command names {script}, but ${scriptPath} names no script`,
      'add a line: script: train.py',
      {
        exitCode: 4,
      },
    );
  }
  if (spec.space.parameters.length === 0) {
    throw new HpoError(
      'HPO-4001',
      `${scriptPath} has no parameter to tune`,
      'put a comment beside a literal, such as: lr = 3e-4  # @hpo float(1e-5, 1e-1, log)',
    );
  }
  if (objectivesOf(request, spec).length === 0) {
    const names = metricCandidates(text, scriptPath).map(
      ({ metric, direction }) => `${metric}${direction === null ? '' : ` ${direction}`}`,
    );
    const found =
      names.length === 0 ? 'no metric was found in its output lines either' : `found in its output lines: ${names.join(', ')}`;
    const example = names.find((name) => name.includes(' ')) ?? 'val_loss min';
    throw new HpoError(
      'HPO-4002',
      `${scriptPath} does not say what to improve; ${found}`,
      `add a line: # @hpo.objective ${example}`,
    );
  }
}

async function environmentOf(request: TuneRequest, project: ProjectReading, ports: PreflightPorts): Promise<EnvironmentReport> {
  const [program] = project.command ?? [];
  if (program !== undefined) {
    const choice = { interpreter: program, version: '', reason: 'command of hpo.yml' };
    return { choice, tried: [], manifest: null, requirements: [], missing: [], canMake: false, recipe: null };
  }
  return await chooseEnvironment({
    script: join(project.root, project.scriptPath),
    root: project.root,
    cacheDir: ports.cacheDir,
    mode: request.env ?? 'auto',
    ...(request.interpreter === undefined ? {} : { explicit: request.interpreter }),
  });
}

async function settleEnvironment(
  request: TuneRequest,
  report: EnvironmentReport,
  ports: PreflightPorts,
  progress: (message: string) => void,
): Promise<EnvironmentChoice> {
  // Also where none can be made: that call says why, and what to do about it.
  if (report.missing.length > 0 && request.env !== 'current') {
    makeCacheFolder(ports.cacheDir);
    return await makeEnvironment(report, { cacheDir: ports.cacheDir, onProgress: progress });
  }
  if (report.choice === null) throw noInterpreter(report);
  return report.choice;
}

function questionsOf(
  request: TuneRequest,
  project: ProjectReading,
  environment: EnvironmentReport,
): readonly PreflightQuestion[] {
  const questions: PreflightQuestion[] = [];
  if (objectivesOf(request, project.spec).length === 0) {
    questions.push({ type: 'objective', candidates: metricCandidates(project.text, project.scriptPath) });
  }
  if (environment.choice === null) {
    questions.push({ type: 'environment', message: `No Python was found; looked at: ${environment.tried.join(', ')}.` });
  } else if (environment.missing.length > 0 && request.env === undefined) {
    const packages = environment.missing.join(', ');
    questions.push({
      type: 'environment',
      message: `${environment.choice.interpreter} lacks ${packages}, which ${environment.manifest ?? 'the script'} asks for.`,
    });
  }
  return questions;
}

function specOf(request: TuneRequest, project: ProjectReading, environment: EnvironmentChoice, snapshot: string): StudySpec {
  return buildStudySpec({
    request,
    script: project.spec,
    command: project.command,
    root: project.root,
    scriptPath: project.scriptPath,
    environment,
    snapshot,
    cpus: cpuCount(),
    randomSeed: randomInt(1_000_000),
  });
}
