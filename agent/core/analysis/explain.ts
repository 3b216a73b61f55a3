import type { Objective } from '../../protocol/space.ts';
import type { StudyView } from '../../protocol/view.ts';
import { bestRegion, type Suggestion } from './bestRegion.ts';
import { historyOf, readEvidence } from './evidence.ts';
import { fanova } from './fanova.ts';
import type { Importance } from './importance.ts';
import { fitLossModel } from './lossModel.ts';
import { type Marginal, marginal } from './marginal.ts';
import { pedAnova } from './pedAnova.ts';
import { outlookOf, stopAdvice, type StopAdvice } from './stopAdvice.ts';

/** What a study teaches about one objective. Plain JSON. */
export interface Explanation {
  readonly objective: Objective;
  /** What was counted and how, in one sentence. */
  readonly summary: string;
  readonly importance: Importance;
  /** One a parameter with more than one value, the most important first; none with too few trials. */
  readonly marginals: readonly Marginal[];
  readonly region: readonly Suggestion[];
  readonly stop: StopAdvice;
}

/** One explanation an objective. Same view and method, same explanations. */
export function explainStudy(view: StudyView, method: Importance['method']): Explanation[] {
  const history = historyOf(view);
  const { objectives, search, budget } = view.spec;
  return objectives.map((objective, target) => {
    const evidence = readEvidence(history, objectives, target);
    const model = fitLossModel(evidence, search.seed);
    const importance = method === 'fanova' ? fanova(evidence, model) : pedAnova(evidence);
    const byName = new Map(evidence.space.parameters.map((parameter) => [parameter.name, parameter]));
    const left = (budget.trials ?? 0) - view.trials.length;
    return {
      objective,
      summary: evidence.summary,
      importance,
      marginals:
        model === null
          ? []
          : importance.parameters.flatMap(({ name }) => {
              const parameter = byName.get(name);
              return parameter === undefined || parameter.size === 1 ? [] : [marginal(evidence, model, parameter)];
            }),
      region: bestRegion(evidence),
      // What the budget still allows; where nothing is left, what a quarter more would bring.
      stop: stopAdvice(evidence, outlookOf(evidence, left > 0 ? left : Math.max(10, Math.ceil(evidence.count / 4)))),
    };
  });
}
