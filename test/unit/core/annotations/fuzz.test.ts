import { expect, test } from 'vitest';
import { applyValues, bestEdits, metricCandidates, parseHpoYml, parseScript } from '../../../../agent/core/annotations/index.ts';
import { fromUnit } from '../../../../agent/core/space/index.ts';
import { countBreaks } from '../../../../agent/core/annotations/text.ts';

/** Inputs in all; with `FUZZ_RUNS=1000000` a longer hunt. */
const nRuns = Number(process.env['FUZZ_RUNS'] ?? 100_000);

/** Scripts are put together from these, then mutated: most are nearly right, which is where parsers break. */
const literals = [
  '1',
  '0.1',
  '1e-3',
  '-1',
  '.5',
  '1.',
  '1_000',
  '0x1F',
  '"adam"',
  "'a'",
  '"""x\ny"""',
  'r"\\d"',
  'None',
  'True',
  '(1, 2)',
  '[1, "a"]',
  '1, 2',
  'f(1)',
  'f"{x}"',
  'x + 1',
  '(1)',
  '{"a": 1}',
  '[\n 1,\n 2]',
  'yes',
  '~',
  '1979-05-27',
  '"\\u00e9"',
  '😀',
];
const spaces = [
  'float(0, 1)',
  'float(1e-5, 1e-1, log)',
  'int(1, 8)',
  'int(1, 2_000, step=3)',
  'choice("adam", "a", 1, None)',
  'choice((1, 2), [1, "a"])',
  'ordinal(1, 2, 3)',
  'bool',
  'fidelity(1, 81, eta=3)',
  'float(1, 0)',
  'flaot(0, 1)',
  'float(0',
  'choice(adam)',
  '',
];
/** Literals with a space that holds them, so that much of what is made is good. */
const fitting: readonly (readonly [literal: string, space: string])[] = [
  ['1', 'int(1, 8)'],
  ['0.1', 'float(0, 1)'],
  ['1e-3', 'float(1e-5, 1e-1, log)'],
  ['"adam"', 'choice("adam", "it\'s", "#")'],
  ['True', 'bool'],
  ['true', 'bool'],
  ['[1, 2]', 'choice([1, 2], [3, "a"])'],
  ['1', 'fidelity(1, 81)'],
];
const options = [
  '',
  '',
  '',
  ' when opt == "a"',
  ' when',
  ' via arg(--lr)',
  ' via key(a.yml:b.c)',
  ' via',
  ' when x > 1 and (',
  '  lr: float(0, 1)',
  ' # noqa',
];
const directives = [
  '.objective val_loss min',
  '.objective',
  '.where lr < n',
  '.constraint a <= 2',
  '.search trials=60 algorithm=tpe',
  '.budget cost=15USD',
  '.resources memory=24GB',
  '.metric l from stdout "l=(\\S+)" step "e (\\d+)"',
  '.metric l from stdout "("',
  '.data a -> b ro',
  '.image auto',
  '.folds k=5 via arg(--f)',
  '.include a b',
  '.secret A',
  '.',
  '.x',
];
const shapes: Readonly<Record<string, readonly ((literal: string, note: string) => string)[]>> = {
  'a.py': [
    (literal, note) => `lr = ${literal}  # ${note}\n`,
    (literal, note) => `# ${note}\nself.lr = ${literal}\n`,
    (literal, note) => `m = f(\n    n=${literal},  # ${note}\n    k=2,\n)\n`,
    (literal, note) => `m = f(x, n=${literal}, opt="a")  # ${note}\n`,
    (literal, note) => `p.add_argument(\n    "--opt", default=${literal}\n)  # ${note}\n`,
    (literal, note) => `def g(n=${literal}):  # ${note}\n    return ${literal} # ${note}\n`,
    (literal, note) => `d = {"n": ${literal}, # ${note}\n 'k': [1, ${literal}]} # ${note}\n`,
    (literal, note) => `s = "# ${note}"; t = '''\n# ${note}\n'''\n${literal}\n`,
    (literal) => `print(f"loss={x:.3f}", "acc:", ${literal})\n`,
    (literal, note) => `return${literal}# ${note}\n`,
  ],
  'a.yaml': [
    (literal, note) => `lr: ${literal}  # ${note}\n`,
    (literal, note) => `m:\n  # ${note}\n  n: ${literal}\n`,
    (literal, note) => `m: {n: ${literal}, k: [1, ${literal}]} # ${note}\n`,
    (literal, note) => `l:\n  - ${literal} # ${note}\n`,
    (literal, note) => `t: |\n  # ${note}\n  ${literal}\n`,
  ],
  'a.toml': [
    (literal, note) => `lr = ${literal} # ${note}\n`,
    (literal, note) => `[t.u]\n# ${note}\nn = ${literal}\n`,
    (literal, note) => `l = [\n ${literal}, # ${note}\n 2]\n`,
    (literal, note) => `t = {n = ${literal}, k = 1} # ${note}\n`,
  ],
  'a.jsonc': [
    (literal, note) => `{"lr": ${literal} // ${note}\n}\n`,
    (literal, note) => `{\n// ${note}\n"n": ${literal}, /* ${note} */ "k": [${literal}]}\n`,
  ],
  'a.cpp': [
    (literal, note) => `const double lr = ${literal}; // ${note}\n`,
    (literal, note) => `/* ${note} */\nint n = ${literal}, k = ${literal};\n`,
    (literal, note) => `#define N ${literal} // ${note}\nauto s = R"(// ${note})";\n`,
  ],
  'a.R': [
    (literal, note) => `lr <- ${literal} # ${note}\n`,
    (literal, note) => `# ${note}\nm <- f(x, n = ${literal}, opt = 'a')\n`,
  ],
  'a.jl': [
    (literal, note) => `lr::Float64 = ${literal} # ${note}\n`,
    (literal, note) => `#= ${note} =#\nn = f(${literal}; k = ${literal}) # ${note}\n`,
  ],
};
const noise = [
  '@hpo',
  '#',
  '"',
  "'",
  '"""',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  ':',
  ',',
  '=',
  '\\',
  '\n',
  '\r\n',
  '\r',
  '\t',
  ' ',
  '.',
  '-',
  '\0',
  '\ufeff',
  '\u2028',
  'é',
  '\ud83d',
  'when',
  'via',
  'def ',
  ';',
  '/*',
  '*/',
  '//',
  '|',
  '&a',
  '*a',
  '---\n',
  '# /// script\n# [tool.hpo]\n# x = 1\n# ///\n',
  '__proto__',
  'constructor',
];

