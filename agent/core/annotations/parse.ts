import type { Diagnostic, ScriptSpec } from '../../protocol/space.ts';
import { type Assembled, assemble } from './assemble.ts';
import { type NoteRange, type Part, readComments } from './part.ts';
import { readHpoYml, readPyproject, readScriptBlock } from './settings.ts';

/**
 * What the annotations of one file say. The language follows from the file's extension; `file` is the path relative to
 * the project root, which sites and diagnostics carry. Never throws, and always returns everything that was good.
 */
export function parseScript(
  text: string,
  file: string,
): { readonly spec: ScriptSpec; readonly diagnostics: Diagnostic[]; readonly notes: readonly NoteRange[] } {
  const comments = readComments(text, file);
  return { ...assemble([comments, ...settingsOf(text, file)]), notes: comments.notes };
}

/**
 * What a whole project says (rules 8 and 11): the main script first, then the modules that it imports and the files that
 * it includes, each by its notes; then the block of PEP 723, hpo.yml, and `[tool.hpo]` of pyproject.toml.
 */
export function parseProject(files: readonly { readonly path: string; readonly text: string }[], main: string): Assembled {
  const ordered = [...files.filter(({ path }) => path === main), ...files.filter(({ path }) => path !== main)];
  const comments: Part[] = [];
  const blocks: Part[] = [];
  const ymls: Part[] = [];
  const pyprojects: Part[] = [];
  for (const { path, text } of ordered) {
    if (isHpoYml(path)) {
      ymls.push(readHpoYml(text, path));
      continue;
    }
    comments.push(readComments(text, path));
    // Only the script that is run has settings of its own; a module's block is for running that module.
    if (path === main || isPyproject(path)) (isPyproject(path) ? pyprojects : blocks).push(...settingsOf(text, path));
  }
  return assemble([...comments, ...blocks, ...ymls, ...pyprojects]);
}

/** An hpo.yml by itself: its spec, and the program that it describes. Never throws. */
export function parseHpoYml(
  text: string,
  file: string,
): {
  readonly spec: ScriptSpec;
  readonly diagnostics: Diagnostic[];
  readonly script?: string;
  readonly command?: readonly string[];
} {
  const part = readHpoYml(text, file);
  return {
    ...assemble([part]),
    ...(part.script === null ? {} : { script: part.script }),
    ...(part.command === null ? {} : { command: part.command }),
  };
}

function settingsOf(text: string, file: string): Part[] {
  const part = isPyproject(file) ? readPyproject(text, file) : /\.pyw?$/.test(file) ? readScriptBlock(text, file) : null;
  return part === null ? [] : [part];
}

function isPyproject(file: string): boolean {
  return /(?:^|[/\\])pyproject\.toml$/.test(file);
}

export function isHpoYml(file: string): boolean {
  return /(?:^|[/\\])hpo\.ya?ml$/.test(file);
}
