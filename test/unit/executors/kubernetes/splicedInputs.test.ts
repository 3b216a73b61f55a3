import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { splicedInputs } from '../../../../agent/executors/kubernetes/inputObjects.ts';
import { inputs } from '../../../../agent/executors/kubernetes/places.ts';

const place = { studyName: 'hpo-s', labels: {}, owner: { apiVersion: 'v1', kind: 'ConfigMap', name: 'hpo-s', uid: 'u' } };

/** Puts what pods get of the objects into a folder. */
function laidOut(folder: string, { configMaps, sources }: ReturnType<typeof splicedInputs>): void {
  for (const { configMap } of sources) {
    const data = configMaps.find(({ metadata }) => metadata?.name === configMap?.name)?.data ?? {};
    for (const { key, path } of configMap?.items ?? []) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), data[key] ?? 'nothing has it');
    }
  }
}

test.each<readonly [string, string, number]>([
  ['none', '', 1],
  ['a small one', 'x = 1\n', 1],
  ['one of letters', 'abc\n'.repeat(400_000), 2],
  ['one of long characters', '\u{1f600}€'.repeat(300_000), 3],
])('a file reaches its pod whole, in objects that a cluster takes: %s', (_what, content, nObjects) => {
  const folder = mkdtempSync(join(tmpdir(), 'hpo-spliced-'));
  try {
    const [objects, work] = [join(folder, 'in'), join(folder, 'work')];
    mkdirSync(join(work, "it's"), { recursive: true });
    writeFileSync(join(folder, 'large'), 'of the image');
    symlinkSync(join(folder, 'large'), join(work, "it's", 'a b.py'));
    const made = splicedInputs(place, 'files', [
      { path: "it's/a b.py", content },
      { path: 'other.py', content: 'other' },
    ]);
    laidOut(objects, made);
    expect(made.configMaps.map(({ metadata }) => metadata?.name)).toEqual(['files', 'files-1', 'files-2'].slice(0, nObjects));
    for (const { data } of made.configMaps) {
      const bytes = Object.values(data ?? {}).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
      expect(bytes).toBeLessThanOrEqual(900_000);
    }
    // As the program of the pod does it.
    const lay = `cp -RLf "$1/${inputs.spliced}/." . && if [ -f "$1/${inputs.join}" ]; then sh "$1/${inputs.join}" "$1"; fi`;
    execFileSync('sh', ['-c', lay, 'sh', objects], { cwd: work });
    expect(readFileSync(join(work, "it's", 'a b.py'), 'utf8') === content).toBe(true);
    expect(readFileSync(join(work, 'other.py'), 'utf8')).toBe('other');
    if (nObjects > 1) expect(readFileSync(join(folder, 'large'), 'utf8')).toBe('of the image');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
