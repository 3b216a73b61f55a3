import type { SyntaxNode } from '@lezer/common';
import { parser } from '@lezer/python';
import { readComments } from './part.ts';
import { languageOf } from './languages/index.ts';
import { childrenOf } from './languages/pythonTree.ts';

/**
 * Paths, relative to the project root, at which the modules that a Python file imports would be if they were the
 * project's own, likeliest first. The caller takes those that exist and asks again for each. Only imports that stand in
 * the text count; a path never leads out of the root.
 */
export function localImports(text: string, file: string): string[] {
  if (languageOf(file)?.id !== 'python') return [];
  const folder = file.split(/[/\\]/).slice(0, -1);
  const paths = new Set<string>();
  parser.parse(text).iterate({
    enter({ name, node }) {
      if (name === 'ImportStatement') for (const { level, parts } of modulesOf(node, text)) addPaths(level, parts, folder, paths);
    },
  });
  paths.delete(file);
  return [...paths];
}

interface Module {
  /** Number of leading dots; 0 for an absolute import. */
  readonly level: number;
  readonly parts: readonly string[];
}

/** `import a.b, c as d` and `from ..a import b, c`: what may be a module, names behind `import` included. */
function modulesOf(statement: SyntaxNode, text: string): Module[] {
  const words = childrenOf(statement).map((node) => ({ name: node.name, text: text.slice(node.from, node.to) }));
  const importAt = words.findIndex(({ name }) => name === 'import');
  if (importAt < 0) return [];
  const behind = splitNames(words.slice(importAt + 1));
  if (words[0]?.name !== 'from') return behind.map((parts) => ({ level: 0, parts }));
  const before = words.slice(1, importAt);
  const firstName = before.findIndex(({ name }) => name === 'VariableName');
  const dots = before.slice(0, firstName < 0 ? undefined : firstName);
  const level = dots.reduce((sum, word) => sum + word.text.length, 0);
  const parts = before.filter(({ name }) => name === 'VariableName').map((word) => word.text);
  return [{ level, parts }, ...behind.map((names) => ({ level, parts: [...parts, ...names] }))];
}

/** Dotted names between commas, without what they are renamed to. */
function splitNames(words: readonly { readonly name: string; readonly text: string }[]): string[][] {
  const names: string[][] = [[]];
  let isRenamed = false;
  for (const { name, text } of words) {
    if (name === ',') {
      names.push([]);
      isRenamed = false;
    } else if (name === 'as') isRenamed = true;
    else if (name === 'VariableName' && !isRenamed) names.at(-1)?.push(text);
  }
  return names.filter((parts) => parts.length > 0);
}

function addPaths(level: number, parts: readonly string[], folder: readonly string[], paths: Set<string>): void {
  for (const base of basesOf(level, folder)) {
    const inBase = [...base, ...parts];
    if (parts.length > 0) paths.add(`${inBase.join('/')}.py`);
    // Importing a.b runs the __init__ of every package on the way, and of a package that is imported itself.
    for (let length = parts.length; length >= (level > 0 ? 0 : 1); length--) {
      const packageFolder = [...base, ...parts.slice(0, length)];
      if (packageFolder.length > 0) paths.add(`${packageFolder.join('/')}/__init__.py`);
    }
  }
}

/** Folders in which a module may be looked for: exactly one for a relative import; else those that Python's path usually holds. */
function basesOf(level: number, folder: readonly string[]): (readonly string[])[] {
  if (level > 0) return level - 1 <= folder.length ? [folder.slice(0, folder.length - (level - 1))] : [];
  const bases: (readonly string[])[] = [];
  for (let length = folder.length; length >= 0; length--) bases.push(folder.slice(0, length));
  bases.push(['src']);
  return bases;
}

/**
 * Files named by `@hpo.include`, as paths relative to the project root when `file` is one: an include counts from the
 * folder of the file that holds it. Without `file` the paths are as written, and the text is read as Python.
 */
export function includedFiles(text: string, file = 'script.py'): string[] {
  const folder = file.split(/[/\\]/).slice(0, -1);
  const paths = readComments(text, file).directives.flatMap((directive) => (directive.type === 'include' ? directive.paths : []));
  return [...new Set(paths.map((path) => normalise(folder, path)))];
}

function normalise(folder: readonly string[], path: string): string {
  if (/^(?:[/\\]|[A-Za-z]:)/.test(path)) return path;
  const parts = [...folder];
  for (const part of path.split(/[/\\]/)) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}
