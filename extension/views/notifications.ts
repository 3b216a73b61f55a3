import { commands, Disposable, Uri, window, workspace } from 'vscode';
import type { JournalEntry, StudyEvent } from '../../agent/protocol/events.ts';
import { adviceOf, failedTrial } from '../../agent/protocol/failureAdvice.ts';
import { gainFigure, gainOf, gainSentence } from '../../agent/protocol/gain.ts';
import type { Failure } from '../../agent/protocol/study.ts';
import { bestTrial, type StudyView } from '../../agent/protocol/view.ts';
import { scriptPath } from '../client/studyStore.ts';
import { settings } from '../config.ts';
import { bestValue, countedFailures } from '../format.ts';
import type { Services } from '../services.ts';
import { messageText } from '../plainText.ts';

/** One notification when a study of this window's folders ends, or pauses itself for a fault; nothing else pops up. */
export function endNotifications({ store }: Pick<Services, 'store'>): Disposable {
  // What ended before this window looked is history, not news.
  const openedAt = Date.now();
  const following = store.onChange(({ entries }) => {
    for (const entry of entries)
      if (isEnd(entry) && entry.event.at >= openedAt) void announce(store.get(entry.studyId), entry.event);
      else if (isSelfPause(entry) && entry.event.at >= openedAt) void announcePause(store.get(entry.studyId), entry.event);
  });
  return new Disposable(() => following[Symbol.dispose]());
}

type Ended = JournalEntry & { readonly event: Extract<StudyEvent, { type: 'studyEnded' }> };

function isEnd(entry: JournalEntry): entry is Ended {
  return entry.event.type === 'studyEnded';
}

type SelfPaused = JournalEntry & { readonly event: Extract<StudyEvent, { type: 'studyPaused' }> & { readonly failure: Failure } };

function isSelfPause(entry: JournalEntry): entry is SelfPaused {
  return entry.event.type === 'studyPaused' && entry.event.failure !== undefined;
}

/** The cause, what mends it, and the two ways on: resume, or look first. */
async function announcePause(view: StudyView | undefined, { reason, failure }: SelfPaused['event']): Promise<void> {
  if (view === undefined || !isOfWindow(view)) return;
  if (settings(Uri.file(scriptPath(view) ?? view.spec.root)).notifications === 'off') return;
  const trial = failedTrial(view);
  const resume = 'Resume';
  const show = trial === null ? null : `Show Log of Trial ${trial}`;
  const actions = show === null ? [resume] : [resume, show];
  const chosen = await window.showErrorMessage(
    messageText(`${view.spec.name} paused itself. ${reason} ${adviceOf(failure)}`),
    ...actions,
  );
  if (chosen === resume) await commands.executeCommand('hpo.resumeStudy', view.studyId);
  if (chosen !== undefined && chosen === show)
    await commands.executeCommand('hpo.showTrialLog', { kind: 'trial', studyId: view.studyId, group: 'all', number: trial });
}

function isOfWindow(view: StudyView): boolean {
  const path = scriptPath(view);
  return path !== null && workspace.getWorkspaceFolder(Uri.file(path)) !== undefined;
}

async function announce(view: StudyView | undefined, event: Ended['event']): Promise<void> {
  if (view === undefined || !isOfWindow(view)) return;
  const { notifications } = settings(Uri.file(scriptPath(view) ?? view.spec.root));
  const isFault = event.reason === 'failed';
  if (notifications === 'off' || (notifications === 'faults' && !isFault)) return;
  if (isFault) return await announceFailure(view, event.message);
  const best = bestTrial(view);
  if (best === null) {
    const show = 'Show';
    const text = `${view.spec.name}: the study ended without a completed trial. ${event.message} ${countedFailures(view)}`.trim();
    if ((await window.showInformationMessage(messageText(text), show)) === show)
      await commands.executeCommand('hpo.showPanel', view.studyId);
    return;
  }
  const [insert, show] = ['Insert', 'Show'];
  const metric = view.spec.objectives[0]?.metric ?? 'value';
  const chosen = await window.showInformationMessage(
    messageText(`${view.spec.name}: best ${metric} ${bestValue(view)}, trial ${best.number}${gainText(view, best.number)}.`),
    insert,
    show,
  );
  if (chosen === insert) await commands.executeCommand('hpo.insertBest', view.studyId);
  if (chosen === show) await commands.executeCommand('hpo.showPanel', view.studyId);
}

/** The cause, which the message names, and the way to the log that shows it in full. */
async function announceFailure(view: StudyView, message: string): Promise<void> {
  const text = messageText(`${view.spec.name} failed. ${message}`);
  const trial = view.trials.findLast(({ failure }) => failure !== null && message.includes(failure.message));
  const number = (trial ?? view.trials.findLast(({ failure }) => failure !== null))?.number;
  if (number === undefined) return void window.showErrorMessage(text);
  const show = `Show Log of Trial ${number}`;
  if ((await window.showErrorMessage(text, show)) === show)
    await commands.executeCommand('hpo.showTrialLog', { kind: 'trial', studyId: view.studyId, group: 'all', number });
}

function gainText(view: StudyView, number: number): string {
  const trial = view.trials[number];
  const gain = trial === undefined ? null : gainOf(view, trial);
  if (gain === null) return '';
  return gain.verdict === 'equal' ? `, ${gainSentence(gain)}` : `, ${gainFigure(gain)}, ${gainSentence(gain)}`;
}
