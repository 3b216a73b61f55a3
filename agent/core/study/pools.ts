import type { Params } from '../../protocol/space.ts';
import type { Pool, StudySpec } from '../../protocol/study.ts';
import { type Condition, evaluate, parseCondition } from '../space/index.ts';

/** The pools of a study on a cluster, with their conditions ready to be asked; none elsewhere. */
export class Pools {
  readonly #pools: readonly { readonly pool: Pool; readonly when: Condition | null }[];

  constructor({ cluster, space }: Pick<StudySpec, 'cluster' | 'space'>) {
    const names = new Set(space.parameters.map(({ name }) => name));
    this.#pools = (cluster?.pools ?? []).map((pool) => ({
      pool,
      when: pool.when === null ? null : conditionOf(pool.when, names),
    }));
  }

  /** Whether the number of trials at once is limited anywhere. */
  get areLimited(): boolean {
    return this.#pools.some(({ pool }) => pool.slots !== null);
  }

  /** The first pool whose condition holds, of none the last; null where there are no pools. A parameter that is not active makes a condition false. */
  of(params: Params): Pool | null {
    const found = this.#pools.find(({ when }) => when === null || evaluate(when, params) === true);
    return (found ?? this.#pools.at(-1))?.pool ?? null;
  }
}

/** @throws RangeError for a condition that cannot be read: the annotations were checked before. */
function conditionOf(text: string, names: ReadonlySet<string>): Condition {
  const parsed = parseCondition(text, names);
  if (parsed.type === 'ok') return parsed.condition;
  throw new RangeError(`the condition "${text}" of a pool cannot be read: ${parsed.message}`);
}
