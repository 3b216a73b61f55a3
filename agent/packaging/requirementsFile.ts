import { dirname, resolve } from 'node:path';

export interface RequirementLine {
  readonly text: string;
  /** Path of the file that it stands in. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export interface RequirementsFile {
  /** All lines but those that include other files, in whose place their lines stand; comments and options too. */
  readonly lines: readonly RequirementLine[];
  /** Texts of this file and of all that it includes, also of constraints, by path. */
  readonly files: ReadonlyMap<string, string>;
  /** Lines that include what is not there. */
  readonly missing: readonly RequirementLine[];
  /** Lines that include a list by its address, which is not followed. */
  readonly remote: readonly RequirementLine[];
}

/** Reads what pip would: `-r` and `-c` are followed, each file once. `read` gives null for what is not there. */
export async function readRequirements(
  path: string,
  content: string,
  read: (path: string) => Promise<string | null>,
): Promise<RequirementsFile> {
  const files = new Map<string, string>();
  const missing: RequirementLine[] = [];
  const remote: RequirementLine[] = [];

  const linesOf = async (at: string, own: string): Promise<RequirementLine[]> => {
    files.set(at, own);
    const lines: RequirementLine[] = [];
    for (const { text, line } of logicalLines(own)) {
      const [, option, name] = /^\s*(?:(-r|-c)\s*|(?:--(?:requirement|constraint))[\s=]+)(\S+)/.exec(text) ?? [];
      if (name === undefined) {
        lines.push({ text, file: at, line });
        continue;
      }
      if (/^[a-z][a-z\d+.-]+:\/\//i.test(name)) {
        remote.push({ text, file: at, line });
        continue;
      }
      const included = resolve(dirname(at), name);
      if (files.has(included)) continue;
      const inner = await read(included);
      if (inner === null) missing.push({ text, file: at, line });
      const found = await linesOf(included, inner ?? '');
      if (option === '-r' || text.trimStart().startsWith('--requirement')) lines.push(...found);
    }
    return lines;
  };

  const lines = await linesOf(path, content);
  return { lines, files, missing, remote };
}

/** Lines as pip joins them: one that ends with a backslash goes on in the next. */
function* logicalLines(content: string): Generator<{ readonly text: string; readonly line: number }> {
  let text = '';
  let start = 1;
  for (const [index, line] of content.split(/\r?\n/).entries()) {
    if (text === '') start = index + 1;
    if (line.endsWith('\\')) text += line.slice(0, -1);
    else {
      yield { text: text + line, line: start };
      text = '';
    }
  }
  if (text !== '') yield { text, line: start };
}
