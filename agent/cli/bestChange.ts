import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { bestEdits } from '../core/annotations/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { Params } from '../protocol/space.ts';
import type { BestTrial, StudySpec } from '../protocol/study.ts';

/** The best values written into the sources as they are now. */
export interface BestChange {
  readonly files: readonly { readonly path: string; readonly before: string; readonly after: string }[];
  /** Parameters whose annotated literal is no longer in the source, or that have none. */
  readonly missing: readonly string[];
  /** Unified diff of all files; empty when the source holds the best values already. */
  readonly patch: string;
}

export async function bestChange(spec: StudySpec, best: BestTrial): Promise<BestChange> {
  const files: BestChange['files'][number][] = [];
  const missing: string[] = [];
  for (const file of new Set(spec.space.parameters.filter(({ literal }) => literal !== null).map(({ site }) => site.file))) {
    const before = await readFile(join(spec.root, file), 'utf8').catch((cause: unknown) => {
      throw new HpoError(
        'HPO-2001',
        `${file} is no longer in ${spec.root}`,
        'put it back, or copy the values by hand: hpo best STUDY --json',
        { cause },
      );
    });
    const { edits, missing: gone } = bestEdits(before, file, paramsOf(spec, best.params, file));
    missing.push(...gone);
    let after = before;
    for (const { start, end, text } of edits.toSorted((a, b) => b.start - a.start))
      after = after.slice(0, start) + text + after.slice(end);
    if (after !== before) files.push({ path: file, before, after });
  }
  const patch = files
    .map(({ path, before, after }) => createTwoFilesPatch(path, path, before, after, 'now', 'best', { context: 2 }))
    .join('');
  return { files, missing, patch: patch.replaceAll(/^(?:Index: .*|=+)\n/gm, '') };
}

function paramsOf(spec: StudySpec, params: Params, file: string): Params {
  const names = spec.space.parameters
    .filter(({ site, literal }) => literal !== null && site.file === file)
    .map(({ name }) => name);
  return Object.fromEntries(names.flatMap((name) => (params[name] === undefined ? [] : [[name, params[name]]])));
}

/** Writes each file aside and renames it, so that no editor sees half a script. Refuses where a file changed since the diff. */
export async function applyChange(spec: StudySpec, change: BestChange): Promise<void> {
  for (const { path, before, after } of change.files) {
    const target = join(spec.root, path);
    if ((await readFile(target, 'utf8')) !== before) {
      throw new HpoError('HPO-4020', `${path} changed while the diff was shown`, 'run the command again');
    }
    const { mode } = await stat(target);
    await writeFile(`${target}.hpo-new`, after, { mode });
    await rename(`${target}.hpo-new`, target);
  }
}
