import { HpoError } from '../protocol/errors.ts';
import type { StudySummary } from '../protocol/requests.ts';
import type { AgentClient } from './agentConnection.ts';

/** One of the two agents between which a study moves. */
export interface MoveEnd {
  readonly client: Pick<AgentClient, 'request'>;
  /** Where it is, for people: `this machine (name)`, `the cluster's agent (context/namespace)`. */
  readonly place: string;
}

/** A piece that is read at one side and written at the other at a time; one is on its way in each direction. */
export interface MoveProgress {
  (line: string): void;
}

/**
 * Moves a study, or goes on with a move that was cut: `prepared` at the target (it has all of the study and could take it), `committed` at
 * the source (it acts on it no more), `activated` at the target. Until it is committed the study is where it was, and nothing is lost by a
 * cut; from then on it is on its way, and only the same target can take it. Returns whether there was anything to do.
 *
 * Rejects with HPO-4004 where the source has no such study, HPO-2505 where its trials run on the source's own machine, HPO-2508 where it is
 * on its way elsewhere, HPO-2524 where the target could do nothing with it.
 */
export async function moveStudy(studyId: string, from: MoveEnd, to: MoveEnd, onProgress: MoveProgress): Promise<boolean> {
  const { id: agent } = await to.client.request('agent/status', {});
  const there = await summary(to, studyId);
  if (there !== undefined && there.movedTo === null) return false;
  const here = await summary(from, studyId);
  if (here === undefined)
    throw new HpoError('HPO-4004', `there is no study "${studyId}" in ${from.place}`, 'list them with: hpo status', {
      exitCode: 3,
    });
  const { moves, movedTo } = here;
  if (movedTo === null) {
    await refuseUnreaching(to.client);
    onProgress(`copying what ${to.place} needs of ${studyId}`);
    await carry(studyId, from, to, false, onProgress);
    await from.client.request('move/leave', { studyId, to: to.place, agent, epoch: moves + 1 });
  }
  onProgress(`${studyId} has left ${from.place}`);
  // After a cut nothing is known of what is there.
  await carry(studyId, from, to, movedTo === null, onProgress);
  await to.client.request('move/arrive', { studyId, from: from.place });
  await from.client.request('move/done', { studyId });
  return true;
}

/** Rejects with HPO-2524 where the agent is in a cluster whose API server it does not reach: what it would be given stood still there. */
export async function refuseUnreaching(client: MoveEnd['client']): Promise<void> {
  const { problem } = await client.request('agent/reach', {});
  if (problem !== null) throw new HpoError(problem.code, problem.message, problem.next, { exitCode: 4 });
}

async function summary({ client }: MoveEnd, studyId: string): Promise<StudySummary | undefined> {
  return (await client.request('study/list', {})).studies.find((study) => study.studyId === studyId);
}

const bytesOfMegabyte = 1024 * 1024;

async function carry(studyId: string, from: MoveEnd, to: MoveEnd, isRest: boolean, onProgress: MoveProgress): Promise<void> {
  const { bytes, sha256 } = await from.client.request('move/pack', { studyId, isRest });
  let offset = 0;
  let next = from.client.request('move/read', { studyId, offset });
  while (offset < bytes) {
    const { data } = await next;
    const length = Buffer.byteLength(data, 'base64');
    if (length === 0) break;
    const written = to.client.request('move/write', { studyId, offset, data });
    offset += length;
    if (offset < bytes) {
      next = from.client.request('move/read', { studyId, offset });
      // Told when it is its turn.
      next.catch(() => undefined);
    }
    await written;
    if (bytes > 8 * bytesOfMegabyte)
      onProgress(`${(offset / bytesOfMegabyte).toFixed(0)} of ${(bytes / bytesOfMegabyte).toFixed(0)} MB`);
  }
  await to.client.request('move/unpack', { studyId, sha256, isRest });
}
