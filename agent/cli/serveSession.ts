import { AskTell } from '../core/study/index.ts';
import { HpoError } from '../protocol/errors.ts';
import { printableJson } from '../protocol/printable.ts';
import { unreachable } from '../protocol/view.ts';
import { decodeServeRequest } from './serveRequest.ts';

/** What `hpo serve` answers, line by line. A further `create` begins another study and forgets the one before. */
export class ServeSession {
  #study: AskTell | null = null;

  /** The answer to one line, as one line without its end. Never throws. */
  answer(line: string): string {
    try {
      return printableJson(this.#answer(line));
    } catch (error) {
      return printableJson({ error: wireError(error) });
    }
  }

  #answer(line: string): unknown {
    const request = decodeServeRequest(line);
    if (request.type === 'create') {
      this.#study = new AskTell(request.spec);
      return { ok: true };
    }
    if (this.#study === null)
      throw new HpoError('HPO-4502', `"${request.type}" needs a study, and none was created`, 'send {"create": …} first');
    switch (request.type) {
      case 'ask': {
        const trials = this.#study.ask(request.n);
        return trials.length > 0 ? { trials } : { trials, reason: this.#study.waitReason };
      }
      case 'report':
        return { decision: this.#study.report(request.number, request.step, request.values) };
      case 'tell':
        this.#study.tell(request.number, request.state, request.values);
        return { ok: true };
      case 'best':
        return this.#study.best();
      default:
        return unreachable(request);
    }
  }
}

function wireError(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof HpoError) return { code: error.code, message: `${error.message}; next: ${error.next}` };
  return { code: 'HPO-9000', message: `a fault of hpo itself: ${error instanceof Error ? error.message : String(error)}` };
}
