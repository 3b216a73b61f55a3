import {
  Disposable,
  EventEmitter,
  MarkdownString,
  ThemeColor,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  type TreeDataProvider,
  type TreeView,
  window,
} from 'vscode';
import { formatDuration, formatMetric, formatParams, formatValue, plural } from '../../agent/protocol/format.ts';
import { adviceOf } from '../../agent/protocol/failureAdvice.ts';
import type { TrialState } from '../../agent/protocol/study.ts';
import { shownState, waitLine, waitOf, waitsOf, waitText } from '../../agent/protocol/waits.ts';
import { countTrials, stateHere, type StudyView, type TrialView, unreachable } from '../../agent/protocol/view.ts';
import { throttle } from '../client/throttle.ts';
import { currentValue, environmentText, progressText, stateText, waitingText } from '../format.ts';
import type { Services } from '../services.ts';
import { nodeId, type StudyNode, type TrialGroup, trialGroups, trialsOf } from './studyNodes.ts';
import { printable, printableLine } from '../../agent/protocol/printable.ts';

export type { StudyNode } from './studyNodes.ts';

const refreshMs = 500;

/** The trial explorer: studies, newest first, and their trials with state, value, time and params, live. */
export class StudyTree extends Disposable implements TreeDataProvider<StudyNode> {
  readonly #services: Pick<Services, 'store' | 'link'>;
  readonly #changed = new EventEmitter<StudyNode[] | undefined>();
  readonly #subscriptions: Disposable;
  readonly #tree: TreeView<StudyNode>;
  /** How a study was first drawn: what the user then folds stays as it is. */
  readonly #firstStates = new Map<string, TreeItemCollapsibleState>();
  readonly onDidChangeTreeData = this.#changed.event;
  /** One object a node: VS Code knows a node that is to be redrawn by its identity. */
  readonly #nodes = new Map<string, StudyNode>();
  /** What the shape of the tree followed from when it was last drawn as a whole. */
  #shape = '';

  constructor(services: Pick<Services, 'store' | 'link'>) {
    super(() => this.#subscriptions.dispose());
    this.#services = services;
    this.#tree = window.createTreeView('hpo.studies', { treeDataProvider: this, showCollapseAll: true });
    const refresh = throttle(() => this.#refresh(), refreshMs);
    const following = services.store.onChange(refresh.call);
    this.#subscriptions = Disposable.from(
      this.#tree,
      this.#changed,
      new Disposable(() => {
        following[Symbol.dispose]();
        refresh.cancel();
      }),
    );
  }

  getChildren(node?: StudyNode): StudyNode[] {
    return this.#childrenOf(node).map((child) => {
      const id = nodeId(child);
      const known = this.#nodes.get(id) ?? child;
      this.#nodes.set(id, known);
      return known;
    });
  }

  #childrenOf(node: StudyNode | undefined): StudyNode[] {
    if (node === undefined) return this.#services.store.list().map(({ studyId }) => ({ kind: 'study', studyId }));
    const view = this.#services.store.get(node.studyId);
    if (view === undefined || node.kind === 'trial') return [];
    const { studyId } = node;
    if (node.kind === 'group')
      return trialsOf(view, node.group).map(({ number }) => ({ kind: 'trial', studyId, group: node.group, number }));
    return trialGroups.filter((group) => trialsOf(view, group).length > 0).map((group) => ({ kind: 'group', studyId, group }));
  }

  getTreeItem(node: StudyNode): TreeItem {
    const view = this.#services.store.get(node.studyId);
    const item = view === undefined ? new TreeItem('') : drawNode(view, node);
    item.id = nodeId(node);
    if (node.kind === 'study') item.collapsibleState = this.#firstState(node.studyId);
    return item;
  }

  getParent(node: StudyNode): StudyNode | undefined {
    const { studyId } = node;
    if (node.kind === 'study') return undefined;
    return node.kind === 'group' ? { kind: 'study', studyId } : { kind: 'group', studyId, group: node.group };
  }

  /** Open are the newest study and those that run. */
  #firstState(studyId: string): TreeItemCollapsibleState {
    const known = this.#firstStates.get(studyId);
    if (known !== undefined) return known;
    const [newest] = this.#services.store.list();
    const isOpen = newest?.studyId === studyId || !isOver(this.#services.store.get(studyId));
    const state = isOpen ? TreeItemCollapsibleState.Expanded : TreeItemCollapsibleState.Collapsed;
    this.#firstStates.set(studyId, state);
    return state;
  }

  /** The rows that read differently although nothing else changed. */
  #runningTrials(): StudyNode[] {
    return [...this.#nodes.values()].filter(
      (node) => node.kind === 'trial' && this.#services.store.get(node.studyId)?.trials[node.number]?.state === 'running',
    );
  }

  #refresh(): void {
    const running = this.#services.store.list().filter((view) => stateHere(view) === 'running').length;
    this.#tree.badge =
      running === 0
        ? undefined
        : { value: running, tooltip: `${running === 1 ? '1 study is' : `${running} studies are`} running` };
    const shape = this.#services.store.list().map(shapeOf).join('\n');
    // A tree that is drawn as a whole forgets its rows for a moment, and a menu that is open on one its trial.
    this.#changed.fire(shape === this.#shape ? this.#runningTrials() : undefined);
    this.#shape = shape;
  }
}

