import { window } from 'vscode';
import { formatBytes } from '../../agent/protocol/format.ts';
import type { PreflightQuestion, TuneRequest } from '../../agent/protocol/requests.ts';
import { messageText } from '../plainText.ts';
import { inEditor, sentence } from '../showError.ts';
import type { PickOptions } from './questions.ts';

type Question<T extends PreflightQuestion['type']> = Extract<PreflightQuestion, { type: T }>;

/** Which of the three it is (no engine, not running, permission denied), what to do about it, and the way around it. */
export async function askEngine({
  code,
  message,
  next,
}: Question<'engine'> | Question<'cluster'>): Promise<Partial<TuneRequest> | undefined> {
  const [local, again] = ['Run Locally', 'Try Again'];
  const text = `${sentence(message)} ${sentence(inEditor(next))} (${code})`;
  const chosen = await window.showErrorMessage(messageText(text), local, again);
  if (chosen === undefined) return undefined;
  return chosen === local ? { executor: 'local' } : {};
}

export async function askDevcontainer(options: PickOptions): Promise<Partial<TuneRequest> | undefined> {
  const items = [
    { label: '$(package) Use the devcontainer', description: 'only for a project you trust', answer: { image: 'devcontainer' } },
    { label: '$(list-flat) Go by what else there is', description: 'other files of the project', answer: { image: 'auto' } },
    { label: '$(edit) Another image…', description: 'by its name', answer: null },
    { label: '$(run) Run locally', description: 'as processes of this machine', answer: { executor: 'local' } },
  ] as const;
  // Which one it is stands in the title.
  const placeHolder = 'A development container may do anything its author wanted: use it?';
  const picked = await window.showQuickPick(items, { ...options, placeHolder });
  return picked?.answer === null ? await askImage(options) : picked?.answer;
}

async function askImage(options: PickOptions): Promise<Partial<TuneRequest> | undefined> {
  const image = await window.showInputBox({ ...options, prompt: 'Name of the image, such as python:3.12-slim' });
  return image === undefined || image.trim() === '' ? undefined : { image: image.trim() };
}

/** What the project wants is more than fits a list's line, and nothing to agree to in passing. */
export async function askCredentials({ message, words }: Question<'credentials'>): Promise<Partial<TuneRequest> | undefined> {
  const allow = 'Allow';
  const chosen = await window.showWarningMessage(messageText(`${sentence(message)} Allow it?`), { modal: true }, allow);
  return chosen === allow ? { allow: words } : undefined;
}

/** What is large, and how it is left out, is more than fits a list's line. */
export async function askSize({ bytes, message }: Question<'size'>): Promise<Partial<TuneRequest> | undefined> {
  const store = `Store ${formatBytes(bytes)}`;
  const chosen = await window.showWarningMessage(messageText(sentence(message)), store);
  return chosen === store ? { allowLarge: true } : undefined;
}
