import type { Distribution, Parameter, ParamValue, SearchSpace } from '../../../../agent/protocol/space.ts';

/** Short forms of the distributions, as a test's table needs them. */
export const float = (
  low: number,
  high: number,
  more: { log?: boolean; revlog?: boolean; step?: number } = {},
): Distribution => ({
  type: 'float',
  low,
  high,
  log: more.log ?? false,
  revlog: more.revlog ?? false,
  step: more.step ?? null,
});

export const int = (low: number, high: number, more: { log?: boolean; revlog?: boolean; step?: number } = {}): Distribution => ({
  type: 'int',
  low,
  high,
  log: more.log ?? false,
  revlog: more.revlog ?? false,
  step: more.step ?? null,
});

export const choice = (...choices: ParamValue[]): Distribution => ({ type: 'categorical', choices });
export const ordinal = (...choices: ParamValue[]): Distribution => ({ type: 'ordinal', choices });

export function parameter(
  name: string,
  distribution: Distribution,
  more: { when?: string; default?: ParamValue } = {},
): Parameter {
  return {
    name,
    distribution,
    ...(more.default === undefined ? {} : { default: more.default }),
    when: more.when ?? null,
    sink: { type: 'literal' },
    site: { file: 'train.py', line: 1, column: 1 },
    literal: null,
  };
}

export function searchSpace(parameters: readonly Parameter[], where: readonly string[] = []): SearchSpace {
  return { parameters, where };
}