/** Changes whenever a row comes, goes, moves, or when the row of a study or group reads differently. */
function shapeOf(view: StudyView): string {
  const counts = Object.values(countTrials(view)).join(' ');
  return `${view.studyId} ${view.state} ${view.movedTo} ${view.trials.length} ${counts} ${view.incumbent} ${view.message} ${waitsOf(view).map(waitLine).join(' ')}`;
}

function drawNode(view: StudyView, node: StudyNode): TreeItem {
  if (node.kind === 'study') return drawStudy(view);
  if (node.kind === 'group') return drawGroup(view, node.group);
  const trial = view.trials[node.number];
  return trial === undefined ? new TreeItem('') : drawTrial(view, trial, node);
}

function drawStudy(view: StudyView): TreeItem {
  const item = new TreeItem(printableLine(view.spec.name));
  const place = { local: '', docker: 'Docker', kubernetes: 'Kubernetes' }[view.spec.executor];
  const here = stateHere(view);
  const waits = isOver(view) ? [] : waitsOf(view);
  const waiting = waitingText(view);
  item.description = [progressText(view), view.state === 'ended' ? '' : stateText(view), waiting, place]
    .filter((part) => part !== '')
    .join(' · ');
  item.iconPath = studyIcon(view);
  const hasFailed = view.trials.some(({ state }) => state === 'failed');
  item.contextValue = `study.${here}${hasFailed ? '.failed' : ''}${view.incumbent === null ? '' : '.best'}`;
  const started = new Date(view.createdAt).toLocaleString();
  const objectives = view.spec.objectives.map(({ metric, direction }) => `${metric} ${direction}`).join(', ');
  item.tooltip = new MarkdownString()
    .appendText(
      printable(`${view.spec.script ?? view.spec.name}: ${stateText(view)}${view.message === '' ? '' : ` (${view.message})`}`),
    )
    .appendText(view.failure === null ? '' : printable(`\n${adviceOf(view.failure)}`))
    .appendText(printable(waits.map((wait) => `\n${waitLine(wait)}`).join('')))
    .appendText(printable(`\nStarted ${started}\nObjective: ${objectives}\n${environmentText(view.spec)}`));
  item.accessibilityInformation = {
    label: `Study ${view.spec.name}, ${stateText(view)}, ${progressText(view).replace('/', ' of ')}${waiting === '' ? '' : `, ${waiting}`}${place === '' ? '' : view.spec.executor === 'docker' ? ', in Docker' : ', on Kubernetes'}`,
  };
  return item;
}

function studyIcon(view: StudyView): ThemeIcon {
  const state = stateHere(view);
  switch (state) {
    case 'moved':
      return new ThemeIcon('export');
    case 'running':
    case 'stopping':
      return new ThemeIcon('sync~spin');
    case 'paused':
      return view.failure === null
        ? new ThemeIcon('debug-pause')
        : new ThemeIcon('warning', new ThemeColor('list.warningForeground'));
    case 'ended':
      return view.endReason === 'failed'
        ? new ThemeIcon('error', new ThemeColor('list.errorForeground'))
        : new ThemeIcon('beaker');
    default:
      return unreachable(state);
  }
}

/** Nothing of it happens here any more. */
function isOver(view: StudyView | undefined): boolean {
  return view === undefined || ['ended', 'moved'].includes(stateHere(view));
}

