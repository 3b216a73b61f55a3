import { basename, extname } from 'node:path/posix';
import type { Language } from './detected.ts';

const byEnding: Readonly<Record<string, Language>> = {
  '.py': 'python',
  '.pyw': 'python',
  '.ipynb': 'python',
  '.js': 'node',
  '.mjs': 'node',
  '.cjs': 'node',
  '.ts': 'node',
  '.mts': 'node',
  '.cts': 'node',
  '.jsx': 'node',
  '.tsx': 'node',
  '.r': 'r',
  '.rmd': 'r',
  '.jl': 'julia',
};

/** Programs that run one language, or that start what does. */
const byProgram: readonly (readonly [program: RegExp, language: Language])[] = [
  [
    /^(?:pypy|python)[\d.]*w?$|^(?:uv|uvx|poetry|pdm|pipenv|pixi|conda|mamba|micromamba|hatch|rye|torchrun|accelerate|deepspeed|horovodrun|pytest|jupyter|papermill|ipython3?|streamlit|ray|kedro|dvc)$/,
    'python',
  ],
  [/^(?:node|nodejs|npm|npx|yarn|pnpm|pnpx|tsx|ts-node)$/, 'node'],
  [/^(?:R|Rscript|r|rscript|littler)$/, 'r'],
  [/^julia$/, 'julia'],
];

/** Programs that are not of a base for a language, with the packages of Debian that have them; whether they compile. */
const tools: Readonly<Record<string, { readonly packages: readonly string[]; readonly isCompiler: boolean }>> = {
  make: { packages: ['make'], isCompiler: true },
  cmake: { packages: ['cmake'], isCompiler: true },
  ninja: { packages: ['ninja-build'], isCompiler: true },
  meson: { packages: ['meson'], isCompiler: true },
  gcc: { packages: ['gcc'], isCompiler: true },
  cc: { packages: ['gcc'], isCompiler: true },
  'g++': { packages: ['g++'], isCompiler: true },
  'c++': { packages: ['g++'], isCompiler: true },
  clang: { packages: ['clang'], isCompiler: true },
  'clang++': { packages: ['clang'], isCompiler: true },
  gfortran: { packages: ['gfortran'], isCompiler: true },
  cargo: { packages: ['cargo'], isCompiler: true },
  rustc: { packages: ['rustc'], isCompiler: true },
  go: { packages: ['golang-go'], isCompiler: true },
  ghc: { packages: ['ghc'], isCompiler: true },
  java: { packages: ['default-jre-headless'], isCompiler: false },
  javac: { packages: ['default-jdk-headless'], isCompiler: true },
  mvn: { packages: ['maven', 'default-jdk-headless'], isCompiler: true },
  perl: { packages: ['perl'], isCompiler: false },
  ruby: { packages: ['ruby'], isCompiler: false },
  php: { packages: ['php-cli'], isCompiler: false },
  lua: { packages: ['lua5.4'], isCompiler: false },
  octave: { packages: ['octave'], isCompiler: false },
};

export interface Programs {
  readonly language: Language;
  /** The program that the command begins with; null without a command. */
  readonly program: string | null;
  readonly packages: readonly string[];
  readonly isCompiled: boolean;
}

/** By the program of a command, else by the script's name; `{script}` and a shell's own text are looked into. */
export function programsOf(scriptPath: string | null, command: readonly string[] | null): Programs {
  const ofScript = byEnding[extname(scriptPath ?? '').toLowerCase()] ?? null;
  const words = command === null ? [] : programWords(command);
  const found = words.flatMap((word) => (Object.hasOwn(tools, word) ? [tools[word]] : [])).filter((tool) => tool !== undefined);
  const named = words.flatMap((word) => byProgram.flatMap(([expression, language]) => (expression.test(word) ? [language] : [])));
  return {
    language: command === null ? (ofScript ?? 'other') : (named[0] ?? 'other'),
    program: words[0] ?? null,
    packages: [...new Set(found.flatMap(({ packages }) => packages))].sort(),
    isCompiled: found.some(({ isCompiler }) => isCompiler),
  };
}

/** Names of the programs that a command starts: its first word behind `env`, `time` and the like; of `sh -c` each in its text. */
function programWords(command: readonly string[]): string[] {
  const words = [...command];
  while (words.length > 1 && /^(?:env|nice|time|timeout|stdbuf|exec|xvfb-run)$|^\w+=|^-|^\d+$/.test(basename(words[0] ?? '')))
    words.shift();
  const [first = '', ...rest] = words;
  const name = basename(first);
  if (!/^(?:ba|da|z|k|a)?sh$/.test(name)) return name === '' ? [] : [name];
  const text = rest.find((word) => !word.startsWith('-')) ?? '';
  const inner = /^-\w*c/.test(rest[0] ?? '')
    ? text
        .split(/&&|\|\||[;|&\n]/)
        .map(
          (part) =>
            part
              .trim()
              .split(/\s+/)
              .find((word) => !/^(?:\w+=.*|exec|env|time|nice|cd|set|export)$/.test(word)) ?? '',
        )
        .map((word) => basename(word))
    : [];
  return [name, ...inner.filter((word) => word !== '')];
}
