import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import { makeCacheFolder } from '../client/home.ts';
import { type ClusterLook, type ClusterPorts, lookAtCluster, settleCluster } from './cluster/clusterPreflight.ts';
import { localData } from './cluster/clusterSettings.ts';
import { lookAtContainer, type ContainerLook, plannedSettings, settleContainer } from './container/containerPreflight.ts';
import { isHpoYml, metricCandidates, pathLiterals } from '../core/annotations/index.ts';
import { sourceRefusal } from './container/containerSettings.ts';
import { dataNotes } from './dataNotes.ts';
import { planStudy } from '../core/study/index.ts';
import { cpuCount } from '../devices/index.ts';
import { buildAttempt, tunedFiles } from '../driver/buildAttempt.ts';
import { chooseEnvironment, type EnvironmentReport, makeEnvironment, noInterpreter } from '../packaging/environment/index.ts';
import { refuseSecrets } from '../packaging/secrets/index.ts';
import type { SelectOptions } from '../packaging/selectFiles.ts';
import { findOutside } from '../packaging/outsidePaths.ts';
import type { SnapshotStore, SnapshotSurvey } from '../packaging/snapshot.ts';
import { HpoError } from '../protocol/errors.ts';
import type { ContainerPreflight, Preflight, PreflightQuestion, TuneRequest } from '../protocol/requests.ts';
import type { Diagnostic } from '../protocol/space.ts';
import type { ClusterSettings, ContainerSettings, EnvironmentChoice, StudySpec } from '../protocol/study.ts';
import { type ProjectReading, readProject } from './readProject.ts';
import { buildStudySpec, objectivesOf } from './studySpec.ts';

export interface PreflightPorts extends ClusterPorts {
  readonly snapshots: SnapshotStore;
  /** Where environments that were made are kept. */
  readonly cacheDir: string;
}

/** Everything there is to know before a start. */
export async function preflight(request: TuneRequest, ports: PreflightPorts): Promise<Preflight> {
  const project = forExecutor(request, await readProject(request.script));
  const surveying = ports.snapshots.survey(selectionOf(project, request));
  const [place, snapshot] = await Promise.all([lookAtPlace(request, project, surveying, ports), surveying]);
  refuseLinkedCheckpoint(project, snapshot.linked);
  return {
    spec: project.spec,
    diagnostics: diagnosticsOf(project, place),
    environment: place.environment,
    missingPackages: place.report?.missing ?? [],
    manifest: place.report?.manifest ?? null,
    snapshot: { files: snapshot.files, bytes: snapshot.bytes, linked: snapshot.linked },
    container:
      place.onCluster?.container ??
      (place.look === null ? null : await containerOf(place.look, project, snapshot.entries, ports.home)),
    cluster: place.onCluster?.cluster ?? null,
    plan: planStudy(specOf(request, project, place.environment ?? noEnvironment, nowhere, notStored)),
    questions: [...place.questions, ...sizeQuestion(request, snapshot), ...objectiveQuestion(request, project)],
  };
}

/** Nothing is written before a start. */
const notStored = '';
const nowhere = { container: null, cluster: null };
const noEnvironment: EnvironmentChoice = { interpreter: 'python3', version: '', reason: 'not chosen yet' };

/** Prepares all that a study needs: faults and open questions become errors here. */
export async function prepareStudy(
  request: TuneRequest,
  ports: PreflightPorts,
  progress: (message: string) => void,
  signal: AbortSignal,
): Promise<StudySpec> {
  const project = forExecutor(request, await readProject(request.script));
  progress('looking at the environment');
  const selection = selectionOf(project, request);
  const surveying = request.executor === 'kubernetes' ? ports.snapshots.survey(selection) : null;
  const place = await lookAtPlace(request, project, surveying, ports);
  refuseFaults(project, diagnosticsOf(project, place), request);
  // Their words are in the journal, also where an ignore file keeps them out of the code.
  await refuseSecrets(settingsFiles(project), 'written into the journal');
  // Before an image is built, which takes longer than to find a secret in the code.
  progress('storing the code');
  const snapshot = await ports.snapshots.take(selection);
  // An image may take longer to build than code is kept that no study refers to.
  await using _held = ports.snapshots.hold(snapshot.hash);
  refuseLinkedCheckpoint(project, snapshot.linked);
  const steps = { onProgress: progress, signal };
  const { environment, ...where } =
    place.onCluster !== null
      ? await settleCluster(
          request,
          place.onCluster,
          { project, entries: (await surveying)?.entries ?? [], snapshot },
          ports,
          steps,
        )
      : place.look !== null
        ? { ...(await settleContainer(place.look, { project, excluded: snapshot.excluded }, ports, steps)), cluster: null }
        : { environment: await settleEnvironment(request, place.report, ports, progress), ...nowhere };
  const spec = specOf(request, project, environment, where, snapshot.hash);
  planStudy(spec);
  await trySplice(spec, ports);
  return spec;
}

/** Where trials are to run: as processes, with the report of the interpreter, or in containers. */
type Place = {
  readonly environment: EnvironmentChoice | null;
  readonly questions: readonly PreflightQuestion[];
} & (
  | { readonly report: EnvironmentReport; readonly look: null; readonly onCluster: null }
  | { readonly report: null; readonly look: ContainerLook; readonly onCluster: ClusterLook | null }
);

