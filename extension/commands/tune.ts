import {
  commands,
  type Progress,
  ProgressLocation,
  type QuickPickItem,
  type TextDocument,
  type Uri,
  window,
  workspace,
} from 'vscode';
import { joinWithin, plural } from '../../agent/protocol/format.ts';
import type { Preflight, PreflightQuestion, StudyPlan, TuneRequest } from '../../agent/protocol/requests.ts';
import type { AgentClient } from '../../agent/client/index.ts';
import { settings } from '../config.ts';
import type { Services } from '../services.ts';
import { guarded } from '../showError.ts';
import { pickPython } from './choosePython.ts';
import { refuseFaults } from './goToFault.ts';
import { chosenPython } from './python.ts';
import { tunableDocument } from './tunableDocument.ts';
import { labelText, messageText } from '../plainText.ts';

/**
 * Tunes a script: looks at everything first, asks only for what is unknown, starts the study and shows it beside.
 * Returns the study's id; undefined when nothing was started.
 */
export async function tuneScript(services: Services, target: Uri | undefined): Promise<string | undefined> {
  const clicked = performance.now();
  const document = await tunableDocument(services, target);
  if (document === undefined || !(await isReady(services, document))) return undefined;
  const work = async (): Promise<string | undefined> => {
    const name = labelText(workspace.asRelativePath(document.uri));
    const request = await window.withProgress(
      { location: ProgressLocation.Window, title: `HPO: checking ${name}` },
      async () => await firstRequest(services, document),
    );
    const answered = await answerQuestions(services, request, document);
    if (answered === undefined) return undefined;
    const studyId = await create(services, answered.request, name);
    window.setStatusBarMessage(`HPO: tuning ${name}: ${planText(answered.preflight)}`, 10_000);
    const tookMs = Math.round(performance.now() - clicked);
    services.log.info(`study ${studyId} of ${name}, ${tookMs} ms after the command: ${planText(answered.preflight)}`);
    await services.panels.show(studyId);
    return studyId;
  };
  return await guarded(services.log, work, { script: document.uri, again: async () => await tuneScript(services, document.uri) });
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

async function firstRequest(services: Services, document: TextDocument): Promise<TuneRequest> {
  const { maxTrials, parallelism } = settings(document);
  const spec = (await services.scripts.get(document))?.spec;
  const interpreter = await chosenPython(document.uri);
  // The script's own words win over the settings.
  const saysTrials = spec?.search['trials'] !== undefined || spec?.budget['trials'] !== undefined;
  const saysParallel = spec?.search['parallel'] !== undefined;
  return {
    script: document.uri.fsPath,
    ...(interpreter === undefined ? {} : { interpreter }),
    ...(maxTrials === null || saysTrials ? {} : { trials: maxTrials }),
    ...(parallelism === null || saysParallel ? {} : { parallel: parallelism }),
  };
}

/** Preflight until nothing is unknown; undefined when the user left a question open. */
async function answerQuestions(
  services: Services,
  request: TuneRequest,
  document: TextDocument,
): Promise<{ request: TuneRequest; preflight: Preflight } | undefined> {
  const name = labelText(workspace.asRelativePath(document.uri));
  const preflight = await window.withProgress({ location: ProgressLocation.Window, title: `HPO: checking ${name}` }, async () => {
    return await (await services.link.client()).request('study/preflight', request);
  });
  // The agent also reads what the script imports and includes.
  if (await refuseFaults(document.uri, preflight.diagnostics)) return undefined;
  const [question] = preflight.questions;
  if (question === undefined) return { request, preflight };
  const answer = await ask(question, preflight, name);
  return answer === undefined ? undefined : await answerQuestions(services, { ...request, ...answer }, document);
}

async function ask(question: PreflightQuestion, preflight: Preflight, name: string): Promise<Partial<TuneRequest> | undefined> {
  const options = { title: `Tune ${name}: ${planText(preflight)}`, ignoreFocusOut: true };
  if (question.type === 'objective') return await askObjective(question.candidates, options);
  return await askEnvironment(question.message, preflight, options);
}

type Candidate = Extract<PreflightQuestion, { type: 'objective' }>['candidates'][number];
interface PickOptions {
  readonly title: string;
  readonly ignoreFocusOut: boolean;
}

async function askObjective(candidates: readonly Candidate[], options: PickOptions): Promise<Partial<TuneRequest> | undefined> {
  const other = { label: '$(edit) Another metric…', metric: null, direction: null };
  const items = candidates.map(({ metric, direction }) => ({
    label: labelText(metric),
    description: direction === null ? '' : `${direction}imize`,
    metric,
    direction,
  }));
  const picked = await window.showQuickPick([...items, other], {
    ...options,
    placeHolder: 'Which printed metric should become better?',
  });
  if (picked === undefined) return undefined;
  const metric =
    picked.metric ??
    (
      await window.showInputBox({
        ...options,
        prompt: 'Name of the metric as the script prints it, such as val_loss in val_loss=0.31',
      })
    )?.trim();
  if (metric === undefined || metric === '') return undefined;
  const direction = picked.direction ?? (await askDirection(metric, options));
  return direction === undefined ? undefined : { objective: { metric, direction } };
}

async function askDirection(metric: string, options: PickOptions): Promise<'min' | 'max' | undefined> {
  const items: readonly (QuickPickItem & { readonly direction: 'min' | 'max' })[] = [
    { label: 'minimize', description: 'smaller is better: a loss, an error', direction: 'min' },
    { label: 'maximize', description: 'larger is better: an accuracy, a score', direction: 'max' },
  ];
  return (await window.showQuickPick(items, { ...options, placeHolder: `Which ${metric} is better?` }))?.direction;
}

async function askEnvironment(
  message: string,
  preflight: Preflight,
  options: PickOptions,
): Promise<Partial<TuneRequest> | undefined> {
  const { environment, manifest, missingPackages } = preflight;
  const make = {
    label: '$(add) Make an environment for this script',
    description: labelText(`from ${manifest ?? ''}; made once and kept`),
    answer: 'auto' as const,
  };
  const keep = {
    label: '$(run) Use it as it is',
    description: environment === null ? '' : labelText(`${environment.interpreter} (${environment.reason})`),
    answer: 'current' as const,
  };
  const choose = { label: '$(folder-opened) Choose another Python…', description: '', answer: 'choose' as const };
  const items = [...(manifest === null ? [] : [make]), ...(environment === null ? [] : [keep]), choose];
  // Short enough for the line it stands in; the paths are in the rows below.
  const placeHolder =
    environment === null ? message : `This Python lacks ${joinWithin(missingPackages, missingLength)}: what to do?`;
  const picked = await window.showQuickPick(items, { ...options, placeHolder });
  if (picked === undefined) return undefined;
  if (picked.answer !== 'choose') return { env: picked.answer };
  const file = await pickPython();
  return file === undefined ? undefined : { interpreter: { path: file.fsPath, reason: 'chosen in the editor' } };
}

const missingLength = 48;

/** Starts the study. Making an environment takes a while, so its steps are shown where they are seen. */
async function create(services: Services, request: TuneRequest, name: string): Promise<string> {
  const location = request.env === 'auto' ? ProgressLocation.Notification : ProgressLocation.Window;
  return await window.withProgress(
    { location, title: messageText(`HPO: starting ${name}`), cancellable: true },
    async (progress, cancellation) => {
      const client = await services.link.client();
      using _steps = reportSteps(client, progress);
      const abort = new AbortController();
      const cancelling = cancellation.onCancellationRequested(() => abort.abort());
      try {
        return (await client.request('study/create', request, abort.signal)).studyId;
      } finally {
        cancelling.dispose();
      }
    },
  );
}

function reportSteps(client: AgentClient, progress: Progress<{ message: string }>): Disposable {
  return client.onProgress((message) => progress.report({ message: messageText(message) }));
}

/** `20 trials, 2 at once, tpe with asha-promote; Python 3.11.2 (project .venv)`. */
function planText({ plan, environment }: Preflight): string {
  const trials = plan.trials === null ? 'until the budget is used' : plural(plan.trials, 'trial');
  const python = environment === null ? '' : labelText(`; Python ${environment.version} (${environment.reason})`);
  return `${trials}, ${plan.parallel} at once,${plan.batch === null ? '' : ` in batches of ${plan.batch},`} ${searchText(plan)}${python}`;
}

function searchText({ sampler, scheduler }: StudyPlan): string {
  return scheduler === 'none' ? sampler : `${sampler} with ${scheduler}`;
}
