import { codeLanguages } from './code.ts';
import { jsonc } from './jsonc.ts';
import type { Language } from './language.ts';
import { python } from './python.ts';
import { toml } from './toml.ts';
import { yaml } from './yaml.ts';

export const languages: readonly Language[] = [python, yaml, toml, jsonc, ...codeLanguages];

/** For people. */
export const languageNames =
  'Python, C, C++, CUDA, Java, C#, Rust, JavaScript, TypeScript, R, Julia, Lua, MATLAB, YAML, TOML and JSON with comments';

/** The language of a file by its extension; null when annotations are not read in it. */
export function languageOf(file: string): Language | null {
  const extension = /\.[^./\\]+$/.exec(file)?.[0].toLowerCase() ?? '';
  return languages.find(({ extensions }) => extensions.includes(extension)) ?? null;
}
