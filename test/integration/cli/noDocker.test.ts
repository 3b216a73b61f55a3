import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { cliMain, Hpo } from '../../support/hpo.ts';

const nobody = 65_534;
const isRoot = process.getuid?.() === 0;

/** The command line on a machine whose programs are these alone, with a home of its own and no engine where engines usually are. */
class Machine extends Hpo {
  readonly #variables: NodeJS.ProcessEnv;
  readonly #uid: number | null;
  readonly server: Server | null;

  constructor(
    options: {
      readonly programs?: readonly string[];
      readonly socket?: string;
      readonly server?: (path: string) => Server | null;
      readonly isNobody?: boolean;
    } = {},
  ) {
    super();
    const bin = join(this.folder, 'bin');
    mkdirSync(bin);
    for (const [name, path] of programs) symlinkSync(path, join(bin, name));
    for (const name of options.programs ?? []) writeFileSync(join(bin, name), '#!/bin/sh\n', { mode: 0o755 });
    const socket = options.socket === undefined ? null : join(this.folder, options.socket);
    this.server = socket === null || options.server === undefined ? null : options.server(socket);
    this.#uid = options.isNobody === true && isRoot ? nobody : null;
    this.#variables = {
      PATH: bin,
      HOME: this.folder,
      TMPDIR: this.folder,
      HPO_HOME: this.home,
      HPO_CACHE: join(this.folder, 'cache'),
      NO_COLOR: '1',
      ...(socket === null ? {} : { HPO_DOCKER_HOST: `unix://${socket}` }),
    };
    this.write('train.py', '# @hpo.objective loss min\nx = 3.0  # @hpo float(0, 10)\nprint(f"loss={x}")\n');
    this.write('requirements.txt', 'six\n');
    if (this.#uid !== null) for (const path of [this.folder, this.project]) chownSync(path, this.#uid, this.#uid);
  }

  override spawn(...args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, [cliMain, ...args], {
      cwd: this.project,
      env: this.#variables,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(this.#uid === null ? {} : { uid: this.#uid, gid: this.#uid }),
    });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.server?.close();
  }
}

/** All that anybody can run on this machine by name, but what makes it one with an engine. */
const programs = new Map<string, string>();
for (const folder of (process.env['PATH'] ?? '').split(delimiter).toReversed()) {
  if (folder.startsWith(homedir())) continue;
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    if (!/^(?:docker|podman)/.test(name)) programs.set(name, join(folder, name));
}

/** A socket that nobody listens at any more, as a killed engine leaves it. */
function leaveSocket(path: string): null {
  execFileSync('python3', ['-c', `import socket; s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(path)})`]);
  return null;
}

/** An engine that takes every connection and answers nothing. */
function listenSilently(path: string): Server {
  const server = createServer((connection) => connection.on('error', () => undefined));
  server.listen(path);
  server.unref();
  return server;
}

const hasUsualSocket = ['/var/run/docker.sock', '/run/podman/podman.sock'].some((path) => existsSync(path));

describe.concurrent('without an engine that can be used', () => {
  const rows: readonly [string, () => Machine, string, RegExp, RegExp][] = [
    ...(hasUsualSocket
      ? []
      : ([
          ['there is none', () => new Machine(), 'HPO-2401', /there is no container engine/, /install Docker/],
          [
            'it is installed and was not started',
            () => new Machine({ programs: ['dockerd'] }),
            'HPO-2402',
            /does not run/,
            /start/,
          ],
        ] satisfies [string, () => Machine, string, RegExp, RegExp][])),
    [
      'nothing is at the path of its socket',
      () => new Machine({ socket: 'd.sock' }),
      'HPO-2402',
      /nobody answers at unix:/,
      /start/,
    ],
    [
      'nobody listens at its socket',
      () => new Machine({ socket: 'd.sock', server: leaveSocket }),
      'HPO-2402',
      /nobody answers at unix:/,
      /start/,
    ],
    [
      'this user may not use its socket',
      () => {
        const machine = new Machine({ socket: 'd.sock', server: listenSilently, isNobody: true });
        machine.server?.once('listening', () => chmodSync(join(machine.folder, 'd.sock'), 0));
        return machine;
      },
      'HPO-2403',
      /permission denied/,
      /group docker/,
    ],
    ['it gives no answer', () => new Machine({ socket: 'd.sock', server: listenSilently }), 'HPO-2404', /no answer/, /docker ps/],
  ];

  test.each(rows)('%s: what, why, what next and the way around it', async (_name, make, code, message, next) => {
    await using machine = make();
    if (machine.server !== null) await once(machine.server, 'listening');
    const preview = await machine.run('preview', 'train.py', '--on', 'docker');
    expect(preview).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^with {3}hpo-env:\w+ \(requirements\.txt beside the script\); not known whether it is there$/m,
      ),
    });
    expect(preview.stdout).toMatch(message);

    const [json] = await machine.json<{ questions: readonly unknown[]; container: unknown }>(
      'preview',
      'train.py',
      '--on',
      'docker',
    );
    expect(json?.questions).toEqual([
      { type: 'engine', code, message: expect.stringMatching(message), next: expect.stringMatching(next) },
    ]);
    expect(json?.container).toMatchObject({ isReady: null, reason: 'requirements.txt beside the script' });

    const refused = await machine.run('tune', 'train.py', '--on', 'docker', '-n', '2');
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining(`error ${code}: `)]);
    expect(refused.stderr.split('\n').findLast((line) => line.includes('next: '))).toMatch(/run locally: --on local/);
    expect(await machine.json('status')).toEqual([]);

    // What runs here needs no engine, and neither does what looks after it.
    const local = await machine.run('tune', 'train.py', '--on', 'local', '--env', 'current', '-n', '2', '--seed', '1');
    expect([local.code, local.stdout]).toEqual([0, expect.stringMatching(/^ended \(budget\).*2 complete/m)]);
    const doctor = await machine.run('doctor');
    expect(doctor.stdout).toMatch(/^ok {7}containers no study runs in containers \(/m);
    const clean = await machine.run('clean');
    expect([clean.code, clean.stdout]).toEqual([0, 'nothing to free\n']);
  });
});