test(`${nRuns} generated and mutated texts: nothing throws, spans are right, the defaults give back the identical file`, {
  timeout: 600_000 * Math.max(1, nRuns / 100_000),
}, () => {
  // Marsaglia's xorshift: a seeded generator of three lines is enough here, and as fast as can be.
  let state = 7;
  const below = (n: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const files = ['a.py', 'a.py', 'a.py', 'a.yaml', 'a.toml', 'a.jsonc', 'a.cpp', 'a.R', 'a.jl'];

  const generate = (file: string): string => {
    const parts: string[] = [];
    for (let count = 1 + below(3); count > 0; count--) {
      const name = pick(['', '', '', 'lr: ', 'n: ', 'opt: ', 'x.y: ']);
      const [literal, space] = below(2) === 0 ? pick(fitting) : [pick(literals), pick(spaces)];
      const note =
        below(5) === 0 ? `@hpo${pick(directives)}` : `${below(8) === 0 ? 'hpo:' : '@hpo'} ${name}${space}${pick(options)}`;
      parts.push(pick(shapes[file] ?? [])(literal, note));
    }
    return parts.join('');
  };
  const mutate = (text: string): string => {
    let mutated = text;
    for (let count = below(4); count > 0; count--) {
      const at = below(mutated.length + 1);
      const length = below(3) === 0 ? below(8) : 0;
      const inserted = below(3) === 0 ? '' : below(8) === 0 ? mutated.slice(below(mutated.length + 1)).slice(0, 20) : pick(noise);
      mutated = mutated.slice(0, at) + inserted + mutated.slice(at + length);
    }
    return mutated;
  };

  let nParameters = 0;
  let nDiagnostics = 0;
  let nFixes = 0;
  for (let run = 0; run < nRuns; run++) {
    const file = pick(files);
    const generated = generate(file);
    const text = mutate(generated);
    try {
      const { spec, diagnostics, notes } = parseScript(text, file);
      const { parameters } = spec.space;
      nParameters += parameters.length;
      nDiagnostics += diagnostics.length;
      for (const { line, column, endLine, endColumn, message, fix } of diagnostics) {
        if (line < 1 || column < 1 || endLine < line || (endLine === line && endColumn < column) || message === '')
          throw new Error(`bad range in ${message}`);
        if (fix === null) continue;
        nFixes++;
        if (fix.start < 0 || fix.end < fix.start || fix.end > text.length || /[\r\n]/.test(fix.text))
          throw new Error(`bad fix ${JSON.stringify(fix)}`);
      }
      for (const { start, end, literals: spans } of notes) {
        if (start < 0 || end > text.length || start > end) throw new Error('bad note');
        for (const span of spans) if (span.start >= span.end || span.end > text.length) throw new Error('bad literal');
      }
      const edits = parameters.flatMap(({ literal, default: value }) =>
        literal === null || value === undefined ? [] : { literal, value },
      );
      if (edits.length > 0) {
        const defaults = applyValues(text, edits, file);
        if (defaults.text !== text || defaults.diagnostics.length > 0)
          throw new Error(`the defaults change the file: ${JSON.stringify(defaults)}`);
        checkOther(text, file, parameters, pick, text === generated);
      }
      if (run % 16 === 0) {
        metricCandidates(text, file);
        parseHpoYml(text, 'hpo.yml');
        bestEdits(text, file, { lr: 0.5, n: 'a', opt: null });
      }
    } catch (error) {
      throw new Error(`run ${run}, ${file}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
  // The generator is worth something only if much of what it makes is read, and much is wrong.
  expect({ parameters: nParameters > nRuns / 8, diagnostics: nDiagnostics > nRuns / 2, fixes: nFixes > nRuns / 20 }).toEqual({
    parameters: true,
    diagnostics: true,
    fixes: true,
  });
});

/** Other values of the space: the number of lines stays, and reading a file without faults of syntax again gives exactly these values. */
function checkOther(
  text: string,
  file: string,
  parameters: ReturnType<typeof parseScript>['spec']['space']['parameters'],
  pick: <T>(items: readonly T[]) => T,
  isWhole: boolean,
): void {
  const edits = parameters.flatMap((parameter) => {
    const { literal, distribution, sink } = parameter;
    if (literal === null || sink.type !== 'literal') return [];
    return { name: parameter.name, literal, value: fromUnit(distribution, pick([0, 0.37, 1])) };
  });
  const applied = applyValues(text, edits, file);
  if (countBreaks(applied.text) !== countBreaks(text)) throw new Error(`the number of lines changes: ${JSON.stringify(applied)}`);
  if (applied.diagnostics.length > 0) throw new Error(`not applied: ${JSON.stringify(applied.diagnostics)}`);
  // Around a syntax error the parsers guess, and may guess otherwise for another value.
  if (!isWhole) return;
  const again = new Map(
    parseScript(applied.text, file).spec.space.parameters.map((parameter) => [parameter.name, parameter.default]),
  );
  for (const { name, value } of edits) {
    if (JSON.stringify(again.get(name)) !== JSON.stringify(value))
      throw new Error(
        `${name} is ${JSON.stringify(again.get(name))}, not ${JSON.stringify(value)}: ${JSON.stringify(applied.text)}`,
      );
  }
}
