import type { Engine, EngineProgress } from '../../engine/engine.ts';
import { containerSettings } from './containerSettings.ts';
import type { DetectedEnvironment } from '../../packaging/detect/detected.ts';
import type { ImageRecipe } from '../../packaging/image/recipe.ts';
import { junkReason } from '../../packaging/denyList.ts';
import type { Excluded } from '../../packaging/selectFiles.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ContainerPreflight, PreflightQuestion, TuneRequest } from '../../protocol/requests.ts';
import type { ContainerSettings, EnvironmentChoice, ImageReference } from '../../protocol/study.ts';
import type { ProjectReading } from '../readProject.ts';

/** What a start in containers needs of the agent. */
export interface ContainerPorts {
  /** Folder of the agent's state. */
  readonly home: string;
  readonly containers: {
    /** Connects when it is asked; rejects with HPO-2401 to 2404 where there is none to be had. */
    engine(): Promise<Engine>;
    detect(request: TuneRequest, project: ProjectReading): Promise<DetectedEnvironment>;
    /** `architecture` is null where no engine can be asked: this machine's is taken for it. */
    recipe(detected: DetectedEnvironment, project: ProjectReading, architecture: string | null): Promise<ImageRecipe>;
    /** The image, if it needs no build and no pull. */
    find(recipe: ImageRecipe): Promise<ImageReference | null>;
    /** Builds or pulls the image, unless it is there. */
    ensure(recipe: ImageRecipe, progress: EngineProgress, options?: { readonly isFresh?: boolean }): Promise<ImageReference>;
    /** Variables that a container can be given by name. */
    readonly environment: Readonly<Record<string, string | undefined>>;
  };
}

/** What is known of a start in containers, without having built or written anything. */
export interface ContainerLook {
  readonly detected: DetectedEnvironment;
  readonly recipe: ImageRecipe;
  readonly environment: EnvironmentChoice;
  readonly container: ContainerPreflight;
  /** Why there is no engine; null where there is one. */
  readonly refusal: HpoError | null;
  readonly questions: readonly PreflightQuestion[];
}

export async function lookAtContainer(
  request: TuneRequest,
  project: ProjectReading,
  { containers }: ContainerPorts,
): Promise<ContainerLook> {
  const [detected, found] = await Promise.all([containers.detect(request, project), findEngine(() => containers.engine())]);
  const recipe = await recipeFor(detected, project, found.architecture, containers);
  const { isReady, refusal } = await imageState(found, () => containers.find(recipe));
  const look = imageLook(project, detected, recipe, containers);
  return {
    ...look,
    container: { ...look.container, isReady },
    refusal,
    questions: [...(refusal === null ? [] : [engineQuestion(refusal)]), ...look.questions],
  };
}

/** What is known of the image without any engine; `architecture` as of where it is to run, null: this machine's. */
export async function lookAtImage(
  request: TuneRequest,
  project: ProjectReading,
  { containers }: ContainerPorts,
  architecture: string | null,
): Promise<ContainerLook> {
  const detected = await containers.detect(request, project);
  return imageLook(project, detected, await recipeFor(detected, project, architecture, containers), containers);
}

async function recipeFor(
  detected: DetectedEnvironment,
  project: ProjectReading,
  architecture: string | null,
  containers: ContainerPorts['containers'],
): Promise<ImageRecipe> {
  return await containers.recipe(detected, project, architecture).catch((error: unknown) => {
    // What was found wrong says more than that no image can be made of it.
    refuseDetected(detected);
    throw error;
  });
}

function imageLook(
  project: ProjectReading,
  detected: DetectedEnvironment,
  recipe: ImageRecipe,
  containers: ContainerPorts['containers'],
): ContainerLook {
  const missing = project.spec.secrets.filter((name) => containers.environment[name] === undefined);
  return {
    detected,
    recipe,
    environment: {
      interpreter: recipe.interpreter ?? project.command?.[0] ?? '',
      version: recipe.languageVersion,
      reason: recipe.reason,
    },
    container: {
      image: recipe.name,
      reason: recipe.reason,
      isReproducible: detected.isReproducible,
      isReady: null,
      passedOver: detected.passedOver,
      notes: [...recipe.notes, ...nameNote(detected), ...missing.map(missingSecret)],
      outside: [],
    },
    refusal: null,
    questions: detected.question === null ? [] : [{ type: 'devcontainer', message: detected.question }],
  };
}

