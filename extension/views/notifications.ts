import { commands, Disposable, Uri, window, workspace } from 'vscode';
import type { JournalEntry, StudyEvent } from '../../agent/protocol/events.ts';
import { bestTrial, metricNumber, type StudyView } from '../../agent/protocol/view.ts';
import { scriptPath } from '../client/studyStore.ts';
import { settings } from '../config.ts';
import { bestValue, countedFailures } from '../format.ts';
import type { Services } from '../services.ts';

/** One notification when a study of this window's folders ends; nothing else pops up. */
export function endNotifications({ store }: Pick<Services, 'store'>): Disposable {
  // What ended before this window looked is history, not news.
  const openedAt = Date.now();
  const following = store.onChange(({ entries }) => {
    for (const entry of entries)
      if (isEnd(entry) && entry.event.at >= openedAt) void announce(store.get(entry.studyId), entry.event);
  });
  return new Disposable(() => following[Symbol.dispose]());
}

type Ended = JournalEntry & { readonly event: Extract<StudyEvent, { type: 'studyEnded' }> };

function isEnd(entry: JournalEntry): entry is Ended {
  return entry.event.type === 'studyEnded';
}

async function announce(view: StudyView | undefined, event: Ended['event']): Promise<void> {
  const path = view === undefined ? null : scriptPath(view);
  if (view === undefined || path === null || workspace.getWorkspaceFolder(Uri.file(path)) === undefined) return;
  const { notifications } = settings(Uri.file(path));
  const isFault = event.reason === 'failed';
  if (notifications === 'off' || (notifications === 'faults' && !isFault)) return;
  const best = bestTrial(view);
  if (best === null) {
    const show = 'Show';
    const text = `${view.spec.name}: the study ended without a completed trial. ${event.message} ${countedFailures(view)}`.trim();
    const chosen = isFault ? await window.showErrorMessage(text, show) : await window.showInformationMessage(text, show);
    if (chosen === show) await commands.executeCommand('hpo.showPanel', view.studyId);
    return;
  }
  const [insert, show] = ['Insert', 'Show'];
  const metric = view.spec.objectives[0]?.metric ?? 'value';
  const chosen = await window.showInformationMessage(
    `${view.spec.name}: best ${metric} ${bestValue(view)}, trial ${best.number}${gainText(view)}.`,
    insert,
    show,
  );
  if (chosen === insert) await commands.executeCommand('hpo.insertBest', view.studyId);
  if (chosen === show) await commands.executeCommand('hpo.showPanel', view.studyId);
}

/** What the best gained over trial 0, which ran with the script's own values. */
function gainText(view: StudyView): string {
  const metric = view.spec.objectives[0]?.metric;
  const [baseline] = view.trials;
  if (metric === undefined || baseline?.origin !== 'default' || baseline.state !== 'complete' || view.incumbent === null)
    return '';
  if (view.incumbent === 0) return ': your own values were the best';
  const own = metricNumber(baseline.values[metric]);
  const gain = Math.abs((metricNumber(view.trials[view.incumbent]?.values[metric]) - own) / own) * 100;
  return Number.isFinite(gain) ? `, ${gain.toFixed(1)} % better than your values` : '';
}
