import { join, posix } from 'node:path';
import type { MountPlan } from '../../packaging/mountPlan.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { Files } from '../../system/files.ts';

/** Stored code as it travels in ConfigMaps. */
export interface CodeObjects {
  readonly parts: readonly CodePart[];
  /** A script of sh that makes what no ConfigMap holds: folders and links. It runs in the work folder. */
  readonly setup: string;
}

export interface CodePart {
  /** By key, in base64. */
  readonly data: Readonly<Record<string, string>>;
  readonly items: readonly { readonly key: string; readonly path: string; readonly isExecutable: boolean }[];
}

/** The API server takes 1 MiB in all, of which base64 takes a third. */
const maxPartBytes = 690_000;
const maxFiles = 10_000;
/** What a ConfigMap has besides the content of a file. */
const fileBytes = 300;

/** The stored code as ConfigMaps have it. Throws HPO-2480 where a file is larger than one of them. */
export async function codeObjects(disk: Files, plan: MountPlan): Promise<CodeObjects> {
  const paths: string[] = [];
  const links: string[] = [];
  const walk = async (path: string): Promise<void> => {
    const stats = await disk.lstat(join(plan.filesDir, path));
    if (stats?.isLink === true) links.push(path);
    else if (stats?.isFolder === true)
      for (const name of (await disk.names(join(plan.filesDir, path))).toSorted()) await walk(posix.join(path, name));
    else paths.push(path);
  };
  for (const { name } of plan.topLevel) await walk(name);
  if (paths.length > maxFiles) throw tooLarge(`it has ${paths.length} files`);
  const parts: { data: Record<string, string>; items: CodePart['items'][number][]; size: number }[] = [];
  for (const path of paths) {
    const bytes = await disk.readFrom(join(plan.filesDir, path), 0, maxPartBytes + 1);
    if (bytes.length > maxPartBytes) throw tooLarge(`${path} is larger than ${maxPartBytes} bytes`);
    const size = bytes.length + fileBytes;
    let part = parts.at(-1);
    if (part === undefined || part.size + size > maxPartBytes) parts.push((part = { data: {}, items: [], size: 0 }));
    const key = `f${part.items.length}`;
    part.data[key] = Buffer.from(bytes).toString('base64');
    part.items.push({ key, path, isExecutable: bytes[0] === 0x23 && bytes[1] === 0x21 });
    part.size += size;
  }
  const base = await disk.realPath(plan.filesDir).catch(() => plan.filesDir);
  const inner = await Promise.all(
    links.map(async (path) => {
      const target = posix.relative(posix.join(base, posix.dirname(path)), await disk.realPath(join(plan.filesDir, path)));
      return { path, target };
    }),
  );
  return { parts, setup: setupScript(plan.folders, [...plan.symlinks, ...inner]) };
}

function setupScript(folders: readonly string[], links: readonly { readonly path: string; readonly target: string }[]): string {
  return [
    'set -e',
    ...folders.map((path) => `mkdir -p ${quoted(path)}`),
    ...links.flatMap(({ path, target }) => [
      `mkdir -p ${quoted(posix.dirname(path))}`,
      `ln -s ${quoted(target, '')} ${quoted(path)}`,
    ]),
    '',
  ].join('\n');
}

function quoted(path: string, prefix = './'): string {
  return `'${`${prefix}${path}`.replaceAll("'", `'\\''`)}'`;
}

function tooLarge(why: string): HpoError {
  return new HpoError(
    'HPO-2480',
    `the code is too large to travel in ConfigMaps: ${why}`,
    'connect a registry to the cluster, so that the code travels in the image: hpo cluster connect --registry HOST/PREFIX',
  );
}
