import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const module = join(import.meta.dirname, '..', '..', '..', 'agent', 'ending.ts');
/** A process that something keeps for ever. */
const begin = `
  import { endAnyway, endOnSignals } from ${JSON.stringify(module)};
  setInterval(() => {}, 1_000);
  const stop = Promise.withResolvers();
`;

async function run(code: string, act: (child: ReturnType<typeof spawn>, said: (word: string) => Promise<void>) => Promise<void>) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', begin + code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'exit');
  try {
    await act(child, async (word) => await expect.poll(() => output, { timeout: 20_000 }).toContain(word));
    return (await ended) as [number | null, string | null];
  } finally {
    child.kill('SIGKILL');
  }
}

it('a process that something keeps, though its agent has ended, ends itself and says what that was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hpo-ending-'));
  const log = join(folder, 'agent.log');
  expect(await run(`process.exitCode = 7; endAnyway(${JSON.stringify(log)});`, async () => {})).toEqual([7, null]);
  expect(JSON.parse(readFileSync(log, 'utf8'))).toMatchObject({ msg: expect.stringMatching('keeps'), kept: ['Timeout'] });
  rmSync(folder, { recursive: true });
}, 30_000);

it.each(['SIGTERM', 'SIGINT'] as const)('%s asks an agent to end, and a second time ends it at once', async (signal) => {
  const code = `endOnSignals(stop); console.log('begun'); console.log('asked by', await stop.promise);`;
  const ended = await run(code, async (child, said) => {
    await said('begun');
    child.kill(signal);
    await said(`asked by ${signal}`);
    child.kill(signal);
  });
  expect(ended).toEqual([signal === 'SIGTERM' ? 143 : 130, null]);
});

it('a first signal ends at once what was asked to end in another way', async () => {
  const code = `endOnSignals(stop); stop.resolve('asked'); await stop.promise; console.log('ending');`;
  const ended = await run(code, async (child, said) => {
    await said('ending');
    child.kill('SIGTERM');
  });
  expect(ended).toEqual([143, null]);
});
