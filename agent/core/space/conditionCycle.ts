import type { Parameter } from '../../protocol/space.ts';
import { conditionNames } from './condition.ts';
import { parseCondition } from './conditionParser.ts';

/**
 * Names of parameters whose `when` conditions need each other, in the order of the cycle (the first one is needed by the
 * last), or null when there is none. Conditions that do not parse and unknown names are left to others to report.
 */
export function conditionCycle(parameters: readonly Pick<Parameter, 'name' | 'when'>[]): string[] | null {
  const needs = conditionNeeds(parameters);
  const state = new Map<string, 'open' | 'done'>();
  for (const { name } of parameters) {
    // Depth-first with a stack of its own: a chain of conditions may be as long as the script.
    const path: { name: string; rest: string[] }[] = [];
    const enter = (next: string): void => {
      state.set(next, 'open');
      path.push({ name: next, rest: [...(needs.get(next) ?? [])] });
    };
    if (!state.has(name)) enter(name);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.rest.shift();
      if (next === undefined) {
        state.set(top.name, 'done');
        path.pop();
      } else if (state.get(next) === 'open') {
        const names = path.map((step) => step.name);
        return names.slice(names.indexOf(next));
      } else if (!state.has(next)) enter(next);
    }
  }
  return null;
}

/** Parameter name → names of the parameters that its `when` reads; only names that are parameters. */
export function conditionNeeds(parameters: readonly Pick<Parameter, 'name' | 'when'>[]): Map<string, string[]> {
  const known = new Set(parameters.map((parameter) => parameter.name));
  const needs = new Map<string, string[]>();
  for (const { name, when } of parameters) {
    const parsed = when === null ? null : parseCondition(when, known);
    needs.set(name, parsed?.type === 'ok' ? conditionNames(parsed.condition).filter((needed) => known.has(needed)) : []);
  }
  return needs;
}
