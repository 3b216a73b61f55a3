import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { StudyFolders } from '../../../agent/executors/attempt/studyFolders.ts';
import { AttemptOutputFiles } from '../../../agent/executors/attempt/outputFile.ts';
import { nodeFiles } from '../../../agent/system/nodeFiles.ts';

const dir = mkdtempSync(join(tmpdir(), 'hpo-output-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

it('AttemptOutputFiles reads both files of an attempt, and nothing of one that is not there', async () => {
  const output = new AttemptOutputFiles(
    { attemptDir: () => dir, containerFile: () => join(dir, 'container.json'), clusterFile: () => join(dir, 'cluster.json') },
    nodeFiles,
  );
  const key = { studyId: 's', trial: 0, attempt: 1 };
  writeFileSync(join(dir, 'out.log'), 'printed');
  expect(textOf(await output.read(key, 'out', 3, 10))).toBe('nted');
  expect(await output.size(key, 'out')).toBe(7);
  expect(await output.size(key, 'metrics')).toBe(0);
  expect(textOf(await output.read(key, 'metrics', 0, 10))).toBe('');
});

it.each([
  { name: 'a process reads through the links of its project', isContainer: false, expected: 'linked' },
  { name: 'a container is given nothing of the machine by a link', isContainer: true, expected: '' },
])('files that metrics are read from: $name', async ({ isContainer, expected }) => {
  const base = mkdtempSync(join(dir, 'links-'));
  const files = new StudyFolders(base);
  const key = { studyId: 's', trial: 0, attempt: 1 };
  mkdirSync(join(files.attemptDir(key), 'work'), { recursive: true });
  mkdirSync(join(base, 'elsewhere'));
  writeFileSync(join(base, 'elsewhere', 'metrics.csv'), 'linked');
  symlinkSync(join(base, 'elsewhere'), join(files.attemptDir(key), 'work', 'runs'));
  if (isContainer) writeFileSync(files.containerFile('s'), '{}');
  const output = new AttemptOutputFiles(files, nodeFiles);
  expect(textOf(await output.read(key, 'work/runs/metrics.csv', 0, 10))).toBe(expected);
  expect(await output.size(key, 'work/runs/metrics.csv')).toBe(expected.length);
});

it('marks tell homes, studies and trials apart', () => {
  const files = new StudyFolders('/a');
  const mark = files.mark({ studyId: 's-1', trial: 1, attempt: 1 });
  expect(files.isMarkOfStudy(mark, 's-1')).toBe(true);
  expect(files.isMarkOfStudy(mark, 's')).toBe(false);
  expect(new StudyFolders('/b').isMarkOfStudy(mark, 's-1')).toBe(false);
});
