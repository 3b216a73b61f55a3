import { randomInt } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { includedFiles, localImports, metricCandidates, parseProject } from './core/annotations/index.ts';
import { planStudy } from './core/study/index.ts';
import { cpuCount } from './devices/index.ts';
import { chooseEnvironment, type EnvironmentReport, makeEnvironment } from './packaging/environment/index.ts';
import { findProjectRoot, type SnapshotStore } from './packaging/index.ts';
import { HpoError } from './protocol/errors.ts';
import type { Preflight, PreflightQuestion, TuneRequest } from './protocol/requests.ts';
import type { Diagnostic, ScriptSpec } from './protocol/space.ts';
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
  if (info === null) throw new HpoError('HPO-2001', `there is no file ${JSON.stringify(script)}`, 'check the path', { exitCode: 3 });
  if (!info.isFile()) throw new HpoError('HPO-2002', `${JSON.stringify(script)} is not a file`, 'name the script itself', { exitCode: 2 });
  const root = await findProjectRoot(script);
  const main = relative(root, script).split(sep).join('/');
  const files = new Map<string, string>();
  const queue = [main, 'pyproject.toml'];
  for (let path = queue.shift(); path !== undefined && files.size < maxProjectFiles; path = queue.shift()) {
    if (files.has(path) || path.startsWith('../')) continue;
    const text = await readSmall(join(root, path));
    if (text === null) continue;
    files.set(path, text);
    queue.push(...localImports(text, path), ...includedFiles(text, path));
  }
  const text = files.get(main);
  if (text === undefined) throw new HpoError('HPO-2003', `${JSON.stringify(script)} is larger than ${maxFileBytes / 1e6} MB`, 'annotate a smaller file');
  const project = parseProject(
    [...files].map(([path, content]) => ({ path, text: content })),
    main,
  );
  return { root, scriptPath: project.script ?? main, text, spec: project.spec, diagnostics: project.diagnostics, command: project.command };
}

async function readSmall(path: string): Promise<string | null> {
  try {
    const info = await stat(path);
    return info.isFile() && info.size <= maxFileBytes ? await readFile(path, 'utf8') : null;
  } catch {
    return null;
  }
}

/** Everything there is to know before a start. */
export async function preflight(request: TuneRequest, ports: PreflightPorts): Promise<Preflight> {
  const project = await readProject(request.script);
  const [environment, snapshot] = await Promise.all([
    environmentOf(request, project, ports),
    ports.snapshots.take({ root: project.root, mustHave: [project.scriptPath] }),
  ]);
  return {
    spec: project.spec,
    diagnostics: project.diagnostics,
    environment: environment.choice,
    missingPackages: environment.missing,
    manifest: environment.manifest,
    snapshot: { files: snapshot.files, bytes: snapshot.bytes },
    plan: planStudy(specOf(request, project, environment.choice ?? noEnvironment, snapshot.hash)),
    questions: questionsOf(request, project, environment),
  };
}

const noEnvironment: EnvironmentChoice = { interpreter: 'python3', version: '', reason: 'not chosen yet' };

/** Prepares all that a study needs: faults and open questions become errors here. */
export async function prepareStudy(request: TuneRequest, ports: PreflightPorts, progress: (message: string) => void): Promise<StudySpec> {
  const project = await readProject(request.script);
  refuseFaults(project, request);
  progress('looking at the environment');
  const report = await environmentOf(request, project, ports);
  const environment = await settleEnvironment(request, report, ports, progress);
  progress('storing the code');
  const snapshot = await ports.snapshots.take({ root: project.root, mustHave: [project.scriptPath] });
  const spec = specOf(request, project, environment, snapshot.hash);
  planStudy(spec);
  return spec;
}

function refuseFaults({ spec, diagnostics, scriptPath, text }: ProjectReading, request: TuneRequest): void {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  const [first] = errors;
  if (first !== undefined) {
    const lines = errors.map((error) => `${error.file}:${error.line}:${error.column} ${error.code} ${error.message}`);
    throw new HpoError(first.code, `the annotations have faults\n${lines.join('\n')}`, 'mend them, then start again');
  }
  if (spec.space.parameters.length === 0) {
    throw new HpoError(
      'HPO-4001',
      `${scriptPath} has no parameter to tune`,
      'put a comment beside a literal, such as: lr = 3e-4  # @hpo float(1e-5, 1e-1, log)',
    );
  }
  if (objectivesOf(request, spec).length === 0) {
    const names = metricCandidates(text, scriptPath).map(({ metric, direction }) => `${metric}${direction === null ? '' : ` ${direction}`}`);
    const found = names.length === 0 ? 'no metric was found in its output lines either' : `found in its output lines: ${names.join(', ')}`;
    const example = names.find((name) => name.includes(' ')) ?? 'val_loss min';
    throw new HpoError('HPO-4002', `${scriptPath} does not say what to improve; ${found}`, `add a line: # @hpo.objective ${example}`);
  }
}

async function environmentOf(request: TuneRequest, project: ProjectReading, ports: PreflightPorts): Promise<EnvironmentReport> {
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
  if (report.missing.length > 0 && report.canMake && request.env !== 'current') {
    return await makeEnvironment(report, { cacheDir: ports.cacheDir, onProgress: progress });
  }
  if (report.choice === null) {
    throw new HpoError('HPO-2010', `no Python was found; looked at: ${report.tried.join(', ')}`, 'install Python 3, or name one with --python', {
      exitCode: 4,
    });
  }
  return report.choice;
}

function questionsOf(request: TuneRequest, project: ProjectReading, environment: EnvironmentReport): readonly PreflightQuestion[] {
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
