import type { StudySpec } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { History, type Observation, type Proposal } from '../samplers/index.ts';
import { ProposalBase, type ProposalMoment } from './proposalBase.ts';

/** What one who proposes for others is told, in order; all of it survives a structured clone. */
export type ProposerRequest =
  | { readonly type: 'open'; readonly studyId: string; readonly spec: StudySpec }
  /** What is new in the study's history. */
  | { readonly type: 'observe'; readonly studyId: string; readonly observations: readonly Observation[] }
  | { readonly type: 'propose'; readonly studyId: string; readonly id: number; readonly moment: ProposalMoment }
  | { readonly type: 'close'; readonly studyId: string };

export type ProposerAnswer =
  | { readonly type: 'proposed'; readonly studyId: string; readonly id: number; readonly proposal: Proposal }
  | { readonly type: 'failed'; readonly studyId: string; readonly id: number; readonly message: string };

interface Mirror {
  readonly base: ProposalBase;
  readonly history: History;
}

/** Histories of studies kept in another thread, and the proposals that follow from them: the same as in the study's own. */
export class ProposalMirrors {
  readonly #mirrors = new Map<string, Mirror>();

  /** The answer to `propose`; null for everything else. Throws for what is told of a study that is not open. */
  handle(request: ProposerRequest): ProposerAnswer | null {
    const { studyId } = request;
    switch (request.type) {
      case 'open': {
        const base = new ProposalBase(request.spec);
        this.#mirrors.set(studyId, { base, history: new History(base.space) });
        return null;
      }
      case 'observe': {
        const { history } = this.#mirror(studyId);
        for (const observation of request.observations) history.upsert(observation);
        return null;
      }
      case 'propose': {
        const { id, moment } = request;
        const { base, history } = this.#mirror(studyId);
        try {
          return { type: 'proposed', studyId, id, proposal: base.sampler.propose(base.context(history, moment)) };
        } catch (error) {
          return {
            type: 'failed',
            studyId,
            id,
            message: error instanceof Error ? (error.stack ?? error.message) : String(error),
          };
        }
      }
      case 'close':
        this.#mirrors.delete(studyId);
        return null;
      default:
        return unreachable(request);
    }
  }

  #mirror(studyId: string): Mirror {
    const mirror = this.#mirrors.get(studyId);
    if (mirror === undefined) throw new RangeError(`study ${studyId} is not open`);
    return mirror;
  }
}
