import { dirname, join, relative, resolve, sep } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { inlineBlock } from '../inlineBlock.ts';
import { readText } from '../readText.ts';
import { readRequirements } from '../requirementsFile.ts';
import { record, records, strings, text } from '../unknown.ts';
import { HpoError } from '../../protocol/errors.ts';
import { normaliseName, parseRequirement } from './requirement.ts';
import type { Requirement } from './requirement.ts';

/** What a script says it needs. */
export interface Manifest {
  /** Relative to the root, with `/`; the script itself for a PEP 723 block. */
  readonly path: string;
  /** For people: `requirements.txt`, `pyproject.toml`, `uv.lock`, `train.py`. */
  readonly label: string;
  readonly requirements: readonly Requirement[];
  /** Specifiers for Python itself, such as `>=3.11`; empty for any. */
  readonly requiresPython: string;
  /** How an installer is to be asked: pip's own file, or lines that are written to one. */
  readonly install:
    | { readonly type: 'file'; readonly path: string }
    | { readonly type: 'lines'; readonly lines: readonly string[]; readonly constraints: readonly string[] };
  /** Everything that the answer depends on. */
  readonly content: string;
}

/**
 * The script's PEP 723 block, else the nearest folder upward from the script to the root that has a manifest; within one
 * folder uv.lock before requirements.txt before pyproject.toml. Null when the script asks for nothing.
 * @throws HpoError HPO-2006 for a manifest that cannot be read.
 */
export async function findManifest(script: string, root: string): Promise<Manifest | null> {
  const block = inlineBlock(await readText(script));
  if (block !== null) return fromInline(block.toml, label(script), root, script);
  for (const folder of foldersUp(dirname(script), root)) {
    for (const [name, read] of readers) {
      const path = join(folder, name);
      const content = await readText(path);
      const manifest = content === '' ? null : await read(content, path, root);
      if (manifest !== null) return manifest;
    }
  }
  return null;
}

/** The folder and those above it, up to the root; the folder alone when it is outside of the root. */
export function foldersUp(folder: string, root: string): string[] {
  const inside = relative(root, folder);
  // Its first segment says so: a folder may be called `..k`.
  if (inside.split(sep)[0] === '..' || resolve(inside) === inside) return [folder];
  const parts = inside === '' ? [] : inside.split(sep);
  return [...parts.keys()].map((index) => join(root, ...parts.slice(0, parts.length - index))).concat(root);
}

type ReadManifest = (content: string, path: string, root: string) => Promise<Manifest | null> | Manifest | null;

const readers: readonly (readonly [string, ReadManifest])[] = [
  ['uv.lock', fromUvLock],
  ['requirements.txt', fromRequirements],
  ['pyproject.toml', fromPyproject],
];

function fromInline(block: string, name: string, root: string, path: string): Manifest {
  const table = toml(block, path);
  return fromLines(strings(table['dependencies']), text(table['requires-python']), block, name, place(path, root));
}

function fromPyproject(content: string, path: string, root: string): Manifest | null {
  const project = record(toml(content, path)['project']);
  // Many pyproject.toml only configure tools.
  if (project === null || !Array.isArray(project['dependencies'])) return null;
  const lines = strings(project['dependencies']);
  const requiresPython = text(project['requires-python']);
  return fromLines(lines, requiresPython, JSON.stringify([lines, requiresPython]), label(path), place(path, root));
}

function fromLines(lines: readonly string[], requiresPython: string, content: string, name: string, path: string): Manifest {
  return {
    path,
    label: name,
    requirements: parseAll(lines),
    requiresPython,
    install: { type: 'lines', lines, constraints: [] },
    content,
  };
}

/** The direct dependencies of the project itself, at the locked versions; everything else locked is a constraint. */
function fromUvLock(content: string, path: string, root: string): Manifest | null {
  const lock = toml(content, path);
  const packages = records(lock['package']);
  const own = packages.find((item) => {
    const source = record(item['source']);
    return source !== null && [source['virtual'], source['editable']].includes('.');
  });
  if (own === undefined) return null;
  const versions = new Map<string, string[]>();
  for (const item of packages) {
    if (item === own || item['version'] === undefined) continue;
    const name = normaliseName(text(item['name']));
    versions.set(name, [...(versions.get(name) ?? []), text(item['version'])]);
  }
  // A package locked in several versions has one per platform: the installer chooses.
  const pinned = (name: string) => {
    const [version, ...others] = versions.get(normaliseName(name)) ?? [];
    return version === undefined || others.length > 0 ? name : `${name}==${version}`;
  };
  const lines = records(own['dependencies']).map((item) => {
    const extras = strings(item['extra']);
    const marker = text(item['marker']);
    const name = pinned(text(item['name'])).replace(/^[^=]+/, (bare) =>
      extras.length > 0 ? `${bare}[${extras.join(',')}]` : bare,
    );
    return marker === '' ? name : `${name} ; ${marker}`;
  });
  const constraints = [...versions.keys()].map(pinned).filter((line) => line.includes('=='));
  return {
    path: place(path, root),
    label: label(path),
    requirements: parseAll(lines),
    requiresPython: text(lock['requires-python']),
    install: { type: 'lines', lines, constraints },
    content,
  };
}

async function fromRequirements(content: string, path: string, root: string): Promise<Manifest> {
  const { lines, files } = await readRequirements(path, content, readText);
  return {
    path: place(path, root),
    label: label(path),
    requirements: parseAll(lines.map((line) => line.text)),
    requiresPython: '',
    install: { type: 'file', path },
    content: JSON.stringify([...files.values()]),
  };
}

function parseAll(lines: readonly string[]): Requirement[] {
  return lines.map((line) => parseRequirement(line)).filter((requirement) => requirement !== null);
}

function toml(content: string, path: string): Record<string, unknown> {
  try {
    return parseToml(content);
  } catch (error) {
    const where = error instanceof TomlError ? ` line ${error.line}, column ${error.column}:` : '';
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
    throw new HpoError(
      'HPO-2006',
      `${path} cannot be read:${where} ${why}.`,
      'Correct it, or choose an interpreter and use --env current.',
      {
        cause: error,
        exitCode: 4,
      },
    );
  }
}

function label(path: string): string {
  return path.slice(path.lastIndexOf(sep) + 1);
}

function place(path: string, root: string): string {
  return relative(root, path).replaceAll(sep, '/');
}
