import { join, posix } from 'node:path';
import { maxObjectBytes, maxObjectFiles, maxObjectsBytes, tooLargeForObjects } from '../../packaging/codeTravel.ts';
import { quoted } from '../../packaging/shellWord.ts';
import type { MountPlan } from '../../packaging/mountPlan.ts';
import type { Files } from '../../system/files.ts';
import { type ObjectEntry, objectEntry } from './objectEntry.ts';

/** Stored code as it travels in ConfigMaps. */
export interface CodeObjects {
  readonly parts: readonly CodePart[];
  /** A script of sh that makes what no ConfigMap holds: folders and links. It runs in the work folder. */
  readonly setup: string;
}

/** What one ConfigMap has. */
export interface CodePart {
  readonly entries: Readonly<Record<string, ObjectEntry>>;
  readonly items: readonly { readonly key: string; readonly path: string; readonly isExecutable: boolean }[];
}

/** What a ConfigMap has of a file besides its content. */
const keyBytes = 40;

/**
 * The stored code as ConfigMaps have it: the same for the same code. What is linked stays where it is and is left out. Throws HPO-2480
 * where it is more than `howCodeTravels` sends this way.
 */
export async function codeObjects(disk: Files, plan: MountPlan): Promise<CodeObjects> {
  const { files, links } = await contentOf(disk, plan);
  if (files.length > maxObjectFiles) throw tooLargeForObjects(`it has ${files.length} files`);
  const executables = new Set(plan.executables);
  const parts: { entries: Record<string, ObjectEntry>; items: CodePart['items'][number][] }[] = [];
  let [size, total] = [0, 0];
  for (const path of files) {
    const bytes = await disk.readFrom(join(plan.filesDir, path), 0, maxObjectBytes + 1);
    total += bytes.length;
    if (bytes.length > maxObjectBytes) throw tooLargeForObjects(`${path} has more than ${maxObjectBytes} bytes`);
    if (total > maxObjectsBytes) throw tooLargeForObjects(`it has more than ${maxObjectsBytes} bytes`);
    let part = parts.at(-1);
    size += bytes.length + keyBytes;
    if (part === undefined || size > maxObjectBytes + keyBytes) {
      parts.push((part = { entries: {}, items: [] }));
      size = bytes.length + keyBytes;
    }
    const key = `f${part.items.length}`;
    part.entries[key] = objectEntry(bytes);
    part.items.push({ key, path, isExecutable: executables.has(path) });
  }
  const setup = setupScript(plan.folders, links);
  if (Buffer.byteLength(setup) > maxObjectBytes) throw tooLargeForObjects('it has too many folders and links');
  return { parts, setup };
}

interface Link {
  readonly path: string;
  /** Relative to the folder that the link is in. */
  readonly target: string;
}

/** Files and links by path, in an order that follows from their names. */
async function contentOf(
  disk: Files,
  { filesDir, topLevel, symlinks, links: linked }: MountPlan,
): Promise<{ readonly files: readonly string[]; readonly links: readonly Link[] }> {
  const elsewhere = new Set(linked.map(({ path }) => path));
  const files: string[] = [];
  const links: Link[] = symlinks.map(({ path, target }) => ({ path, target }));
  const base = await disk.realPath(filesDir);
  const walk = async (path: string): Promise<void> => {
    if (elsewhere.has(path)) return;
    const stats = await disk.lstat(join(filesDir, path));
    if (stats?.isLink === true) {
      // All of them lead to something else that is stored.
      const target = await disk.realPath(join(filesDir, path));
      links.push({ path, target: posix.relative(posix.join(base, posix.dirname(path)), target) });
    } else if (stats?.isFolder === true) {
      for (const name of (await disk.names(join(filesDir, path))).toSorted()) await walk(posix.join(path, name));
    } else files.push(path);
  };
  for (const { name } of topLevel.toSorted((a, b) => (a.name < b.name ? -1 : 1))) await walk(name);
  return { files, links };
}

function setupScript(folders: readonly string[], links: readonly Link[]): string {
  return [
    'set -e',
    ...folders.map((path) => `mkdir -p ${quoted(`./${path}`)}`),
    ...links.flatMap(({ path, target }) => [
      `mkdir -p ${quoted(`./${posix.dirname(path)}`)}`,
      `ln -s ${quoted(target)} ${quoted(`./${path}`)}`,
    ]),
    '',
  ].join('\n');
}
