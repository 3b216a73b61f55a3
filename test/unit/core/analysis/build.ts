import { readFileSync } from 'node:fs';
import type { Objective, Params, Parameter, SearchSpace } from '../../../../agent/protocol/space.ts';
import { type Evidence, readEvidence } from '../../../../agent/core/analysis/index.ts';
import { createRng, type Rng } from '../../../../agent/core/math/index.ts';
import { History, type Observation } from '../../../../agent/core/samplers/index.ts';
import { compileSpace } from '../../../../agent/core/space/index.ts';
import { parameter, searchSpace } from '../space/builders.ts';

export const loss: Objective = { metric: 'loss', direction: 'min', goal: null };
export const accuracy: Objective = { metric: 'accuracy', direction: 'max', goal: null };

/** What became of a trial: a value, or how it ended without one. */
export type Outcome = number | 'pruned' | 'failed' | 'infeasible' | 'pending';

export interface Trial {
  readonly params: Params;
  readonly outcome: Outcome;
}

export function historyOfTrials(space: SearchSpace, trials: readonly Trial[]): History {
  const history = new History(compileSpace(space));
  trials.forEach(({ params, outcome }, number) => {
    const state: Observation['state'] = typeof outcome === 'number' ? 'complete' : outcome;
    const value = typeof outcome === 'number' ? outcome : state === 'pruned' ? 0 : NaN;
    history.upsert({ number, params, state, values: [value], resource: 1 });
  });
  return history;
}

export function evidenceOf(space: SearchSpace, trials: readonly Trial[], objective = loss): Evidence {
  return readEvidence(historyOfTrials(space, trials), [objective]);
}

/** Uniform random trials of a function. */
export function randomTrials(space: SearchSpace, n: number, seed: number, f: (params: Params, rng: Rng) => Outcome): Trial[] {
  const compiled = compileSpace(space);
  const rng = createRng(seed);
  return Array.from({ length: n }, () => {
    const point = compiled.sample(rng.next);
    if (point.type === 'none') throw new Error(point.message);
    return { params: point.params, outcome: f(point.params, rng) };
  });
}

export const numberOf = (params: Params, name: string): number => Number(params[name]);

interface OptunaHistory {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly trials: readonly { readonly params: Params; readonly value: number }[];
  readonly pedAnova: Readonly<Record<string, number>>;
  readonly fanova: Readonly<Record<string, number>>;
}

/** Histories with the importances that Optuna 5 sees in them, as test/fixtures/analysis/generate.py wrote them. */
export const optunaHistories = (
  JSON.parse(readFileSync(new URL('../../../fixtures/analysis/histories.json', import.meta.url), 'utf8')) as OptunaHistory[]
).map((row) => {
  const space = searchSpace(
    row.parameters.map(({ name, distribution }) =>
      parameter(name, distribution, row.name === 'conditional' && name === 'depth' ? { when: 'kind == "tree"' } : {}),
    ),
  );
  return {
    ...row,
    evidence: evidenceOf(
      space,
      row.trials.map(({ params, value }) => ({ params, outcome: value })),
    ),
  };
});
