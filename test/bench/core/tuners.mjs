import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonEnv } from '../../support/python.ts';
import { jsonLines, lineClient } from './server.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * A tuner that is open for one study after the other. Losses are minimised; seconds are those that it took to answer.
 * @typedef {object} Tuner
 * @property {(study: { parameters: object[], seed: number, trials: number, workers: number, history?: [object, number][] }) => Promise<void>} create  history: of peers alone
 * @property {() => Promise<{ number: number, params: object, seconds: number } | null>} ask  null when it has nothing left to propose
 * @property {(number: number, loss: number) => Promise<number>} tell  seconds
 * @property {() => void} close
 */

/** Version of what a method runs, part of the key of its records: a package's, or a hash of our core. */
export function versionOf(method) {
  if (method.peer === null) return oursVersion();
  return (method.peer.alone ?? method.peer.requirements[0]).split('==')[1];
}

let hashed = null;
function oursVersion() {
  if (hashed !== null) return hashed;
  const files = ['samplers', 'space', 'math', 'study'].flatMap((folder) =>
    globSync(`agent/core/${folder}/**/*.ts`, { cwd: root }),
  );
  const hash = createHash('sha256');
  for (const file of files.sort((a, b) => (a < b ? -1 : 1))) hash.update(`${file}\n${readFileSync(join(root, file), 'utf8')}`);
  hashed = hash.digest('hex').slice(0, 10);
  return hashed;
}

/** @returns {Promise<Tuner>} */
export const openTuner = (method) => (method.peer === null ? ours(method) : peer(method));

async function peer({ name, peer: { env, script, requirements, alone } }) {
  const python = await pythonEnv(env, requirements);
  if (alone !== undefined) {
    const known = await promisify(execFile)(python, ['-m', 'pip', 'freeze']);
    if (!known.stdout.toLowerCase().includes(alone))
      await promisify(execFile)(python, ['-m', 'pip', 'install', '--no-deps', alone]);
  }
  const client = jsonLines(python, [script]);
  return {
    create: async (study) => void (await client.ask({ create: { method: name, ...study } })),
    ask: () => client.ask({ ask: {} }),
    tell: async (number, loss) => (await client.ask({ tell: { number, loss } })).seconds,
    close: client.close,
  };
}

/** `hpo serve`, timed from outside: what a caller waits for. */
async function ours({ sampler }) {
  const client = lineClient(join(root, 'node_modules', '.bin', 'node'), [join(root, 'dist', 'cli.cjs'), 'serve']);
  const timed = async (request) => {
    const start = performance.now();
    const answer = await client.ask(request);
    if (answer.error !== undefined) throw new Error(`hpo serve: ${answer.error.message}`);
    return { answer, seconds: (performance.now() - start) / 1000 };
  };
  return {
    create: async ({ parameters, seed, trials, workers }) => {
      const study = { parameters, objectives: [{ metric: 'loss', direction: 'min' }], sampler, scheduler: 'none' };
      await timed({ create: { ...study, seed, maxTrials: trials, parallel: workers } });
    },
    ask: async () => {
      const { answer, seconds } = await timed({ ask: { n: 1 } });
      const [trial] = answer.trials;
      return trial === undefined ? null : { number: trial.number, params: trial.params, seconds };
    },
    tell: async (number, loss) => (await timed({ tell: { number, state: 'complete', values: { loss } } })).seconds,
    close: client.close,
  };
}
