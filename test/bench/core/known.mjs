/**
 * Writes known.json: best known and typical loss of every problem. `node test/bench/core/known.mjs [--data PATH] [--only TEXT]`.
 * Tables are read in full, COCO knows its optima, synthetic problems carry theirs; for the others the best of many random points is
 * improved by small steps, and a better value that a later run finds should be written here too (`npm run bench -- core` says so).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createRng } from '../../../agent/core/math/index.ts';
import { compileSpace, walkPoints } from '../../../agent/core/space/index.ts';
import { openProblems, panel } from './problems.mjs';

const { values: options } = parseArgs({ options: { data: { type: 'string' }, only: { type: 'string', default: '' } } });
const file = new URL('known.json', import.meta.url);
const known = JSON.parse(readFileSync(file, 'utf8'));
const opened = await openProblems({ data: options.data ?? null });
const { problems } = opened;
// The standard comparison first.
const ordered = [...new Set([...panel(problems, 100), ...problems])];
for (const problem of ordered.filter(({ name }) => name.includes(options.only) && known[name] === undefined)) {
  known[problem.name] = await study(problem);
  save();
}
opened.close();

async function study(problem) {
  const space = compileSpace({ parameters: problem.parameters, where: [] });
  const rng = createRng(1, 1002);
  const losses = async (points) => (await problem.evaluateMany(points)).map(({ values }) => problem.loss(values));
  const slow = problem.family === 'training';
  const typical = await losses(Array.from({ length: slow ? 101 : 2001 }, () => space.sample(rng.next).params));
  const median = typical.toSorted((a, b) => a - b)[typical.length >> 1];
  return { best: (await optimum()) ?? (await search()), typical: median };

  async function optimum() {
    if (problem.best !== null && problem.family === 'synthetic') return problem.best;
    if (['mlp', 'fcnet', 'nas201'].includes(problem.family)) return Math.min(...(await allInParts()));
    return problem.optimum();
  }

  async function allInParts() {
    const best = [];
    let part = [];
    for (const params of walkPoints(space, 1e7)) {
      part.push(params);
      if (part.length === 10_000) best.push(Math.min(...(await losses(part.splice(0)))));
    }
    return part.length === 0 ? best : [...best, Math.min(...(await losses(part)))];
  }

  /** Many random points, then generations of small steps from the best 20. */
  async function search() {
    const [nRandom, nGenerations, nChildren] = slow ? [100, 6, 40] : [20_000, 30, 1000];
    const start = Array.from({ length: nRandom }, () => space.sample(rng.next).params);
    let parents = ranked(start, await losses(start));
    for (let generation = 0; generation < nGenerations; generation++) {
      const scale = 0.2 * 0.9 ** generation;
      const children = Array.from({ length: nChildren }, () => step(parents[rng.int(parents.length)].params, scale));
      parents = ranked(
        [...children, ...parents.map(({ params }) => params)],
        [...(await losses(children)), ...parents.map(({ loss }) => loss)],
      );
    }
    return parents[0].loss;
  }

  function ranked(points, values) {
    return points
      .map((params, k) => ({ params, loss: values[k] }))
      .sort((a, b) => a.loss - b.loss)
      .slice(0, 20);
  }

  function step(params, scale) {
    const unit = space
      .encode(params)
      .map((u) => (Number.isNaN(u) || rng.next() < 0.5 ? u : Math.min(1, Math.max(0, u + scale * rng.normal()))));
    const moved = { ...params, ...space.decode(unit) };
    // Now and then one parameter anew, so that categories change too.
    if (rng.next() < 0.2) Object.assign(moved, pick(space.sample(rng.next).params));
    return space.repair(moved, rng.next).params;
  }

  function pick(params) {
    const names = Object.keys(params);
    const name = names[rng.int(names.length)];
    return { [name]: params[name] };
  }
}

function save() {
  // Another run may have written meanwhile.
  const all = { ...JSON.parse(readFileSync(file, 'utf8')), ...known };
  const rows = Object.keys(all)
    .sort()
    .map((name) => `  ${JSON.stringify(name)}: ${JSON.stringify(all[name])}`);
  writeFileSync(file, `{\n${rows.join(',\n')}\n}\n`);
}
