/**
 * The problems of the benchmark, behind one interface.
 *
 *   import { openProblems } from './problems.mjs';
 *   const { problems, close } = await openProblems({ data: '/path/of/surrogates' });    // without data: what packages ship
 *   const problem = problems.find(({ name }) => name === 'mlp-car');
 *   const space = compileSpace({ parameters: problem.parameters, where: [] });
 *   const { values, time } = await problem.evaluate(space.sample(rng.next).params);     // values.val_acc
 *   const loss = problem.loss(values);                                                  // the objective, to be minimised
 *   console.log(problem.regret(loss));                                                  // 0: best known, 1: a typical random point
 *   close();
 *
 * `problems` is ordered so that each beginning is a fair mixture; `panel(problems, n)` takes n of the standard comparison.
 * The server (`problem_server.py`, in an environment made from PyPI) starts with the first problem that needs it.
 *
 * @typedef {object} Problem
 * @property {string} name                 unique, such as `lcbench-126026`, `rbv2_xgboost-1040`, `mlp-car`, `bbob-f8-d5-i1`, `trees-2`
 * @property {string} family               lcbench, rbv2_xgboost, rbv2_rpart, mlp, fcnet, nas201, bbob, bbob-mixint, training, synthetic, curves
 * @property {object[]} parameters         as `hpo space --json` prints them, without defaults
 * @property {{ metric: string, direction: 'min' | 'max' }} objective
 * @property {{ name: string, min: number, max: number, reductionFactor: number } | null} fidelity  of what `resource` counts
 * @property {number | null} best          least loss known; null when it was never looked for
 * @property {number | null} typical       median loss of random points; null likewise
 * @property {(params: object, resource?: number) => Promise<Evaluation>} evaluate  without a resource: the full one
 * @property {(points: object[], resources?: number | number[]) => Promise<Evaluation[]>} evaluateMany  one request for all
 * @property {(values: object) => number} loss
 * @property {(loss: number) => number} regret
 * @typedef {{ values: Record<string, number>, time: number }} Evaluation  time: seconds of a training up to the resource, in its own clock
 */
import { readFileSync } from 'node:fs';
import { bbob } from './problems/bbob.mjs';
import { curves } from './problems/curves.mjs';
import { surrogates } from './problems/surrogates.mjs';
import { synthetic } from './problems/synthetic.mjs';
import { tables } from './problems/tables.mjs';
import { training } from './problems/training.mjs';
import { problemServer } from './server.mjs';

/** @returns {Promise<{ problems: Problem[], close(): void }>} `close` lets the process end. */
export async function openProblems({ data = null } = {}) {
  const server = problemServer();
  const known = readKnown();
  const families = [
    ...(data === null ? [] : Object.values(Object.groupBy(surrogates(data), ({ family }) => family))),
    tables(),
    ...Object.values(Object.groupBy(bbob(), ({ family }) => family)).map(spread),
    training(),
    synthetic(),
    curves(),
  ];
  return { problems: interleave(families).map((definition) => problem(definition, known, server)), close: server.close };
}

/**
 * What is known of surrogates that were measured earlier and whose data is not at hand now: enough for tables, not for evaluations.
 * @returns {Pick<Problem, 'name' | 'family' | 'best' | 'typical'>[]}
 */
export function remembered(names) {
  const known = readKnown();
  return [...new Set(names)].map((name) => ({ name, family: name.slice(0, name.lastIndexOf('-')), ...known[name] }));
}

function readKnown() {
  return JSON.parse(readFileSync(new URL('known.json', import.meta.url), 'utf8'));
}

/**
 * The first n of the standard comparison: real training and its surrogates first of all, then mixed and continuous functions.
 * @param {Problem[]} problems
 */
export function panel(problems, n) {
  const take = (family, count) => problems.filter((candidate) => candidate.family === family).slice(0, count);
  const hasSurrogates = problems.some(({ family }) => family === 'lcbench');
  const groups = hasSurrogates
    ? [take('lcbench', 8), take('rbv2_xgboost', 6), take('mlp', 4), take('fcnet', 2), take('nas201', 1), take('rbv2_rpart', 3)]
    : [take('mlp', 4), take('fcnet', 2), take('nas201', 1), take('synthetic', 8)];
  const rest = [take('bbob-mixint', 4), take('training', 4), take('bbob', 4), take('synthetic', 8)];
  return [...new Set([...interleave(groups), ...interleave(rest)])].slice(0, n);
}

function problem(definition, known, server) {
  const { name, objective, key, measure } = definition;
  const best = definition.best ?? known[name]?.best ?? null;
  const typical = known[name]?.typical ?? null;
  const evaluateMany = async (points, resources = null) => {
    const levels = points.map((_, k) => (Array.isArray(resources) ? resources[k] : resources));
    if (measure !== undefined) return points.map((point, k) => measure(point, levels[k]));
    const { values, times } = await server.ask({ problem: key, points, resources: levels });
    return values.map((value, k) => ({ values: value, time: times[k] }));
  };
  return {
    ...definition,
    best,
    typical,
    evaluateMany,
    evaluate: async (params, resource) => (await evaluateMany([params], resource ?? null))[0],
    loss: (values) => (objective.direction === 'min' ? values[objective.metric] : -values[objective.metric]),
    regret: (loss) => (loss - best) / (typical - best),
    /** The least possible loss, where the server knows it; else null. */
    optimum: async () => (key?.family === 'bbob' ? (await server.ask({ problem: key, optimum: true })).value : null),
  };
}

/** Takes one of each list in turn. */
function interleave(lists) {
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, k) => lists.flatMap((list) => list.slice(k, k + 1))).flat();
}

/** Another order, in which neighbours differ in function, dimension and instance; 127 is coprime to the lengths. */
function spread(list) {
  return list.map((_, k) => list[(k * 127 + 34) % list.length]);
}
