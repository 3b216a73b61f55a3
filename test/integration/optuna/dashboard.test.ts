import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openJournal, type SqliteJournal } from '../../../agent/store/journal.ts';
import { make, of, studyCreated, wholeTrial } from '../../unit/store/studies.ts';
import { tempDir } from '../../unit/store/tempDir.ts';
import { optunaPython } from './optuna.ts';

describe('optuna-dashboard on the journal that the agent has open', () => {
  const dir = tempDir();
  let journal: SqliteJournal;
  let dashboard: Dashboard;

  beforeAll(async () => {
    journal = openJournal(dir.file('journal.db'));
    const nTrials = 40;
    journal.append(of('first', [studyCreated(), ...Array.from({ length: nTrials }, (_, number) => wholeTrial(number)).flat()]));
    journal.append(of('second', [studyCreated(), make.trial(0), make.request(0), make.start(0), make.report(0, 1, { loss: 3 })]));
    dashboard = await startDashboard(journal.path);
  }, 600_000);

  afterAll(async () => {
    await dashboard.stop();
    journal[Symbol.dispose]();
    dir[Symbol.dispose]();
  });

  test('lists the studies and shows every trial', async () => {
    const { study_summaries: studies } = await dashboard.get<{ study_summaries: Summary[] }>('/api/studies');
    expect(studies.map(({ study_name }) => study_name)).toEqual(['first', 'second']);
    const first = await dashboard.study(studies, 'first');
    expect(first.trials).toHaveLength(40);
    expect(first.trials.filter(({ state }) => state === 'Complete')).toHaveLength(40);
    expect(first.trials[3]).toMatchObject({ number: 3, values: [0.25] });
    expect(first.trials[3]?.intermediate_values).toHaveLength(5);
    expect(
      Object.fromEntries(first.trials[3]?.params.map(({ name, param_external_value }) => [name, param_external_value]) ?? []),
    ).toEqual({
      lr: '0.0003',
      momentum: '0.9',
      dropout: '0.1',
      layers: '3',
      units: '64',
      optimizer: 'adam',
      batch: '64',
      shape: '[128,64,"x"]',
    });
    expect(first.best_trials.map(({ number }) => number)).toEqual([39]);
  });

  test('sees what is appended while it looks', async () => {
    const { study_summaries: studies } = await dashboard.get<{ study_summaries: Summary[] }>('/api/studies');
    journal.append(
      of('second', [make.report(0, 2, { loss: 2 }), make.attemptEnd(0), make.end(0, 'complete', { loss: 2 }), ...wholeTrial(1)]),
    );
    // The dashboard keeps what it has read for a few seconds.
    await expect
      .poll(async () => (await dashboard.study(studies, 'second')).trials.map(({ state }) => state), {
        timeout: 30_000,
        interval: 500,
      })
      .toEqual(['Complete', 'Complete']);
  });

  test('a study deleted in the dashboard does not stop the journal, and a rebuild brings it back', async () => {
    const { study_summaries: studies } = await dashboard.get<{ study_summaries: Summary[] }>('/api/studies');
    const id = studies.find(({ study_name }) => study_name === 'second')?.study_id;
    const response = await dashboard.fetch(`/api/studies/${id}`, {
      method: 'DELETE',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(response.status).toBe(204);
    journal.append(of('second', wholeTrial(2)));
    journal.append(of('third', [studyCreated(), ...wholeTrial(0)]));
    expect(journal.failure).toBeNull();
    journal.rebuild();
    const { study_summaries: after } = await dashboard.get<{ study_summaries: Summary[] }>('/api/studies');
    expect(after.map(({ study_name }) => study_name)).toEqual(['first', 'second', 'third']);
    expect(journal.verifyChain().ok).toBe(true);
  });
});

interface Summary {
  readonly study_id: number;
  readonly study_name: string;
}

interface Detail {
  readonly trials: readonly {
    readonly number: number;
    readonly state: string;
    readonly values?: readonly number[];
    readonly params: readonly { readonly name: string; readonly param_external_value: string }[];
    readonly intermediate_values: readonly unknown[];
  }[];
  readonly best_trials: readonly { readonly number: number }[];
}

interface Dashboard {
  fetch(path: string, init?: RequestInit): Promise<Response>;
  get<T>(path: string): Promise<T>;
  study(studies: readonly Summary[], name: string): Promise<Detail>;
  stop(): Promise<void>;
}

async function startDashboard(database: string): Promise<Dashboard> {
  const program = join(dirname(await optunaPython()), process.platform === 'win32' ? 'optuna-dashboard.exe' : 'optuna-dashboard');
  const port = await freePort();
  const child = spawn(program, ['--host', '127.0.0.1', '--port', String(port), `sqlite:///${database}`], { stdio: 'ignore' });
  const request = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  const get = async <T>(path: string): Promise<T> => {
    const response = await request(path);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    const body: T = await response.json();
    return body;
  };
  await untilItAnswers(child, () => request('/api/meta'));
  return {
    fetch: request,
    get,
    study: (studies, name) => get(`/api/studies/${studies.find(({ study_name }) => study_name === name)?.study_id}?after=0`),
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}

async function untilItAnswers(child: ChildProcess, request: () => Promise<Response>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await request();
      return;
    } catch (cause) {
      if (child.exitCode !== null || tries > 600) throw new Error('optuna-dashboard did not start', { cause });
      await sleep(100);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no loopback port is free');
  return address.port;
}
