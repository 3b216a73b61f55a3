import { commands, type LogOutputChannel, window } from 'vscode';

/** What and why, what next, and one button where there is one. The stack stays in the output channel. */
export async function showError(error: unknown, log: LogOutputChannel): Promise<void> {
  log.error(error instanceof Error ? error : String(error));
  const { message, code } = describe(error);
  const button = buttonFor(code);
  const chosen = await window.showErrorMessage(message, button.title);
  if (chosen === button.title) await button.press(log);
}

/** Runs a command's work; a failure is shown and gives undefined. */
export async function guarded<T>(log: LogOutputChannel, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    void showError(error, log);
    return undefined;
  }
}

/** An HpoError by its shape: importing the class would load the decoders that stand beside it at activation. */
function describe(error: unknown): { message: string; code: string } {
  if (error instanceof Error && 'code' in error && 'next' in error && typeof error.next === 'string') {
    return { message: `${sentence(error.message)} ${sentence(error.next)}`, code: String(error.code) };
  }
  const text = error instanceof Error ? error.message : String(error);
  return { message: `Something in HPO failed: ${sentence(text)} The log says more.`, code: '' };
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

interface Button {
  readonly title: string;
  press(log: LogOutputChannel): Promise<unknown>;
}

function buttonFor(code: string): Button {
  if (code.startsWith('HPO-1'))
    return { title: 'Show Problems', press: async () => await commands.executeCommand('workbench.actions.view.problems') };
  if (code.startsWith('HPO-2')) return { title: 'Select Python…', press: async () => await openSetting('hpo.pythonPath') };
  if (code === 'HPO-5005') return { title: 'Open Setting', press: async () => await openSetting('hpo.nodePath') };
  return { title: 'Show Log', press: (log) => Promise.resolve(log.show(true)) };
}

async function openSetting(name: string): Promise<void> {
  await commands.executeCommand('workbench.action.openSettings', name);
}
