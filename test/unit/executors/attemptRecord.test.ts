import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { readAttemptRecord, recordLoss } from '../../../agent/executors/attempt/attemptRecord.ts';
import { nodeSystem } from '../../../agent/system/node.ts';
import { nodeFiles } from '../../../agent/system/nodeFiles.ts';

let dir = '';
const base = mkdtempSync(join(tmpdir(), 'hpo-record-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
beforeEach(() => (dir = mkdtempSync(join(base, 'attempt-'))));

const claim = '{"shim":10,"shimTicks":"7","boot":"b"}';
const start = '{"shim":10,"shimTicks":"7","boot":"b","pid":11,"pidTicks":"8","oom":2}';
const shim = { pid: 10, ticks: '7', boot: 'b' };
const program = { pid: 11, ticks: '8', boot: 'b' };

describe('the records of an attempt', () => {
  const ending = {
    exitCode: null,
    signal: null,
    isTimeout: false,
    isOutOfMemory: false,
    isLost: false,
    isPreempted: false,
    detail: '',
  };
  const cases: { name: string; files: Record<string, string>; record: unknown }[] = [
    { name: 'nothing', files: {}, record: { state: 'absent' } },
    { name: 'a claim', files: { 'claim.json': claim }, record: { state: 'started', shim, program: null, oomKills: 0 } },
    {
      name: 'a claim that was never written',
      files: { 'claim.json': '' },
      record: { state: 'started', shim: null, program: null, oomKills: 0 },
    },
    {
      name: 'a start',
      files: { 'claim.json': claim, 'start.json': start },
      record: { state: 'started', shim, program, oomKills: 2 },
    },
    {
      name: 'a start cut short',
      files: { 'claim.json': claim, 'start.json': start.slice(0, 20) },
      record: { state: 'started', shim, program: null, oomKills: 0 },
    },
    {
      name: 'an end',
      files: { 'start.json': start, 'exit.json': '{"code":3,"timeout":false}' },
      record: { state: 'ended', ending: { ...ending, exitCode: 3 }, program, oomKills: 2, wasTold: false },
    },
    {
      name: 'an end by a signal',
      files: { 'exit.json': '{"code":143,"timeout":true}' },
      record: {
        state: 'ended',
        ending: { ...ending, signal: 'SIGTERM', isTimeout: true },
        program: null,
        oomKills: 0,
        wasTold: false,
      },
    },
    {
      name: 'an exit code above the signals',
      files: { 'exit.json': '{"code":255,"timeout":false}' },
      record: { state: 'ended', ending: { ...ending, exitCode: 255 }, program: null, oomKills: 0, wasTold: false },
    },
    {
      name: 'an end that is not an object',
      files: { 'claim.json': claim, 'exit.json': '7' },
      record: { state: 'started', shim, program: null, oomKills: 0 },
    },
  ];
  it.each(cases)('$name', async ({ files, record }) => {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
    expect(await readAttemptRecord(nodeFiles, dir)).toEqual(record);
  });

  it.each([
    { name: 'links', make: (path: string): void => symlinkSync(join(base, 'theirs'), path) },
    { name: 'FIFOs', make: (path: string): void => void execFileSync('mkfifo', [path]) },
    { name: 'folders', make: (path: string): void => void mkdirSync(join(path, 'in'), { recursive: true }) },
    { name: 'what is too long', make: (path: string): void => writeFileSync(path, ' '.repeat(70_000) + start) },
  ])('what a program put in their place is no record, and a loss takes it: $name', async ({ make }) => {
    writeFileSync(join(base, 'theirs'), '{"code":0,"timeout":false}');
    writeFileSync(join(dir, 'claim.json'), claim);
    for (const name of ['start.json', 'exit.json', 'exit.json.lost']) make(join(dir, name));
    expect(await readAttemptRecord(nodeFiles, dir)).toEqual({ state: 'started', shim, program: null, oomKills: 0 });
    await recordLoss(nodeSystem(), dir);
    expect(await readAttemptRecord(nodeFiles, dir)).toMatchObject({ state: 'ended', ending: { ...ending, isLost: true } });
    expect(readFileSync(join(base, 'theirs'), 'utf8')).toBe('{"code":0,"timeout":false}');
  });

  it('a FIFO in the place of a claim: the attempt is not begun again', async () => {
    execFileSync('mkfifo', [join(dir, 'claim.json')]);
    expect(await readAttemptRecord(nodeFiles, dir)).toMatchObject({ state: 'started', shim: null });
  });

  it('a recorded loss', async () => {
    writeFileSync(join(dir, 'start.json'), start);
    await recordLoss(nodeSystem(), dir);
    expect(await readAttemptRecord(nodeFiles, dir)).toMatchObject({ state: 'ended', ending: { ...ending, isLost: true } });
  });
});
