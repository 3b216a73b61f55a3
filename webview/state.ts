import type { JournalEntry } from '../agent/protocol/events.ts';
import type { TrialState } from '../agent/protocol/study.ts';
import { copyTrial, foldView, type StudyView, type TrialView } from '../agent/protocol/view.ts';
import type { Notice, PageState, ToHost, ToPage } from './contract.ts';
import { nextSort, type Sort } from './trialRows.ts';

/** Everything the page shows. Values are never changed in place, so identity tells what is new. */
export interface PanelState {
  readonly view: StudyView | null;
  readonly notice: Notice | null;
  /** A gap was seen and the whole study asked for; entries are ignored until it comes. */
  readonly isResyncing: boolean;
  readonly selectedTrial: number | null;
  readonly sort: Sort;
  /** States that the table shows; empty means all. */
  readonly states: readonly TrialState[];
  readonly log: Extract<ToPage, { type: 'log' }> | null;
  readonly isStopAsked: boolean;
  /** What the page kept before a reload; used once, if the same study comes. */
  readonly restored: PageState | null;
  /** A report: nothing can be commanded. */
  readonly isReadOnly: boolean;
}

export type Action =
  | ToPage
  | { readonly type: 'undecodable'; readonly problem: string }
  | { readonly type: 'trialSelected'; readonly trial: number | null }
  | { readonly type: 'columnClicked'; readonly key: string }
  | { readonly type: 'stateToggled'; readonly state: TrialState }
  | { readonly type: 'filterCleared' }
  | { readonly type: 'stopAsked' }
  | { readonly type: 'stopDismissed' }
  | { readonly type: 'hostAsked'; readonly message: ToHost };

export function initialState(options: { restored: PageState | null; isReadOnly: boolean }): PanelState {
  return {
    view: null,
    notice: null,
    isResyncing: false,
    selectedTrial: null,
    sort: { key: 'number', isDescending: false },
    states: [],
    log: null,
    isStopAsked: false,
    ...options,
  };
}

/** One step of the page: the new state and what the host is to be told. */
export function reduce(state: PanelState, action: Action): [PanelState, ToHost[]] {
  switch (action.type) {
    case 'study':
      return [withStudy(state, action.view), []];
    case 'entries':
      return withEntries(state, action);
    case 'notice':
      return [{ ...state, notice: action.notice }, []];
    case 'log':
      return [{ ...state, log: action }, []];
    case 'undecodable':
      return [{ ...state, notice: { severity: 'error', text: undecodableText(action.problem) } }, []];
    case 'trialSelected': {
      const selectedTrial = action.trial !== null && state.view?.trials[action.trial] === undefined ? null : action.trial;
      return [{ ...state, selectedTrial }, []];
    }
    case 'columnClicked':
      return state.view === null ? [state, []] : [{ ...state, sort: nextSort(state.view, state.sort, action.key) }, []];
    case 'stateToggled': {
      const states = state.states.includes(action.state)
        ? state.states.filter((s) => s !== action.state)
        : [...state.states, action.state];
      return [{ ...state, states }, []];
    }
    case 'filterCleared':
      return [{ ...state, states: [] }, []];
    case 'stopAsked':
      return [{ ...state, isStopAsked: true }, []];
    case 'stopDismissed':
      return [{ ...state, isStopAsked: false }, []];
    case 'hostAsked':
      return state.isReadOnly ? [state, []] : [{ ...state, isStopAsked: false }, [action.message]];
    default:
      throw new TypeError(`unhandled action ${JSON.stringify(action satisfies never)}`);
  }
}

/** What is kept over a reload. */
export function pageStateOf(state: PanelState): PageState | null {
  return state.view === null ? null : { studyId: state.view.studyId, selectedTrial: state.selectedTrial };
}

function withStudy(state: PanelState, view: StudyView): PanelState {
  const isSame = state.view?.studyId === view.studyId;
  const wanted = isSame ? state.selectedTrial : state.restored?.studyId === view.studyId ? state.restored.selectedTrial : null;
  return {
    ...state,
    view,
    isResyncing: false,
    restored: null,
    selectedTrial: wanted !== null && view.trials[wanted] !== undefined ? wanted : null,
    ...(isSame ? {} : { states: [], log: null, isStopAsked: false }),
  };
}

function withEntries(state: PanelState, message: Extract<ToPage, { type: 'entries' }>): [PanelState, ToHost[]] {
  const { view } = state;
  // Entries of another study, or ones that the coming snapshot holds anyway.
  if (view === null || state.isResyncing || message.studyId !== view.studyId) return [state, []];
  const folded = message.after !== undefined && message.after > view.seq ? null : foldEntries(view, message.entries);
  if (folded === null) return [{ ...state, isResyncing: true }, [{ type: 'ready' }]];
  const isStopAsked = state.isStopAsked && folded.state !== 'stopping' && folded.state !== 'ended';
  return [{ ...state, view: folded, isStopAsked }, []];
}

/**
 * The view after the entries, as a new value that shares every untouched trial with the old one.
 * Null when they do not follow on the view: something between was missed.
 */
export function foldEntries(view: StudyView, entries: readonly JournalEntry[]): StudyView | null {
  const next: StudyView = { ...view, trials: view.trials.slice() };
  const copied = new Set<number>();
  for (const entry of entries) {
    if (entry.studyId !== view.studyId) return null;
    if (entry.seq <= next.seq) continue;
    const event = entry.event;
    if ('number' in event) {
      if (event.type === 'trialCreated') {
        if (event.number !== next.trials.length) return null;
        copied.add(event.number);
      } else {
        const trial = next.trials[event.number];
        if (trial === undefined || !doesFollow(trial, event)) return null;
        if (!copied.has(event.number)) {
          next.trials[event.number] = copyTrial(trial);
          copied.add(event.number);
        }
      }
    }
    foldView(next, entry);
  }
  return next;
}

function doesFollow(trial: TrialView, event: JournalEntry['event']): boolean {
  if (!('attempt' in event)) return true;
  return event.type === 'attemptRequested' ? event.attempt === trial.attempts.length + 1 : event.attempt <= trial.attempts.length;
}

function undecodableText(problem: string): string {
  return `The panel could not read a message of the extension (${problem}). Reload the window; if it comes again, the agent and the extension are of different versions: run "hpo agent stop" and reload.`;
}
