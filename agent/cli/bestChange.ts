import { randomBytes } from 'node:crypto';
import { chmod, chown, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { applyKey, bestEdits, parseScript, roundForSource } from '../core/annotations/index.ts';
import { contains } from '../core/space/index.ts';
import { decodeSource } from '../packaging/source.ts';
import { HpoError } from '../protocol/errors.ts';
import { formatDistribution, formatValue } from '../protocol/format.ts';
import type { Distribution, Parameter, Params, ParamValue } from '../protocol/space.ts';
import type { BestTrial, StudySpec } from '../protocol/study.ts';

/** The best values written into the sources as they are now. */
export interface BestChange {
  readonly files: readonly { readonly path: string; readonly before: string; readonly after: string }[];
  /** Parameters that are not written, with the reason and what to do, for people. */
  readonly left: readonly { readonly name: string; readonly why: string }[];
  /** Unified diff of all files; empty when nothing is to be written. */
  readonly patch: string;
}

/** @throws HpoError HPO-2001 when a file is gone, HPO-2106 when it is not UTF-8 */
export async function bestChange(spec: StudySpec, best: BestTrial): Promise<BestChange> {
  const texts = new Map<string, { readonly before: string; after: string }>();
  const left: { name: string; why: string }[] = [];
  const open = async (file: string): Promise<{ readonly before: string; after: string }> => {
    const before = texts.get(file)?.before ?? (await readSource(spec.root, file));
    const text = texts.get(file) ?? { before, after: before };
    texts.set(file, text);
    return text;
  };
  const chosen = spec.space.parameters.flatMap((parameter) => {
    const value = best.params[parameter.name];
    return value === undefined ? [] : [{ parameter, value }];
  });
  const literals = chosen.filter(({ parameter: { sink, literal } }) => sink.type === 'literal' && literal !== null);
  for (const [file, inFile] of Map.groupBy(literals, ({ parameter }) => parameter.site.file)) {
    const text = await open(file);
    const values: Params = Object.fromEntries(inFile.map(({ parameter, value }) => [parameter.name, value]));
    const faults = faultsOf(withEdits(text.before, bestEdits(text.before, file, values).edits), file);
    for (const [name, why] of faults)
      if (name in values) left.push({ name, why: `the range annotated now does not hold the best value: ${why}` });
    const fitting = Object.fromEntries(Object.entries(values).filter(([name]) => !faults.has(name)));
    const { edits, missing } = bestEdits(text.before, file, fitting);
    left.push(...missing.map((name) => ({ name, why: `it is not annotated in ${file} any more` })));
    text.after = withEdits(text.before, edits);
  }
  for (const { parameter, value } of chosen) {
    const { name, sink, distribution } = parameter;
    if (sink.type === 'key') {
      const now = await rangeNow(spec.root, parameter);
      if (now !== null && !contains(now, value)) {
        const range = formatDistribution(now);
        left.push({ name, why: `the range annotated now (${range}) does not hold the best value ${formatValue(value)}` });
        continue;
      }
      const text = await open(sink.file);
      try {
        text.after = applyKey(text.after, sink.file, sink.path, roundForSource(distribution, value));
      } catch (error) {
        if (!(error instanceof HpoError)) throw error;
        left.push({ name, why: `${error.message}; ${error.next}` });
      }
    } else if (sink.type !== 'literal') {
      left.push({ name, why: notWritten(parameter, value) });
    }
  }
  const files = [...texts].flatMap(([path, text]) => (text.after === text.before ? [] : [{ path, ...text }]));
  const patch = files
    .map(({ path, before, after }) => createTwoFilesPatch(path, path, before, after, 'now', 'best', { context: 2 }))
    .join('');
  return { files, left, patch: patch.replaceAll(/^(?:Index: .*|=+)\n/gm, '') };
}

function withEdits(text: string, edits: ReturnType<typeof bestEdits>['edits']): string {
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((changed, { start, end, text: literal }) => changed.slice(0, start) + literal + changed.slice(end), text);
}

/** Why a value of the study is no value of the range annotated now, which may be narrower: the words of the annotations' own check. */
function faultsOf(text: string, file: string): ReadonlyMap<string, string> {
  const faults = parseScript(text, file).diagnostics.filter(({ code }) => code === 'HPO-1114' || code === 'HPO-1115');
  return new Map(faults.map(({ message }) => [message.slice(0, message.indexOf(' is ')), message]));
}

/** The range of a parameter whose value stands elsewhere; null where its annotation moved on. */
async function rangeNow(root: string, { name, site }: Parameter): Promise<Distribution | null> {
  const bytes = await readFile(join(root, site.file)).catch(() => null);
  if (bytes === null) return null;
  const { parameters } = parseScript(decodeSource(bytes, site.file), site.file).spec.space;
  return parameters.find((parameter) => parameter.name === name)?.distribution ?? null;
}

function notWritten({ sink }: Parameter, value: ParamValue): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const how = sink.type === 'env' ? `the environment variable ${sink.name}=${text}` : '';
  return `it is given at the start, not by a file: run with ${sink.type === 'arg' ? `${sink.flag} ${text}` : how}`;
}

async function readSource(root: string, file: string): Promise<string> {
  const bytes = await readFile(join(root, file)).catch((cause: unknown) => {
    throw new HpoError(
      'HPO-2001',
      `${file} is no longer in ${root}`,
      'put it back, or copy the values by hand: hpo best STUDY --json',
      { cause },
    );
  });
  return decodeSource(bytes, file);
}

/**
 * Writes each file aside and renames it, so that no editor sees half a script; what a link leads to is written, with the
 * mode and owner it had. Refuses where a file changed since the diff.
 */
export async function applyChange(spec: StudySpec, change: BestChange): Promise<void> {
  for (const { path, before, after } of change.files) {
    if ((await readSource(spec.root, path)) !== before)
      throw new HpoError('HPO-4020', `${path} changed while the diff was shown`, 'run the command again');
    const target = await realpath(join(spec.root, path));
    const { mode, uid, gid } = await stat(target);
    const aside = `${target}.${randomBytes(6).toString('hex')}.hpo-new`;
    try {
      await writeFile(aside, after, { mode: 0o600, flag: 'wx' });
      const own = await stat(aside);
      if (own.uid !== uid || own.gid !== gid) await chown(aside, uid, gid);
      // The mask of the process does not count here.
      await chmod(aside, mode & 0o7777);
      await rename(aside, target);
    } catch (cause) {
      await rm(aside, { force: true });
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HpoError(
        'HPO-4025',
        `${path} could not be written: ${reason}`,
        'make it and its folder writable, then run the command again',
        {
          cause,
        },
      );
    }
  }
}
