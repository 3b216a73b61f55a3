import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  const ending = { exitCode: null, signal: null, isTimeout: false, isOutOfMemory: false, isLost: false };
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
      record: { state: 'ended', ending: { ...ending, exitCode: 3 }, program, oomKills: 2 },
    },
    {
      name: 'an end by a signal',
      files: { 'exit.json': '{"code":143,"timeout":true}' },
      record: { state: 'ended', ending: { ...ending, signal: 'SIGTERM', isTimeout: true }, program: null, oomKills: 0 },
    },
    {
      name: 'an exit code above the signals',
      files: { 'exit.json': '{"code":255,"timeout":false}' },
      record: { state: 'ended', ending: { ...ending, exitCode: 255 }, program: null, oomKills: 0 },
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

  it('a recorded loss', async () => {
    writeFileSync(join(dir, 'start.json'), start);
    await recordLoss(nodeSystem(), dir);
    expect(await readAttemptRecord(nodeFiles, dir)).toMatchObject({ state: 'ended', ending: { ...ending, isLost: true } });
  });
});
