/**
 * A study of `nWorkers` asynchronous workers on a simulated clock, the problem's own `time`: a trial reports at every step of its
 * fidelity, and what the method decides takes no time. A paused trial goes on where it stood.
 *
 * @param {import('../core/problems.mjs').Problem} problem
 * @param {Method} method
 * @param {number} budget  in the problem's unit of time
 * @returns {Promise<Run>}
 *
 * @typedef {object} Method
 * @property {() => Promise<{ number: number, params: object, resource: number } | null>} ask  null: nothing to do for now
 * @property {(number: number, step: number, loss: number) => Promise<'continue' | 'stop' | 'pause'>} report
 * @property {(number: number, state: 'complete' | 'pruned', loss: number) => Promise<void>} tell
 * @typedef {object} Run
 * @property {[number, number][]} any   improvements of the least loss at any step, as [share of the budget, loss]
 * @property {[number, number][]} full  the same of whole trainings alone
 * @property {number} nTrials
 * @property {number} nFull   whole trainings
 * @property {number} nIdle   times that a worker found nothing to do
 */
export async function simulate(problem, method, budget, nWorkers = 8) {
  const { min, max } = problem.fidelity;
  const steps = Array.from({ length: max - min + 1 }, (_, k) => min + k);
  const curves = new Map();
  const events = [];
  const run = { any: [], full: [], nTrials: 0, nFull: 0, nIdle: 0 };
  const improve = (list, now, loss) => {
    if (loss < (list.at(-1)?.[1] ?? Infinity)) list.push([now / budget, loss]);
  };

  /** Rows of one trial: step, loss, and the time since its beginning, which never goes back. */
  async function curveOf({ number, params }) {
    if (!curves.has(number)) {
      const found = await problem.evaluateMany(
        Array.from(steps, () => params),
        steps,
      );
      let time = 0;
      curves.set(
        number,
        found.map(({ values, time: spent }, k) => ({
          step: steps[k],
          loss: problem.loss(values),
          time: (time = Math.max(time, spent)),
        })),
      );
      run.nTrials++;
    }
    return curves.get(number);
  }

  const paused = new Map();
  let idle = 0;

  async function begin(now) {
    const trial = await method.ask();
    if (trial === null) {
      run.nIdle++;
      return false;
    }
    const curve = await curveOf(trial);
    const from = paused.get(trial.number) ?? 0;
    events.push({ number: trial.number, resource: trial.resource, curve, row: from, began: now - (curve[from - 1]?.time ?? 0) });
    return true;
  }

  for (let worker = 0; worker < nWorkers; worker++) if (!(await begin(0))) idle++;
  while (events.length > 0) {
    const event = events.reduce((a, b) => (timeOf(b) < timeOf(a) ? b : a));
    const now = timeOf(event);
    if (now > budget) break;
    const { step, loss } = event.curve[event.row];
    improve(run.any, now, loss);
    if (step === max) {
      improve(run.full, now, loss);
      run.nFull++;
    }
    const decision = await method.report(event.number, step, loss);
    event.row++;
    if (decision === 'continue' && step < max && step < event.resource) continue;
    events.splice(events.indexOf(event), 1);
    paused.set(event.number, event.row);
    if (step === max) await method.tell(event.number, 'complete', loss);
    else if (decision === 'stop') await method.tell(event.number, 'pruned', loss);
    idle++;
    while (idle > 0 && (await begin(now))) idle--;
  }
  return run;
}

function timeOf({ began, curve, row }) {
  return began + curve[row].time;
}
