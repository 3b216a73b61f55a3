import { HpoError } from '../protocol/errors.ts';
import { askOnTerminal, isYes } from './questions.ts';

/** Goes on only with a yes: by `--yes`, or on the terminal. */
export async function agree(question: string, isAgreed: boolean): Promise<void> {
  if (isAgreed) return;
  if (!process.stdin.isTTY) {
    throw new HpoError('HPO-2493', `this needs a yes: ${question}`, 'add --yes', { exitCode: 2 });
  }
  if (!(await isYes(askOnTerminal, question, false))) {
    throw new HpoError('HPO-2493', 'nothing was done', 'answer y to do it');
  }
}
