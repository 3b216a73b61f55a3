import { commands, type Disposable, window, workspace } from 'vscode';
import { formatParams } from '../../agent/protocol/format.ts';
import type { StudyCommand } from '../../agent/protocol/requests.ts';
import { stateHere, type StudyView, type TrialView } from '../../agent/protocol/view.ts';
import { shownState } from '../../agent/protocol/waits.ts';
import type { Services } from '../services.ts';
import { guarded } from '../showError.ts';
import type { StudyNode } from '../views/studyTree.ts';
import { chooseStudy, type StudyArgument } from './chooseStudy.ts';
import { labelText, messageText } from '../plainText.ts';

/** Pause, resume, stop and delete a study, stop or retry one trial, retry all that failed, stop the agent. */
export function studyCommands(services: Services): readonly Disposable[] {
  const simple = (
    name: string,
    type: 'pause' | 'resume' | 'stop',
    title: string,
    fits: (view: StudyView) => boolean,
    none: string,
  ): Disposable =>
    commands.registerCommand(name, async (argument: StudyArgument) => {
      const view = await chooseStudy(services, argument, title, fits, none);
      if (view !== undefined) await sendCommand(services, view.studyId, { type });
    });
  return [
    simple(
      'hpo.pauseStudy',
      'pause',
      'Pause Study',
      (view) => stateHere(view) === 'running',
      'No study is running, so there is none to pause.',
    ),
    simple(
      'hpo.resumeStudy',
      'resume',
      'Resume Study',
      (view) => stateHere(view) === 'paused',
      'No study is paused, so there is none to resume.',
    ),
    simple('hpo.stopStudy', 'stop', 'Stop Study', isActive, 'No study is running, so there is none to stop.'),
    commands.registerCommand('hpo.deleteStudy', async (argument: StudyArgument) => {
      const view = await chooseStudy(services, argument, 'Delete Study', () => true, 'There is no study to delete.');
      if (view !== undefined) await confirmDelete(services, view);
    }),
    commands.registerCommand('hpo.stopTrial', async (argument: StudyNode | undefined) => {
      const chosen = await chooseTrial(
        services,
        argument,
        'Stop Trial',
        (trial) => trial.state === 'running',
        'No trial is running, so there is none to stop.',
      );
      if (chosen !== undefined)
        await sendCommand(services, chosen.view.studyId, { type: 'stopTrial', trial: chosen.trial.number });
    }),
    commands.registerCommand('hpo.retryTrial', async (argument: StudyNode | undefined) => {
      const none = 'No trial has failed or was stopped, so there is none to retry.';
      const chosen = await chooseTrial(services, argument, 'Retry Trial', isRetriable, none);
      if (chosen !== undefined) await sendCommand(services, chosen.view.studyId, { type: 'retry', number: chosen.trial.number });
    }),
    commands.registerCommand('hpo.retryFailed', async (argument: StudyArgument) => {
      const none = 'No trial has failed, so there is none to retry.';
      const hasFailed = (view: StudyView): boolean =>
        stateHere(view) !== 'moved' && view.trials.some(({ state }) => state === 'failed');
      const view = await chooseStudy(services, argument, 'Retry Failed Trials', hasFailed, none);
      if (view === undefined) return;
      const failed = view.trials.filter(({ state }) => state === 'failed');
      // All at once: the study, which goes on with the first, is to know of all before it decides what is next.
      await Promise.all(failed.map(({ number }) => sendCommand(services, view.studyId, { type: 'retry', number })));
    }),
    commands.registerCommand('hpo.stopAgent', async () => {
      await guarded(services.log, async () => {
        if (!(await services.link.join())) return void window.showInformationMessage('The agent is not running.');
        await (await services.link.client()).request('agent/stop', {});
        return void window.setStatusBarMessage(
          'HPO: the agent stopped; running trials go on until the next one takes over',
          10_000,
        );
      });
    }),
  ];
}

/** Sends a command; false when it could not be delivered, which is shown. */
export async function sendCommand(services: Services, studyId: string, command: StudyCommand): Promise<boolean> {
  if (!workspace.isTrusted) {
    void window.showInformationMessage('Studies can be read but not changed in a workspace that is not trusted.');
    return false;
  }
  const done = await guarded(
    services.log,
    async () => await (await services.link.client()).request('study/command', { studyId, command }),
  );
  return done !== undefined;
}

/** Deletes after a modal question; used by the panel too. */
export async function confirmDelete(services: Services, view: StudyView): Promise<void> {
  const button = 'Delete';
  const detail = `${view.trials.length} trials with their values and logs go with it.${isActive(view) ? ' It is still running and will be stopped.' : ''}`;
  const chosen = await window.showWarningMessage(
    messageText(`Delete the study ${view.spec.name}?`),
    { modal: true, detail },
    button,
  );
  if (chosen === button) await sendCommand(services, view.studyId, { type: 'delete' });
}

/** The trial that a command is meant for: the one of the tree, else chosen by quick pick. */
export async function chooseTrial(
  services: Services,
  argument: StudyNode | undefined,
  title: string,
  fits: (trial: TrialView) => boolean,
  none: string,
): Promise<{ readonly view: StudyView; readonly trial: TrialView } | undefined> {
  const view = await chooseStudy(services, argument, title, (one) => stateHere(one) !== 'moved' && one.trials.some(fits), none);
  if (view === undefined) return undefined;
  const number = argument?.kind === 'trial' ? argument.number : undefined;
  const trials = view.trials.filter((trial) => fits(trial) && (number === undefined || trial.number === number));
  if (trials.length === 0) void window.showInformationMessage(none);
  const [only] = trials;
  if (number !== undefined || trials.length === 1) return only === undefined ? undefined : { view, trial: only };
  const items = trials.toReversed().map((trial) => ({
    label: `#${trial.number}`,
    description: labelText(`${shownState(trial)} · ${formatParams(trial.params, 80)}`),
    trial,
  }));
  const picked = await window.showQuickPick(items, { title, placeHolder: 'Which trial?' });
  return picked === undefined ? undefined : { view, trial: picked.trial };
}

export function isRetriable({ state }: TrialView): boolean {
  return state === 'failed' || state === 'cancelled';
}

function isActive(view: StudyView): boolean {
  return !['ended', 'moved'].includes(stateHere(view));
}