/** Throws for what is wrong with what the environment is made from, with all places. */
export function refuseDetected({ diagnostics }: DetectedEnvironment): void {
  const faults = diagnostics.filter(({ severity }) => severity === 'error');
  const [first] = faults;
  if (first === undefined) return;
  const lines = faults.map(({ file, line, column, code, message }) => `${file}:${line}:${column} ${code} ${message}`);
  throw new HpoError(first.code, `the environment has faults\n${lines.join('\n')}`, 'mend them, then try again', { exitCode: 4 });
}

/** The engine, or why there is none; one that is there may be gone by the next question. */
type Found =
  | { readonly engine: Engine; readonly architecture: string; readonly refusal: null }
  | { readonly engine: null; readonly architecture: null; readonly refusal: HpoError };

async function findEngine(connect: () => Promise<Engine>): Promise<Found> {
  try {
    const engine = await connect();
    return { engine, architecture: (await engine.info()).architecture, refusal: null };
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    return { engine: null, architecture: null, refusal: error };
  }
}

async function imageState(
  { engine, refusal }: Found,
  find: () => Promise<ImageReference | null>,
): Promise<{ readonly isReady: boolean | null; readonly refusal: HpoError | null }> {
  if (engine === null) return { isReady: null, refusal };
  try {
    return { isReady: (await find()) !== null, refusal: null };
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    return { isReady: null, refusal: error };
  }
}

function nameNote({ isReproducible, image }: DetectedEnvironment): readonly string[] {
  if (isReproducible || image === null) return [];
  return [`the name ${image} may mean another image later: name it by its digest (NAME@sha256:…) to have the same`];
}

function engineQuestion({ code, message, next }: HpoError): PreflightQuestion {
  return { type: 'engine', code, message, next };
}

function missingSecret(name: string): string {
  return `the secret ${name} is not in the agent's environment: the study will not start without it`;
}

/** Makes the image ready and settles what containers get. What has to be asked for is refused here with the words that answer it. */
export async function settleContainer(
  look: ContainerLook,
  { project, excluded }: { readonly project: ProjectReading; readonly excluded: readonly Excluded[] },
  { containers, home }: ContainerPorts,
  progress: EngineProgress,
): Promise<{ readonly environment: EnvironmentChoice; readonly container: ContainerSettings }> {
  refuseUnsettled(look);
  const { recipe, environment } = look;
  refuseMissingSecrets(project, { containers });
  // Before the image, which takes longer than to say that a mount is refused.
  const settings = await plannedSettings(project, home);
  const image = await containers.ensure(recipe, progress);
  return { environment, container: { ...settings, image, leftOut: importable(excluded) } };
}

/** Throws HPO-2457 for a secret that the agent has not. */
export function refuseMissingSecrets({ spec }: ProjectReading, { containers }: Pick<ContainerPorts, 'containers'>): void {
  const [missing] = spec.secrets.filter((name) => containers.environment[name] === undefined);
  if (missing !== undefined) {
    throw new HpoError(
      'HPO-2457',
      `@hpo.secret ${missing}: the agent's environment has no variable of that name`,
      `set it where the agent is started: export ${missing}=…, then hpo agent stop, and tune again`,
      { exitCode: 4 },
    );
  }
}

/** What containers would get, without the image. */
export async function plannedSettings({ spec, root }: ProjectReading, home: string): Promise<ContainerSettings> {
  return await containerSettings({ script: spec, root, home, image: notMade });
}

/** What a program may miss as a module of its own: not what tools make. */
export function importable(excluded: readonly Excluded[]): readonly Excluded[] {
  return excluded.filter(({ path }) => junkReason(path) === null && /(?:^|\/)\w+(?:\.pyx?)?$/.test(path)).slice(0, maxLeftOut);
}

const maxLeftOut = 200;

/** Throws for what keeps an image from being made: no engine, or a question without its answer. */
export function refuseUnsettled(look: ContainerLook): void {
  const { refusal } = look;
  if (refusal !== null) throw new HpoError(refusal.code, refusal.message, refusal.next, { cause: refusal, exitCode: 4 });
  refuseQuestion(look);
}

/** Throws for a question about the image that has no answer. */
export function refuseQuestion({ detected }: ContainerLook): void {
  if (detected.question !== null) {
    throw new HpoError(
      'HPO-2456',
      `the environment needs a yes: ${detected.question}`,
      'answer by --image devcontainer, or choose another one: --image auto, --image NAME',
      { exitCode: 4 },
    );
  }
}

const notMade: ImageReference = { name: '', id: '', recipe: null };
