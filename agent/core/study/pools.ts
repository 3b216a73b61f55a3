import type { Rate } from '../../protocol/metered.ts';
import type { Params } from '../../protocol/space.ts';
import type { Pool, StudySpec } from '../../protocol/study.ts';
import { type Condition, evaluate, parseCondition } from '../space/index.ts';

/** The pools of a study on a cluster, with their conditions ready to be asked, and what a trial uses up there; elsewhere none. */
export class Pools {
  readonly #pools: readonly { readonly pool: Pool; readonly when: Condition | null }[];
  readonly #spec: Pick<StudySpec, 'price' | 'container'>;
  /** The most that an attempt may use up, wherever it goes; null where nothing of it counts. */
  readonly highestRate: Rate | null;

  constructor(spec: Pick<StudySpec, 'cluster' | 'space' | 'price' | 'container'>) {
    const { cluster, space } = spec;
    this.#spec = spec;
    const names = new Set(space.parameters.map(({ name }) => name));
    this.#pools = (cluster?.pools ?? []).map((pool) => ({
      pool,
      when: pool.when === null ? null : conditionOf(pool.when, names),
    }));
    const places = this.#pools.length === 0 ? [null] : this.#pools.map(({ pool }) => pool);
    const rates = places.flatMap((pool) => this.#rateIn(pool) ?? []);
    const most = (of: (rate: Rate) => number): number => Math.max(...rates.map(of));
    this.highestRate = rates.length === 0 ? null : { gpus: most(({ gpus }) => gpus), perHour: most(({ perHour }) => perHour) };
  }

  /** Whether the number of trials at once is limited anywhere. */
  get areLimited(): boolean {
    return this.#pools.some(({ pool }) => pool.slots !== null);
  }

  /** Of an attempt with these values; null where nothing of it counts. */
  rateOf(params: Params): Rate | null {
    return this.#rateIn(this.of(params));
  }

  #rateIn(pool: Pool | null): Rate | null {
    const gpus = pool?.gpus ?? this.#spec.container?.gpus ?? 0;
    const perHour = (pool?.price ?? this.#spec.price)?.amount ?? 0;
    return gpus === 0 && perHour === 0 ? null : { gpus, perHour };
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
