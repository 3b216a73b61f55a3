import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, sep } from 'node:path';
import { type ParseError, parse as parseJsonc, printParseErrorCode } from 'jsonc-parser';
import { parse as parseToml, TomlError } from 'smol-toml';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import type { Diagnostic } from '../../protocol/space.ts';
import { fault, lineOf, placeOf } from './faults.ts';
import { record } from '../unknown.ts';

/** Larger than any lock that a tool writes. */
const maxBytes = 64 * 1024 * 1024;

/**
 * The files of one project, each read at most once, so that all who ask see the same text. Paths are relative to the root, with `/`.
 * Only plain files in the root are read: a link may not lead out of it, and a pipe or device would never end.
 */
export class ProjectReader {
  readonly root: string;
  readonly #bytes = new Map<string, Promise<Uint8Array | null>>();

  constructor(root: string) {
    this.root = root;
  }

  bytes(path: string): Promise<Uint8Array | null> {
    const known = this.#bytes.get(path) ?? this.#read(path);
    this.#bytes.set(path, known);
    return known;
  }

  /** Null where there is no file. */
  async text(path: string): Promise<string | null> {
    const bytes = await this.bytes(path);
    return bytes === null
      ? null
      : Buffer.from(bytes)
          .toString('utf8')
          .replace(/^\uFEFF/, '');
  }

  /** Names of the entries of a folder, in order; empty for what is none. */
  async list(folder: string): Promise<readonly string[]> {
    if (!(await this.#isInside(folder))) return [];
    return (await readdir(join(this.root, folder)).catch((): string[] => [])).sort();
  }

  /** The first of the names that a folder has as a file; null for none. */
  async firstOf(folder: string, names: readonly string[]): Promise<string | null> {
    for (const name of names) {
      const path = posix.join(folder, name);
      if ((await this.bytes(path)) !== null) return path;
    }
    return null;
  }

  async toml(path: string, faults: Diagnostic[]): Promise<Record<string, unknown> | null> {
    return await this.#parsed(path, faults, (text) => parseToml(text));
  }

  async yaml(path: string, faults: Diagnostic[]): Promise<Record<string, unknown> | null> {
    return await this.#parsed(path, faults, (text) => parseYaml(text, { logLevel: 'silent' }));
  }

  async json(path: string, faults: Diagnostic[]): Promise<Record<string, unknown> | null> {
    return await this.#parsed(path, faults, (text) => JSON.parse(text));
  }

  /** JSON with comments and commas at the end, as editors write it. */
  async jsonc(path: string, faults: Diagnostic[]): Promise<Record<string, unknown> | null> {
    return await this.#parsed(path, faults, (text) => {
      const errors: ParseError[] = [];
      const value: unknown = parseJsonc(text, errors, { allowTrailingComma: true });
      const [first] = errors;
      if (first !== undefined) {
        throw new SyntaxError(`${printParseErrorCode(first.error)} in line ${text.slice(0, first.offset).split('\n').length}`);
      }
      return value;
    });
  }

  async #parsed(path: string, faults: Diagnostic[], parse: (text: string) => unknown): Promise<Record<string, unknown> | null> {
    const text = await this.text(path);
    if (text === null) return null;
    const unreadable = (why: string, line: number | null) => {
      const place = line === null ? placeOf(path, text, /^.*$/m) : lineOf(path, text, line);
      faults.push(fault('HPO-2420', 'error', place, `${path} cannot be read: ${why}`, 'correct it, or make it again'));
      return null;
    };
    try {
      return record(parse(text)) ?? unreadable('it holds no table of names and values', null);
    } catch (error) {
      const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
      if (error instanceof TomlError) return unreadable(why, error.line);
      if (error instanceof YAMLParseError) return unreadable(why, error.linePos?.[0].line ?? null);
      return unreadable(why, null);
    }
  }

  async #read(path: string): Promise<Uint8Array | null> {
    if (!(await this.#isInside(path))) return null;
    const place = join(this.root, path);
    const info = await stat(place).catch(() => null);
    if (info?.isFile() !== true || info.size > maxBytes) return null;
    return await readFile(place).catch(() => null);
  }

  async #isInside(path: string): Promise<boolean> {
    if (isOutside(path)) return false;
    const [root, place] = await Promise.all([
      realpath(this.root).catch(() => this.root),
      realpath(join(this.root, path)).catch(() => null),
    ]);
    return place !== null && !isOutside(relative(root, place).split(sep).join('/'));
  }
}

/** A path, relative to the root, that leads out of it. */
export function isOutside(path: string): boolean {
  const normal = posix.normalize(path);
  return isAbsolute(path) || normal === '..' || normal.startsWith('../') || path.includes('\0');
}
