import { createInterface } from 'node:readline/promises';
import { unreachable } from '../protocol/view.ts';
import { printable } from '../protocol/printable.ts';
import type { Preflight, PreflightQuestion, TuneRequest } from '../protocol/requests.ts';

/** Asks the user one question; resolves with the answer as it was typed. */
export type Ask = (question: string) => Promise<string>;

/**
 * What the user answers to the questions of a preflight, as an addition to the request; empty where nothing was answered. Without an
 * answer the agent refuses the start and says what to write.
 */
export async function askQuestions(preflight: Preflight, ask: Ask): Promise<Partial<TuneRequest>> {
  for (const question of preflight.questions) {
    // An environment is made unless the user said otherwise: the text before the start says so.
    if (question.type === 'environment') continue;
    // What follows depends on the answer, or cannot start without it: one is asked at a time.
    return await askOne(question, preflight, ask);
  }
  return {};
}

async function askOne(
  question: Exclude<PreflightQuestion, { type: 'environment' }>,
  preflight: Preflight,
  ask: Ask,
): Promise<Partial<TuneRequest>> {
  switch (question.type) {
    case 'engine':
      return (await isYes(ask, `${question.message}. Run the trials as processes of this machine instead?`, false))
        ? { executor: 'local' }
        : {};
    case 'cluster':
      return (await isYes(ask, `${question.message}. Run the trials as processes of this machine instead?`, false))
        ? { executor: 'local' }
        : {};
    case 'context':
      return await askCluster(question, ask);
    case 'devcontainer':
      return (await isYes(ask, question.message, false)) ? { image: 'devcontainer' } : { image: 'auto' };
    case 'credentials':
      return (await isYes(ask, `${question.message}. Allow it?`, false)) ? { allow: question.words } : {};
    case 'size':
      return (await isYes(ask, question.message, false)) ? { allowLarge: true } : {};
    case 'objective': {
      const proposed = proposedObjective(preflight);
      if (proposed === null) return {};
      const words = `Improve ${proposed.metric}, smaller or larger is better: ${proposed.direction}?`;
      return (await isYes(ask, words, true)) ? { objective: proposed } : {};
    }
    default:
      return unreachable(question);
  }
}

async function askCluster(
  { message, choices }: Extract<PreflightQuestion, { type: 'context' }>,
  ask: Ask,
): Promise<Partial<TuneRequest>> {
  const list = choices.map(({ label, namespace, server }, i) => `  ${i + 1}  ${label}  namespace ${namespace}  ${server}`);
  const answer = (await ask(`${[message, ...list].map(printable).join('\n')}\nWhich one? [1-${choices.length}] `)).trim();
  const chosen = choices.find(({ label }, i) => answer === label || answer === String(i + 1));
  return chosen === undefined ? {} : { cluster: chosen.wish };
}

export async function isYes(ask: Ask, question: string, isUsual: boolean): Promise<boolean> {
  const answer = (await ask(`${printable(question)} ${isUsual ? '[Y/n]' : '[y/N]'} `)).trim();
  return answer === '' ? isUsual : /^y(?:es)?$/i.test(answer);
}

/** The only metric of the script whose name tells its direction; null when none has to be asked for, or several could be meant. */
export function proposedObjective({ questions }: Preflight): NonNullable<TuneRequest['objective']> | null {
  const question = questions.find(({ type }) => type === 'objective');
  if (question?.type !== 'objective') return null;
  const [only, ...others] = question.candidates.filter((candidate) => candidate.direction !== null);
  return only === undefined || only.direction === null || others.length > 0
    ? null
    : { metric: only.metric, direction: only.direction };
}

/** Asks on the terminal. */
export const askOnTerminal: Ask = async (question) => {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await prompt.question(question);
  } finally {
    prompt.close();
  }
};
