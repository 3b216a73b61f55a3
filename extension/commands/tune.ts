import { commands, type Progress, ProgressLocation, type TextDocument, Uri, window, workspace } from 'vscode';
import { usualKubeconfig } from '../../agent/cluster/usualKubeconfig.ts';
import { plural } from '../../agent/protocol/format.ts';
import type { ContainerPreflight, Preflight, StudyPlan, TuneRequest } from '../../agent/protocol/requests.ts';
import type { AgentClient } from '../../agent/client/index.ts';
import { type Backend, settings } from '../config.ts';
import type { Services } from '../services.ts';
import { guarded } from '../showError.ts';
import { useDockerHost } from './dockerHost.ts';
import { refuseFaults } from './goToFault.ts';
import { askOutside } from './outsidePaths.ts';
import { chosenPython } from './python.ts';
import { ask } from './questions.ts';
import { tunableDocument } from './tunableDocument.ts';
import { labelText, messageText } from '../plainText.ts';

/**
 * Tunes a script: looks at everything first, asks only for what is unknown, starts the study and shows it beside.
 * Returns the study's id; undefined when nothing was started. Without a backend it is the setting's.
 */
export async function tuneScript(services: Services, target: Uri | undefined, backend?: Backend): Promise<string | undefined> {
  const clicked = performance.now();
  const document = await tunableDocument(services, target);
  if (document === undefined || !(await isReady(services, document))) return undefined;
  const work = async (): Promise<string | undefined> => {
    const name = labelText(workspace.asRelativePath(document.uri));
    const request = await window.withProgress(
      { location: ProgressLocation.Window, title: `HPO: checking ${name}` },
      async () => await firstRequest(services, document, backend ?? settings(document).backend),
    );
    if (request.executor === 'docker' && !(await useDockerHost(services))) return undefined;
    const answered = await answerQuestions(services, request, document);
    if (answered === undefined) return undefined;
    for (const fact of containerFacts(answered)) services.log.info(fact);
    const studyId = await create(services, answered, name);
    window.setStatusBarMessage(`HPO: tuning ${name}: ${planText(answered)}`, 10_000);
    const tookMs = Math.round(performance.now() - clicked);
    services.log.info(`study ${studyId} of ${name}, ${tookMs} ms after the command: ${planText(answered)}`);
    await services.panels.show(studyId);
    return studyId;
  };
  return await guarded(services.log, work, {
    script: document.uri,
    again: async (other) => await tuneScript(services, document.uri, other ?? backend),
  });
}

async function isReady(services: Services, document: TextDocument): Promise<boolean> {
  if (!workspace.isTrusted) {
    const trust = 'Trust This Workspace';
    const chosen = await window.showInformationMessage(
      'Tuning runs the script, and nothing is run in a workspace that is not trusted.',
      trust,
    );
    if (chosen === trust) await commands.executeCommand('workbench.trust.manage');
    return false;
  }
  const script = await services.scripts.get(document);
  if (script === null) {
    void window.showInformationMessage(
      'Nothing in this script is marked as tunable. Write a comment behind a value, such as  lr = 1e-3  # @hpo float(1e-5, 1e-1, log)',
    );
    return false;
  }
  if (await refuseFaults(document.uri, script.diagnostics)) return false;
  // A study runs what is on disk; what is tuned should be what is seen.
  if (document.isDirty || document.isUntitled) return await document.save();
  return true;
}

async function firstRequest(services: Services, document: TextDocument, backend: Backend): Promise<TuneRequest> {
  const { maxTrials, parallelism, dockerImage, kubernetes } = settings(document);
  const spec = (await services.scripts.get(document))?.spec;
  const interpreter = await chosenPython(document.uri);
  // The script's own words win over the settings.
  const saysTrials = spec?.search['trials'] !== undefined || spec?.budget['trials'] !== undefined;
  const saysImage = Object.keys(spec?.image ?? {}).some((word) => word !== 'packages');
  const saysParallel = spec?.search['parallel'] !== undefined;
  return {
    script: document.uri.fsPath,
    ...(interpreter === undefined ? {} : { interpreter }),
    ...(maxTrials === null || saysTrials ? {} : { trials: maxTrials }),
    ...(parallelism === null || saysParallel ? {} : { parallel: parallelism }),
    ...(backend === 'local' ? {} : { executor: backend }),
    ...(backend === 'kubernetes'
      ? { cluster: { ...kubernetes, kubeconfig: usualKubeconfig({ environment: process.env }) } }
      : {}),
    ...(backend === 'local' || dockerImage === null || saysImage ? {} : { image: placed(dockerImage, document) }),
  };
}

/** A Dockerfile's path counts from the workspace folder; everything else is a name or a word of the agent's. */
function placed(image: string, document: TextDocument): string {
  const folder = workspace.getWorkspaceFolder(document.uri);
  return folder !== undefined && /^\.{1,2}\//.test(image) ? Uri.joinPath(folder.uri, image).fsPath : image;
}

interface Answered {
  readonly request: TuneRequest;
  readonly preflight: Preflight;
}

