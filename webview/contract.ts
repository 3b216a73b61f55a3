import type { JournalEntry } from '../agent/protocol/events.ts';
import type { StudyCommand } from '../agent/protocol/requests.ts';
import type { StudyView } from '../agent/protocol/view.ts';

/** Messages from the extension host to the panel's page. */
export type ToPage =
  /** The whole study: on opening, after a reconnect, and when another study is chosen. */
  | { readonly type: 'study'; readonly view: StudyView }
  /** What happened since; a page folds these with `foldView`. */
  | {
      readonly type: 'entries';
      readonly studyId: string;
      readonly entries: readonly JournalEntry[];
      /** `seq` of the entry before these in the study's stream. A page whose view ends earlier asks for the whole study again (`ready`). */
      readonly after?: number;
    }
  /** What the host waits for, or why there is nothing to show; null clears it. */
  | { readonly type: 'notice'; readonly notice: Notice | null }
  | { readonly type: 'log'; readonly trial: number; readonly text: string; readonly isEnded: boolean };

export interface Notice {
  readonly severity: 'info' | 'warning' | 'error';
  readonly text: string;
}

/** Messages from the page to the extension host. */
export type ToHost =
  | { readonly type: 'ready' }
  | { readonly type: 'command'; readonly command: StudyCommand }
  | { readonly type: 'insertBest' }
  | { readonly type: 'openLog'; readonly trial: number }
  | { readonly type: 'openSource' };

/** What the page keeps through `setState`, so that a reload restores it. */
export interface PageState {
  readonly studyId: string;
  readonly selectedTrial: number | null;
}