async function lookAtPlace(
  request: TuneRequest,
  project: ProjectReading,
  surveying: Promise<SnapshotSurvey> | null,
  ports: PreflightPorts,
): Promise<Place> {
  if (request.executor === 'docker') {
    const look = await lookAtContainer(request, project, ports);
    return { environment: look.environment, questions: look.questions, report: null, look, onCluster: null };
  }
  if (request.executor === 'kubernetes') {
    const onCluster = await lookAtCluster(request, project, (await surveying)?.entries ?? [], ports);
    const { image: look, questions } = onCluster;
    return { environment: look.environment, questions, report: null, look, onCluster };
  }
  const report = await environmentOf(request, project, ports);
  return { environment: report.choice, questions: environmentQuestion(request, report), report, look: null, onCluster: null };
}

/** This machine has no volumes of a cluster: what is said of them counts there. */
export function forExecutor({ executor }: TuneRequest, project: ProjectReading): ProjectReading {
  if (executor === 'kubernetes') return project;
  return { ...project, spec: { ...project.spec, data: localData(project.spec.data) } };
}

/** What counts in containers only is nothing to speak of where trials run in them. */
function diagnosticsOf(project: ProjectReading, { look, onCluster }: Place): readonly Diagnostic[] {
  const all = look === null ? project.diagnostics : containerDiagnostics(project, look.detected);
  return onCluster === null ? all : all.filter(({ code }) => code !== 'HPO-1143');
}

export function containerDiagnostics(
  { diagnostics }: ProjectReading,
  detected: ContainerLook['detected'],
): readonly Diagnostic[] {
  return [...diagnostics.filter(({ code }) => code !== 'HPO-1142'), ...detected.diagnostics];
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
export function selectionOf({ root, scriptPath, spec }: ProjectReading, request: TuneRequest): SelectOptions {
  const tuned = [...spec.space.parameters, ...(spec.fidelity === null ? [] : [spec.fidelity])].flatMap(({ site, sink }) =>
    sink.type === 'key' ? [site.file, sink.file] : [site.file],
  );
  return {
    root,
    mustHave: [...new Set([scriptPath, ...tuned])],
    include: spec.include,
    // What a volume brings is not on this machine; its place in the project is.
    data:
      request.executor === 'kubernetes' ? localData(spec.data).filter(({ from }) => existsSync(resolve(root, from))) : spec.data,
    allowLarge: request.allowLarge === true,
    isContained: request.executor === 'docker' || request.executor === 'kubernetes',
  };
}

/** What says the command, and the space of a program without annotations. */
function settingsFiles({ texts }: ProjectReading): readonly { readonly path: string; readonly content: Uint8Array }[] {
  return [...texts].flatMap(([path, text]) =>
    isHpoYml(path) || path === 'pyproject.toml' ? [{ path, content: Buffer.from(text) }] : [],
  );
}

function sizeQuestion({ allowLarge }: TuneRequest, { bytes, large }: SnapshotSurvey): readonly PreflightQuestion[] {
  return large === null || allowLarge === true ? [] : [{ type: 'size', bytes, message: large.message }];
}

async function containerOf(
  { container }: ContainerLook,
  project: ProjectReading,
  entries: SnapshotSurvey['entries'],
  home: string,
): Promise<ContainerPreflight> {
  const { mounts } = await plannedSettings(project, home);
  return {
    ...container,
    notes: [...container.notes, ...(await dataNotes(entries, mounts))],
    outside: await outsideOf(project, entries, home),
  };
}

/** Paths in the texts of the program that a container would not have, and may. */
async function outsideOf(
  { root, texts, spec }: ProjectReading,
  entries: SnapshotSurvey['entries'],
  home: string,
): Promise<ContainerPreflight['outside']> {
  const named = [...texts].flatMap(([file, text]) => pathLiterals(text, file).map((literal) => ({ file, ...literal })));
  const isAllowed = async (source: string): Promise<boolean> => (await sourceRefusal(source, root, home)) === null;
  return await findOutside({ root, named, entries, data: spec.data, isAllowed });
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

function refuseFaults(
  { spec, scriptPath, text, command }: ProjectReading,
  diagnostics: readonly Diagnostic[],
  request: TuneRequest,
): void {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  const [first] = errors;
  if (first !== undefined) {
    const lines = errors.map((error) => `${error.file}:${error.line}:${error.column} ${error.code} ${error.message}`);
    // What the environment is made from, in place of the script itself.
    const isEnvironment = errors.every(({ code }) => code.startsWith('HPO-242'));
    throw new HpoError(
      first.code,
      `the script or what it needs has faults\n${lines.join('\n')}`,
      'mend them, then start again',
      isEnvironment ? { exitCode: 4 } : {},
    );
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

function objectiveQuestion(request: TuneRequest, { spec, text, scriptPath }: ProjectReading): readonly PreflightQuestion[] {
  if (objectivesOf(request, spec).length > 0) return [];
  return [{ type: 'objective', candidates: metricCandidates(text, scriptPath) }];
}

function environmentQuestion(request: TuneRequest, environment: EnvironmentReport): readonly PreflightQuestion[] {
  if (environment.choice === null)
    return [{ type: 'environment', message: `No Python was found; looked at: ${environment.tried.join(', ')}.` }];
  if (environment.missing.length === 0 || request.env !== undefined) return [];
  const packages = environment.missing.join(', ');
  const message = `${environment.choice.interpreter} lacks ${packages}, which ${environment.manifest ?? 'the script'} asks for.`;
  return [{ type: 'environment', message }];
}

function specOf(
  request: TuneRequest,
  project: ProjectReading,
  environment: EnvironmentChoice,
  where: { readonly container: ContainerSettings | null; readonly cluster: ClusterSettings | null },
  snapshot: string,
): StudySpec {
  return buildStudySpec({
    request,
    script: project.spec,
    command: project.command,
    root: project.root,
    scriptPath: project.scriptPath,
    environment,
    ...where,
    snapshot,
    cpus: cpuCount(),
    randomSeed: randomInt(1_000_000),
  });
}
