import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../../agent/engine/ask.ts';
import { openClient } from '../../../agent/engine/docker.ts';

let folder: string;
let server: Server;
const path = (): string => join(folder, 'engine.sock');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hpo-client-'));
  server = createServer((_, answer) => answer.end('"fine"'));
  await new Promise<void>((resolve) => server.listen(path(), resolve));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

test('what the client writes of itself before each request stays short, however many are under way', async () => {
  const client = await openClient({ url: `unix://${path()}`, origin: 'test', kind: 'named', tls: null });
  const requests = Array.from({ length: 20 }, async () => await ask(client, '/_ping', AbortSignal.timeout(10_000)));
  await new Promise((resolve) => setImmediate(resolve));
  // As the client does it, of all that a request is made with.
  const text = inspect(Reflect.get(client.modem, 'agent'), { showHidden: true, depth: null });
  expect(await Promise.all(requests)).toEqual(Array.from({ length: 20 }, () => 'fine'));
  expect(text.length).toBeLessThan(100);
});
