import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LocalAttemptFiles } from '../../../agent/executors/local/attemptFiles.ts';
import { AttemptOutputFiles, readFrom, readTail } from '../../../agent/executors/local/outputFile.ts';

const dir = mkdtempSync(join(tmpdir(), 'hpo-output-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('readFrom', () => {
  const path = join(dir, 'ten');
  writeFileSync(path, '0123456789');
  const cases: [offset: number, maxBytes: number, text: string, nextOffset: number][] = [
    [0, 4, '0123', 4],
    [4, 100, '456789', 10],
    [10, 100, '', 10],
    [99, 100, '', 99],
    [0, 0, '', 0],
  ];
  it.each(cases)('from %i at most %i', async (offset, maxBytes, expected, nextOffset) => {
    const result = await readFrom(path, offset, maxBytes);
    expect([textOf(result.bytes), result.nextOffset]).toEqual([expected, nextOffset]);
  });

  it('takes a file that is not there for an empty one, and a folder for a mistake', async () => {
    expect(await readFrom(join(dir, 'none'), 5, 10)).toEqual({ bytes: new Uint8Array(), nextOffset: 5 });
    await expect(readFrom(dir, 0, 10)).rejects.toThrow('EISDIR');
  });

  it('follows a file that grows, and stays where it is when it shrinks', async () => {
    const growing = join(dir, 'growing');
    writeFileSync(growing, 'ab');
    const first = await readFrom(growing, 0, 10);
    appendFileSync(growing, 'cd');
    expect(textOf((await readFrom(growing, first.nextOffset, 10)).bytes)).toBe('cd');
    truncateSync(growing, 1);
    expect(await readFrom(growing, 4, 10)).toEqual({ bytes: new Uint8Array(), nextOffset: 4 });
  });
});

it('readTail gives the last bytes', async () => {
  const path = join(dir, 'tail');
  writeFileSync(path, '0123456789');
  expect(textOf(await readTail(path, 3))).toBe('789');
  expect(textOf(await readTail(path, 30))).toBe('0123456789');
  expect(textOf(await readTail(join(dir, 'none'), 3))).toBe('');
});

it('AttemptOutputFiles reads both files of an attempt, and nothing of one that is not there', async () => {
  const output = new AttemptOutputFiles({ attemptDir: () => dir });
  const key = { studyId: 's', trial: 0, attempt: 1 };
  writeFileSync(join(dir, 'out.log'), 'printed');
  expect(textOf(await output.read(key, 'out', 3, 10))).toBe('nted');
  expect(await output.size(key, 'out')).toBe(7);
  expect(await output.size(key, 'metrics')).toBe(0);
  expect(textOf(await output.read(key, 'metrics', 0, 10))).toBe('');
});

it('marks tell homes, studies and trials apart', () => {
  const files = new LocalAttemptFiles('/a');
  const mark = files.mark({ studyId: 's-1', trial: 1, attempt: 1 });
  expect(files.isMarkOfStudy(mark, 's-1')).toBe(true);
  expect(files.isMarkOfStudy(mark, 's')).toBe(false);
  expect(new LocalAttemptFiles('/b').isMarkOfStudy(mark, 's-1')).toBe(false);
});
