import { setTimeout as delay } from 'node:timers/promises';
import { HpoError } from '../protocol/errors.ts';
import type { AgentClient } from '../client/index.ts';
import { remedyOf } from '../protocol/failureAdvice.ts';
import type { JournalEntry } from '../protocol/events.ts';
import { createView, foldView, type StudyView } from '../protocol/view.ts';
import type { CommandLine } from './commandLine.ts';

/** Times a lost agent is started again before giving up. */
const maxReconnects = 20;
/** Pause before an agent elsewhere is connected to again: doubled each time. */
const reconnectMs = 250;
const longestReconnectMs = 15_000;

/**
 * Follows a study to its end, over restarts of the agent: each reconnection goes on after the last entry seen. A study that paused
 * itself, and of which nothing runs any more, waits for its user: that is an end too.
 * Resolves with the view at the end, or as it was when the signal aborted.
 */
export async function followStudy(
  line: CommandLine,
  studyId: string,
  onEntry: (view: StudyView, entry: JournalEntry) => void,
  signal: AbortSignal,
): Promise<StudyView> {
  let view: StudyView | null = null;
  const ended = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => ended.resolve(), { once: true });
  const take = (entries: readonly JournalEntry[]): void => {
    for (const entry of entries) {
      if (view === null) view = createView(entry);
      else if (entry.seq > view.seq) foldView(view, entry);
      else continue;
      onEntry(view, entry);
      if (entry.event.type === 'studyEnded' || entry.event.type === 'studyDeleted' || entry.event.type === 'studyMovedAway')
        ended.resolve();
    }
    if (view !== null && hasGivenUp(view)) ended.resolve();
  };
  for (let n = 0; n < maxReconnects; n++) {
    const client = await connected(line, n);
    if (client === null) continue;
    await client.subscribe(studyId, (view as StudyView | null)?.seq ?? 0, take);
    const outcome = await Promise.race([ended.promise.then(() => 'ended' as const), client.closed.then(() => 'lost' as const)]);
    if (outcome === 'ended') break;
    line.forgetAgent();
    const { remoteAgent } = line;
    if (remoteAgent === null) {
      line.note('the agent is gone; starting another one (running trials go on)');
      continue;
    }
    line.note(`the connection to ${remoteAgent.place} was lost; connecting again (the study goes on)`);
    if (n > 0) await delay(Math.min(reconnectMs * 2 ** n, longestReconnectMs));
  }
  if (view === null) throw new HpoError('HPO-5002', `nothing is known of study ${studyId}`, 'look with: hpo status');
  return view;
}

/** Null where an agent elsewhere, to which there was a connection before, cannot be reached now. */
async function connected(line: CommandLine, n: number): Promise<AgentClient | null> {
  try {
    return await line.agent();
  } catch (error) {
    if (line.remoteAgent === null || n === 0 || n === maxReconnects - 1) throw error;
    await delay(Math.min(reconnectMs * 2 ** n, longestReconnectMs));
    return null;
  }
}

/** It paused itself, does not go on by itself, and nothing that still runs could show that it was wrong to. */
export function hasGivenUp(view: StudyView): boolean {
  return (
    view.state === 'paused' &&
    view.failure !== null &&
    remedyOf(view.failure) !== 'wait' &&
    view.trials.every(({ state }) => state !== 'running')
  );
}
