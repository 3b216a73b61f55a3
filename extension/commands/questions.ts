import { type QuickPickItem, window } from 'vscode';
import { joinWithin } from '../../agent/protocol/format.ts';
import type { ClusterChoice, Preflight, PreflightQuestion, TuneRequest } from '../../agent/protocol/requests.ts';
import { unreachable } from '../../agent/protocol/view.ts';
import { labelText } from '../plainText.ts';
import { askCredentials, askDevcontainer, askEngine, askSize } from './containerQuestions.ts';
import { pickPython } from './choosePython.ts';

export interface PickOptions {
  readonly title: string;
  readonly ignoreFocusOut: boolean;
}

/** What the user answers to a question of the preflight, as the part of the request that says it; undefined when it is left open. */
export async function ask(
  question: PreflightQuestion,
  preflight: Preflight,
  options: PickOptions,
): Promise<Partial<TuneRequest> | undefined> {
  switch (question.type) {
    case 'objective':
      return await askObjective(question.candidates, options);
    case 'environment':
      return await askEnvironment(question.message, preflight, options);
    case 'engine':
      return await askEngine(question);
    case 'cluster':
      return await askEngine(question);
    case 'context':
      return await askCluster(question.choices, options);
    case 'devcontainer':
      return await askDevcontainer(options);
    case 'credentials':
      return await askCredentials(question);
    case 'size':
      return await askSize(question);
    default:
      return unreachable(question);
  }
}

async function askCluster(choices: readonly ClusterChoice[], options: PickOptions): Promise<Partial<TuneRequest> | undefined> {
  const items = choices.map(({ label, namespace, server, wish }) => ({
    label: labelText(label),
    description: labelText(`namespace ${namespace}`),
    detail: labelText(server),
    wish,
  }));
  const picked = await window.showQuickPick(items, { ...options, placeHolder: 'On which cluster should the trials run?' });
  return picked === undefined ? undefined : { cluster: picked.wish };
}

type Candidate = Extract<PreflightQuestion, { type: 'objective' }>['candidates'][number];

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