const groupLabels: Readonly<Record<TrialGroup, string>> = {
  running: 'Running',
  waiting: 'Waiting',
  best: 'Best',
  all: 'All trials',
};

function drawGroup(view: StudyView, group: TrialGroup): TreeItem {
  const count = trialsOf(view, group).length;
  const item = new TreeItem(
    groupLabels[group],
    group === 'all' ? TreeItemCollapsibleState.Collapsed : TreeItemCollapsibleState.Expanded,
  );
  item.description = String(count);
  item.contextValue = `group.${group}`;
  item.accessibilityInformation = { label: `${groupLabels[group]}, ${plural(count, 'trial')}` };
  return item;
}

function drawTrial(view: StudyView, trial: TrialView, node: StudyNode): TreeItem {
  const value = currentValue(view, trial);
  const time = trialTime(trial);
  const item = new TreeItem(`#${trial.number}`, TreeItemCollapsibleState.None);
  const hasMoved = view.movedTo !== null;
  const wait = hasMoved ? null : waitOf(trial);
  const state = wait === null ? shownState(trial) : waitText(wait);
  item.description = [
    value === null || wait !== null ? printableLine(state) : formatMetric(value),
    time,
    printableLine(formatParams(trial.params, 60)),
  ]
    .filter((part) => part !== '')
    .join(' · ');
  item.iconPath =
    view.incumbent === trial.number
      ? new ThemeIcon('star-full', new ThemeColor('charts.yellow'))
      : trialIcon(shownState(trial), hasMoved);
  item.contextValue = hasMoved ? 'trial.moved' : `trial.${trial.state}`;
  item.tooltip = trialTooltip(view, trial, time);
  item.command = { command: 'hpo.showTrialLog', title: 'Show Trial Log', arguments: [node] };
  const metric = view.spec.objectives[0]?.metric ?? 'value';
  item.accessibilityInformation = {
    label: `Trial ${trial.number}${view.incumbent === trial.number ? ', the best' : ''}, ${state}${value === null ? '' : `, ${metric} ${formatMetric(value)}`}${time === '' ? '' : `, ${time}`}`,
  };
  return item;
}

function trialTime(trial: TrialView): string {
  return trial.startedAt === null || trial.endedAt === null ? '' : formatDuration(trial.endedAt - trial.startedAt);
}

function trialTooltip(view: StudyView, trial: TrialView, time: string): MarkdownString {
  const tooltip = new MarkdownString(
    `**Trial ${trial.number}** · ${shownState(trial)}${time === '' ? '' : ` · ${time}`}\n\n| parameter | value |\n|---|---|\n`,
  );
  const row = (name: string, value: string): void =>
    void tooltip.appendMarkdown('| ').appendText(cell(name)).appendMarkdown(' | ').appendText(cell(value)).appendMarkdown(' |\n');
  for (const [name, value] of Object.entries(trial.params)) row(name, formatValue(value));
  for (const { metric } of view.spec.objectives) row(metric, formatMetric(trial.values[metric]));
  tooltip.appendMarkdown('\n');
  const wait = view.movedTo === null ? waitOf(trial) : null;
  if (wait !== null) tooltip.appendText(printable(`${waitText(wait)}\n`));
  if (trial.failure !== null) tooltip.appendText(printable(`${trial.failure.message}\n`));
  if (trial.reason !== '') tooltip.appendText(printable(trial.reason));
  return tooltip;
}

/** One line in a table of Markdown, whose cells a stroke would end: it is written as a sign that looks like it. */
function cell(text: string): string {
  return printableLine(text).replaceAll('|', '∣');
}

const trialIcons: Readonly<Record<TrialState, readonly [icon: string, color?: string]>> = {
  waiting: ['circle-outline'],
  running: ['sync~spin'],
  paused: ['debug-pause'],
  complete: ['pass', 'testing.iconPassed'],
  pruned: ['discard'],
  failed: ['error', 'testing.iconFailed'],
  infeasible: ['circle-slash'],
  cancelled: ['stop-circle'],
};

/** What ran when its study moved away does not run here. */
function trialIcon(state: TrialState, hasMoved: boolean): ThemeIcon {
  const [icon, color] = trialIcons[hasMoved && state === 'running' ? 'waiting' : state];
  return new ThemeIcon(icon, color === undefined ? undefined : new ThemeColor(color));
}
