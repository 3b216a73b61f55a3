import { commands, type LogOutputChannel, type Uri, window } from 'vscode';
import type { Backend } from './config.ts';
import { choosePython } from './commands/choosePython.ts';
import { messageText } from './plainText.ts';

/** What was to be done, for errors that can be mended on the spot. */
export interface ErrorContext {
  readonly script: Uri;
  /** Tries again, after the cause was mended; elsewhere, if a backend is named. */
  readonly again: (backend?: Backend) => Promise<unknown>;
}

/** What and why, what next, and at most one button, which does the next thing. The stack stays in the output channel. */
export async function showError(error: unknown, log: LogOutputChannel, context?: ErrorContext): Promise<void> {
  log.error(error instanceof Error ? error : String(error));
  const { message, code } = describe(error);
  const button = buttonFor(code, context);
  const chosen = await window.showErrorMessage(messageText(message), ...(button === null ? [] : [button.title]));
  if (button !== null && chosen === button.title) await button.press(log);
}

/** Runs a command's work; a failure is shown and gives undefined. */
export async function guarded<T>(log: LogOutputChannel, work: () => Promise<T>, context?: ErrorContext): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    void showError(error, log, context);
    return undefined;
  }
}

/** An HpoError by its shape: importing the class would load the decoders that stand beside it at activation. */
function describe(error: unknown): { message: string; code: string } {
  if (error instanceof Error && 'code' in error && 'next' in error && typeof error.next === 'string') {
    const code = String(error.code);
    return { message: `${sentence(error.message)} ${sentence(inEditor(error.next))} (${code})`, code };
  }
  const text = error instanceof Error ? error.message : String(error);
  return { message: `Something in HPO failed: ${sentence(text)} The log says more.`, code: '' };
}

/** Here a button runs locally, and not an option of the command line. */
export function inEditor(next: string): string {
  return next.replace(/: --on local(?:, --on docker)?/, '');
}

export function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

interface Button {
  readonly title: string;
  press(log: LogOutputChannel): Promise<unknown>;
}

/** Codes whose next step is another interpreter: it does not start, there is none, none can be made for the manifest. */
const pythonCodes: readonly string[] = ['HPO-2001', 'HPO-2002', 'HPO-2003', 'HPO-2004', 'HPO-2005'];
/** Codes of an engine that is not there, does not run, refuses or says nothing. */
const engineCodes = /^HPO-240[1-59]$/;
/** Codes of a cluster that is not known, gives no answer, or refuses. */
const clusterCodes = /^HPO-(?:246[0-69]|2484)$/;
/** Codes behind which the log has more to say: none at all, the agent's own start, the journal, a fault of ours. */
const loggedCodes = /^(?:|HPO-240[78]|HPO-5004|HPO-6\d\d\d|HPO-9\d\d\d)$/;

function buttonFor(code: string, context: ErrorContext | undefined): Button | null {
  if (code.startsWith('HPO-1'))
    return { title: 'Show Problems', press: async () => await commands.executeCommand('workbench.actions.view.problems') };
  if (pythonCodes.includes(code) && context !== undefined) {
    const press = async (): Promise<unknown> => ((await choosePython(context.script)) ? await context.again() : undefined);
    return { title: 'Choose Python…', press };
  }
  if ((engineCodes.test(code) || clusterCodes.test(code)) && context !== undefined)
    return { title: 'Run Locally', press: async () => await context.again('local') };
  if (code === 'HPO-5005')
    return {
      title: 'Open Setting',
      press: async () => await commands.executeCommand('workbench.action.openSettings', 'hpo.nodePath'),
    };
  return loggedCodes.test(code) ? { title: 'Show Log', press: (log) => Promise.resolve(log.show(true)) } : null;
}