/** Preflight until nothing is unknown; undefined when the user left a question open. */
async function answerQuestions(services: Services, first: TuneRequest, document: TextDocument): Promise<Answered | undefined> {
  const name = labelText(workspace.asRelativePath(document.uri));
  const accepted = new Set<string>();
  for (let request = first; ; ) {
    const preflight = await window.withProgress(
      { location: ProgressLocation.Window, title: `HPO: checking ${name}` },
      async () => {
        await using there = await services.handOver();
        return await (there?.client ?? (await services.link.client())).request('study/preflight', request);
      },
    );
    // The agent also reads what the script imports and includes.
    if (await refuseFaults(document.uri, preflight.diagnostics)) return undefined;
    const options = { title: `Tune ${name}: ${planText({ request, preflight })}`, ignoreFocusOut: true };
    const [question] = preflight.questions;
    if (question !== undefined) {
      const answer = await ask(question, preflight, options);
      if (answer === undefined) return undefined;
      request = { ...request, ...answer };
      continue;
    }
    const outside = preflight.container?.outside.filter(({ path }) => !accepted.has(path)) ?? [];
    if (outside.length === 0) return { request, preflight };
    if (!(await askOutside(services, document, outside, options))) return undefined;
    // Asked once: the annotation may be there now, or is not wanted.
    for (const { path } of outside) accepted.add(path);
  }
}

/** Starts the study. Making an environment or an image takes a while, so its steps are shown where they are seen. */
async function create(services: Services, { request, preflight }: Answered, name: string): Promise<string> {
  const isLong = preflight.container === null ? request.env === 'auto' : preflight.container.isReady !== true;
  const location = isLong ? ProgressLocation.Notification : ProgressLocation.Window;
  return await window.withProgress(
    { location, title: messageText(`HPO: starting ${name}${isLong ? reasonText(preflight) : ''}`), cancellable: true },
    async (progress, cancellation) => {
      await using there = await services.handOver();
      const client = there?.client ?? (await services.link.client());
      using _steps = reportSteps(client, progress);
      const abort = new AbortController();
      const cancelling = cancellation.onCancellationRequested(() => abort.abort());
      try {
        const wanted = there === null ? request : { ...request, isPaused: true };
        const { studyId } = await client.request('study/create', wanted, abort.signal);
        await there?.begin(studyId);
        return studyId;
      } finally {
        cancelling.dispose();
      }
    },
  );
}

/** Why the image is what it is, for as long as it is made. */
function reasonText({ container, cluster }: Preflight): string {
  if (container === null) return '';
  return cluster === null ? ` in Docker (${container.reason})` : ` on ${cluster.name} (${container.reason})`;
}

function reportSteps(client: AgentClient, progress: Progress<{ message: string }>): Disposable {
  return client.onProgress((message) => progress.report({ message: messageText(message) }));
}

/** `20 trials, 2 at once, tpe with asha-promote; Python 3.11.2 (project .venv)`. */
function planText({ request, preflight }: Answered): string {
  const { plan, environment, container } = preflight;
  const trials = plan.trials === null ? 'until the budget is used' : plural(plan.trials, 'trial');
  const python = environment === null ? '' : `; Python ${environment.version} (${environment.reason})`;
  const where = labelText(container === null ? python : `; ${containerText(container, preflight, request)}`);
  return `${trials}, ${plan.parallel} at once,${plan.batch === null ? '' : ` in batches of ${plan.batch},`} ${searchText(plan)}${where}`;
}

/** `in Docker: Python 3.11 from uv.lock beside train.py, image is ready`. */
function containerText(
  { reason, isReady: isThere, isReproducible }: ContainerPreflight,
  { cluster }: Preflight,
  { executor }: TuneRequest,
): string {
  const image = isThere === null ? '' : isThere ? ', image is ready' : ', image will be made';
  const place = cluster === null ? '' : ` (${cluster.name}, namespace ${cluster.namespace})`;
  const where = executor === 'kubernetes' ? `on Kubernetes${place}` : 'in Docker';
  return `${where}: ${reason}${image}${isReproducible ? '' : ', not reproducible'}`;
}

/** What there is to know besides: what was found and passed over, and what the image lacks or has. */
function containerFacts({ request, preflight }: Answered): readonly string[] {
  const { container, cluster } = preflight;
  if (container === null) return [];
  const { image, passedOver, notes } = container;
  return [
    `image ${image}, ${containerText(container, preflight, request)}`,
    ...(cluster === null
      ? []
      : [
          `cluster ${cluster.context} at ${cluster.server}`,
          `image ${cluster.imageFrom}; code ${cluster.codeBy}`,
          `queue ${cluster.queue ?? 'none'}; pools ${cluster.pools.map(({ name }) => name).join(', ')}; checkpoints ${cluster.checkpoints ?? 'nowhere'}`,
        ]),
    ...passedOver.map(({ file, reason }) => `passed over ${file}: ${reason}`),
    ...notes,
  ];
}

function searchText({ sampler, scheduler }: StudyPlan): string {
  return scheduler === 'none' ? sampler : `${sampler} with ${scheduler}`;
}
