import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import type { DetectedEnvironment } from '../../../../agent/packaging/detect/detected.ts';
import { type DetectOptions, detectEnvironment } from '../../../../agent/packaging/detect/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'hpo-detect-'));
afterAll(() => rmSync(folder, { recursive: true }));
let nProjects = 0;

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** Writes the files into a new project; the answer is its root. */
export function projectOf(files: Files): string {
  const root = join(folder, String(nProjects++));
  mkdirSync(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** What is detected for `train.py`, or the script named, among these files. */
export async function detect(files: Files, options: Partial<DetectOptions> = {}): Promise<DetectedEnvironment> {
  const scriptPath = options.scriptPath === undefined ? 'train.py' : options.scriptPath;
  const root = projectOf(scriptPath === null || scriptPath in files ? files : { [scriptPath]: 'print(1)\n', ...files });
  return await detectEnvironment({
    root,
    scriptPath,
    command: null,
    imageSetting: { annotated: null, requested: null },
    interpreter: '/nowhere/python',
    ...options,
  });
}

/** `HPO-2421 error requirements.txt:2` for each. */
export function codes({ diagnostics }: DetectedEnvironment): string[] {
  return diagnostics.map(({ code, severity, file, line }) => `${code} ${severity} ${file}:${line}`);
}
