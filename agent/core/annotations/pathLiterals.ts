import { parser } from '@lezer/python';
import { languageOf } from './languages/index.ts';
import { parseLiteral, pythonDialect } from './literal.ts';
import { lineMap } from './text.ts';

/** A text in a program or in settings that may be a path of a file. */
export interface PathLiteral {
  readonly path: string;
  /** From 1. */
  readonly line: number;
}

/** A file with more texts than this is a table. */
const maxLiterals = 2_000;
const maxLength = 1_000;

/**
 * The texts of a file that could name a file or folder: strings of Python, without those that stand for themselves (docstrings) and
 * those that are put together while the program runs; in other files what is in quotes, and values that begin as paths do. Whether
 * there is such a file is for the caller to see.
 */
export function pathLiterals(text: string, file: string): PathLiteral[] {
  const lines = lineMap(text);
  const found = new Map<string, PathLiteral>();
  const add = (path: string, offset: number): boolean => {
    if (isPathLike(path) && !found.has(path)) found.set(path, { path, line: lines.lineOf(offset) });
    return found.size < maxLiterals;
  };
  const texts = languageOf(file)?.id === 'python' ? pythonTexts(text) : otherTexts(text);
  for (const { value, offset } of texts) if (!add(value, offset)) break;
  return [...found.values()];
}

interface Text {
  readonly value: string;
  readonly offset: number;
}

function pythonTexts(text: string): Text[] {
  const texts: Text[] = [];
  parser.parse(text).iterate({
    enter({ name, node }) {
      if (name !== 'String' || node.parent?.name === 'ExpressionStatement') return;
      const value = parseLiteral(text.slice(node.from, node.to), pythonDialect)?.value;
      if (typeof value === 'string') texts.push({ value, offset: node.from });
    },
  });
  return texts;
}

function otherTexts(text: string): Text[] {
  const texts: Text[] = [];
  for (const match of text.matchAll(
    /"([^"\\\r\n]{1,1000})"|'([^'\\\r\n]{1,1000})'|(?<=[\s:=[(,])((?:~|\.\.?)?\/[^\s"'`,;()[\]{}<>|&$*?#]+)/g,
  )) {
    const value = match[1] ?? match[2] ?? match[3] ?? '';
    texts.push({ value, offset: match.index });
  }
  return texts;
}

/** Names with blanks are allowed, sentences, addresses, patterns and templates are not. */
function isPathLike(text: string): boolean {
  if (
    text.length > maxLength ||
    !/^[\p{L}\p{N}_./~@+\- ,=()]+$/u.test(text) ||
    /:\/\/|^\/\/|\/\/$|^[\s.,=()+@-]*$|^\s|\s$/.test(text)
  )
    return false;
  return /^(?:~|\.{1,2})?\//.test(text) || /^[\p{L}\p{N}_.]/u.test(text);
}
