import { metricNumber, type StudyView, type TrialView, unreachable } from '../../agent/protocol/view.ts';
import { shownState } from '../../agent/protocol/waits.ts';

/** What the trial explorer shows, by identity: the view is looked up when a node is drawn, so nodes never grow old. */
export type StudyNode =
  | { readonly kind: 'study'; readonly studyId: string }
  | { readonly kind: 'group'; readonly studyId: string; readonly group: TrialGroup }
  | { readonly kind: 'trial'; readonly studyId: string; readonly group: TrialGroup; readonly number: number };

export type TrialGroup = 'running' | 'waiting' | 'best' | 'all';

export const trialGroups: readonly TrialGroup[] = ['running', 'waiting', 'best', 'all'];

const bestShown = 10;

/** Unique in the tree and stable over refreshes, so that VS Code keeps what is expanded and selected. */
export function nodeId(node: StudyNode): string {
  switch (node.kind) {
    case 'study':
      return node.studyId;
    case 'group':
      return `${node.studyId}/${node.group}`;
    case 'trial':
      return `${node.studyId}/${node.group}/${node.number}`;
    default:
      return unreachable(node);
  }
}

/** Trials of a group in the order shown: running and waiting by number, best first, all with the newest first. */
export function trialsOf(view: StudyView, group: TrialGroup): readonly TrialView[] {
  switch (group) {
    case 'running':
    case 'waiting':
      return view.trials.filter((trial) => shownState(trial) === group);
    case 'best':
      return bestTrials(view).slice(0, bestShown);
    case 'all':
      return view.trials.toReversed();
    default:
      return unreachable(group);
  }
}

/** Complete trials by the first objective; only complete ones compete, as a pruned one never saw the full resource. */
function bestTrials(view: StudyView): readonly TrialView[] {
  const objective = view.spec.objectives[0];
  if (objective === undefined) return [];
  const sign = objective.direction === 'min' ? 1 : -1;
  const key = (trial: TrialView): number => sign * metricNumber(trial.values[objective.metric]);
  return view.trials
    .filter((trial) => trial.state === 'complete' && !Number.isNaN(key(trial)))
    .sort((a, b) => key(a) - key(b) || a.number - b.number);
}
