import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pythonEnv } from '../../support/python.ts';
import { jsonLines } from '../core/server.mjs';
import { versionOf } from '../core/tuners.mjs';

const requirements = ['optuna==5.0.0', 'syne-tune==0.16.0', 'huggingface_hub'];
const ours = (name, settings) => ({ name, settings, version: versionOf({ peer: null }) });
const peer = (name, version) => ({ name, settings: null, version });

/** Ours by the fields of `create`; peers by the names that peer.py knows. */
export const methods = [
  ours('auto', { sampler: 'auto', scheduler: 'auto' }),
  ours('tpe + asha-stop', { sampler: 'tpe', scheduler: 'asha-stop' }),
  // Draws only, which no change of ours is to invalidate.
  { ...ours('random', { sampler: 'random', scheduler: 'none' }), version: '1' },
  { ...ours('random + asha-stop', { sampler: 'random', scheduler: 'asha-stop' }), version: '1' },
  peer('Syne Tune ASHA (stop)', '0.16.0'),
  peer('Optuna TPE', '5.0.0'),
  peer('Optuna TPE + MedianPruner', '5.0.0'),
  peer('Optuna TPE + SuccessiveHalvingPruner', '5.0.0'),
  peer('Optuna TPE + HyperbandPruner', '5.0.0'),
];

/** The programs start with the first study that needs them. */
export function openMethods() {
  let serve = null;
  let peers = null;
  return {
    /** @returns {Promise<import('./simulate.mjs').Method>} */
    start: async (method, problem, seed) => {
      if (method.settings !== null) return ourStudy((serve ??= openServe()), problem, method.settings, seed);
      peers ??= pythonEnv('multifidelity-peers', requirements).then((python) => jsonLines(python, ['../multifidelity/peer.py']));
      return peerStudy(await peers, problem, method.name, seed);
    },
    close: () => {
      serve?.close();
      void peers?.then(({ close }) => close());
    },
  };
}

/** `hpo serve` in a process of its own. */
function openServe() {
  const cli = fileURLToPath(new URL('../../../dist/cli.cjs', import.meta.url));
  const child = spawn(process.execPath, [cli, 'serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (request) => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return JSON.parse((await lines.next()).value);
    },
    close: () => child.stdin.end(),
  };
}

/** @param {{ ask(request: object): Promise<any> }} serve */
async function ourStudy(serve, problem, settings, seed, parallel = 8) {
  const { metric, direction } = problem.objective;
  const { min, max, reductionFactor } = problem.fidelity;
  const say = async (request) => {
    const answer = await serve.ask(request);
    if (answer.error !== undefined) throw new Error(`${answer.error.code} ${answer.error.message}`);
    return answer;
  };
  const values = (loss) => ({ [metric]: direction === 'min' ? loss : -loss });
  await say({
    create: {
      parameters: problem.parameters,
      objectives: [{ metric, direction }],
      fidelity: { min, max, reductionFactor },
      seed,
      parallel,
      ...settings,
    },
  });
  return {
    ask: async () => (await say({ ask: { n: 1 } })).trials[0] ?? null,
    report: async (number, step, loss) => (await say({ report: { number, step, values: values(loss) } })).decision,
    tell: async (number, state, loss) => void (await say({ tell: { number, state, values: values(loss) } })),
  };
}

async function peerStudy(server, problem, method, seed) {
  await server.ask({ create: { method, parameters: problem.parameters, fidelity: problem.fidelity, seed } });
  return {
    ask: async () => (await server.ask({ ask: {} })).trial,
    report: async (number, step, loss) => (await server.ask({ report: { number, step, loss } })).decision,
    tell: async (number, state, loss) => void (await server.ask({ tell: { number, state, loss } })),
  };
}
