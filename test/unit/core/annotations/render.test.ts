import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type LanguageId,
  applyValues,
  parseScript,
  renderValue,
  roundForSource,
} from '../../../../agent/core/annotations/index.ts';
import { languages } from '../../../../agent/core/annotations/languages/index.ts';
import type { Distribution, ParamValue } from '../../../../agent/protocol/space.ts';

const rows: readonly (readonly [language: LanguageId, literal: string, value: ParamValue, expected: string])[] = [
  // A whole number stays one, a float stays one
  ['python', '3', 4, '4'],
  ['python', '3', -4, '-4'],
  ['python', '-3', 4, '4'],
  ['python', '+3', 4, '+4'],
  ['python', '3', 0.25, '0.25'],
  ['python', '1_000', 2000000, '2_000_000'],
  ['python', '0x40', 255, '0xff'],
  ['python', '0xFF', 171, '0xAB'],
  ['python', '0b101', 6, '0b110'],
  ['toml', '0x1F', -3, '-3'],
  ['python', '0o17', 8, '0o10'],
  ['python', '1.0', 2, '2.0'],
  ['python', '0.1', 0.25, '0.25'],
  ['python', '.5', 0.25, '.25'],
  ['python', '.5', 1.25, '1.25'],
  ['python', '1.', 2, '2.0'],
  ['python', '-0.5', 0.5, '0.5'],
  ['python', '0.1', 3.2e-7, '3.2e-7'],
  ['python', '0.1', 0.00032, '0.00032'],
  ['python', '1_000.5', 20000.25, '20_000.25'],
  ['python', '1.0', 1e21, '1e21'],
  ['python', '1.0', 123456789012345680000, '123456789012345680000.0'],
  ['python', '1', 123456789012345680000, '123456789012345680000.0'],
  // Exponents
  ['python', '3e-4', 0.00032, '3.2e-4'],
  ['python', '3e-4', 0.05, '5e-2'],
  ['python', '1e-3', 1, '1.0'],
  ['python', '1e-3', 12.5, '12.5'],
  ['python', '1e3', 2000, '2e3'],
  ['python', '1E-3', 0.02, '2E-2'],
  ['python', '1.0e-3', 0.02, '2.0e-2'],
  ['python', '1e-03', 0.02, '2e-02'],
  ['python', '1e+03', 2000, '2e+03'],
  ['python', '1e-3', -0.02, '-2e-2'],
  ['python', '1e-3', 0, '0.0'],
  // Words
  ['python', 'True', false, 'False'],
  ['python', 'None', true, 'True'],
  ['python', 'True', null, 'None'],
  ['json', 'true', false, 'false'],
  ['json', '1', null, 'null'],
  ['toml', 'true', false, 'false'],
  ['yaml', 'yes', false, 'no'],
  ['yaml', 'On', false, 'Off'],
  ['yaml', 'TRUE', false, 'FALSE'],
  ['yaml', '1', null, 'null'],
  ['yaml', '~', 3, '3'],
  // Texts
  ['python', '"adam"', 'sgd', '"sgd"'],
  ['python', "'adam'", 'sgd', "'sgd'"],
  ['python', "'adam'", "it's", "'it\\'s'"],
  ['python', '"adam"', 'a\nb\\', '"a\\nb\\\\"'],
  ['python', 'r"a\\d"', 'b\\w', 'r"b\\w"'],
  ['python', 'r"a\\d"', 'b"\\w', '"b\\"\\\\w"'],
  ['python', '"""adam"""', 'sgd', '"""sgd"""'],
  ['python', 'None', 'sgd', '"sgd"'],
  ['python', '"a"', '\ud800', '"\\ud800"'],
  ['json', '"a"', 'b"c', '"b\\"c"'],
  ['toml', "'a'", 'b', "'b'"],
  ['toml', "'a'", "b'c", '"b\'c"'],
  ['toml', '"a"', 'tab\t', '"tab\\t"'],
  ['yaml', 'adam', 'sgd', 'sgd'],
  ['yaml', 'adam', 'a: b', '"a: b"'],
  ['yaml', 'adam', 'yes', '"yes"'],
  ['yaml', 'adam', 'null', '"null"'],
  ['yaml', 'adam', '1e3', '"1e3"'],
  ['yaml', 'adam', '', '""'],
  ['yaml', "'adam'", "it's", "'it''s'"],
  ['yaml', '"adam"', 'sgd', '"sgd"'],
  // YAML 1.1, which Python's readers speak, knows floats only with a point and a signed exponent
  ['yaml', '0.1', 3.2e-7, '3.2e-7'],
  ['yaml', '0.1', 3e-7, '3.0e-7'],
  ['yaml', '1e3', 2000, '2.0e+3'],
  // Lists
  ['python', '(0.9, 0.999)', [0.8, 0.99], '(0.8, 0.99)'],
  ['python', '(0.9, 0.999)', [1, 2], '(1.0, 2.0)'],
  ['python', '[1, 2]', [3], '[3]'],
  ['python', '[1,2]', [3, 4], '[3,4]'],
  ['python', '(1,)', [2], '(2,)'],
  ['python', '(1, 2)', [], '()'],
  ['python', '1, 2', [3, 4], '3, 4'],
  ['python', '("a", \'b\')', ['x', 'y'], '("x", \'y\')'],
  ['python', '((1, 2), [3])', [[4, 5], [6]], '((4, 5), [6])'],
  ['python', 'None', [1, 2], '[1, 2]'],
  ['python', '[\n  1,\n  2,\n]', [3, 4], '[3, 4\n\n\n]'],
  ['python', '[\n  1,\n]', null, '(None\n\n)'],
  ['json', '[1, 2]', [3], '[3]'],
  ['json', '[\r\n1]', [3], '[3\r\n]'],
  ['yaml', '[adam, sgd]', ['a b', 'c,d'], '[a b, "c,d"]'],
  ['toml', '[1, 2]', [3], '[3]'],
  // Programs: a float has its point, so that its type stays what it was
  ['c', '0.1', 2, '2.0'],
  ['c', '1e-3', 2e-5, '2.0e-5'],
  ['c', '3', -4, '-4'],
  ['rust', '1_000', 20000, '20_000'],
  ['r', 'TRUE', false, 'FALSE'],
  ['julia', 'true', null, 'nothing'],
  ['lua', 'true', null, 'nil'],
  ['c', '"a"', 'b"\\', '"b\\"\\\\"'],
  ['javascript', "'a'", "it's", "'it\\'s'"],
  ['matlab', "'a'", 'b', "'b'"],
];

describe('a value is written in the style of the literal', () => {
  test.each(rows)('%s: %s becomes %j, written %s', (language, literal, value, expected) => {
    expect(renderValue(literal, value, language)).toBe(expected);
  });
  test.each([
    ['toml', '"a"', null],
    ['toml', '"a"', '\ud800'],
    ['toml', '[\n1]', 'x'],
    ['python', '1.0', NaN],
    ['json', '1.0', Infinity],
    ['c', '1.0', null],
    ['c', '1', [1, 2]],
    ['r', '"a"', 'b\n'],
    ['julia', '"a"', '$b'],
    ['matlab', "'a'", "it's"],
  ] as const)('%s cannot write in place of %s: %j', (language, literal, value) => {
    expect(() => renderValue(literal, value, language)).toThrow(expect.objectContaining({ code: 'HPO-1136' }) as Error);
  });
});

describe('what is written is read back as exactly the value', () => {
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.integer({ min: -1000, max: 1000 }),
  );
  const scalar = fc.oneof(
    number,
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('yes', 'null', '- a', '#', '"', "'", '\\', ' a', 'a\nb', '\u2028'),
    fc.boolean(),
    fc.constant(null),
  );
  const value: fc.Arbitrary<ParamValue> = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
  const models: Readonly<Record<LanguageId, readonly string[]>> = {
    python: [
      '1',
      '1.5',
      '1e-3',
      '1_000',
      '0x1F',
      '.5',
      '"a"',
      "'a'",
      '"""a"""',
      'r"a"',
      'None',
      'True',
      '(1, 2.5)',
      '["a"]',
      '(1,)',
      '1, 2',
    ],
    yaml: ['1', '1.5', '1e-3', 'adam', "'a'", '"a"', 'yes', '~', '[1, a, 2.5]'],
    toml: ['1', '1.5', '1e-3', '1_000', '0x1F', '"a"', "'a'", 'true', '[1.5, 2.5]'],
    json: ['1', '1.5', '1e-3', '"a"', 'null', 'true', '[1, "a"]'],
    c: ['1', '1.5', '1e-3', '.5', '"a"', 'true'],
    rust: ['1', '1.5', '1_000', '"a"', 'true'],
    javascript: ['1', '1.5', '"a"', "'a'", 'null', 'true'],
    r: ['1', '1.5', '"a"', "'a'", 'NULL', 'TRUE'],
    julia: ['1', '1.5', '"a"', 'nothing', 'true'],
    lua: ['1', '1.5', '"a"', "'a'", 'nil', 'true'],
    matlab: ['1', '1.5', '"a"', "'a'", 'true'],
  };
  test.each(languages.map(({ id, style }) => [id, style] as const))('%s', (id, style) => {
    fc.assert(
      fc.property(fc.constantFrom(...models[id]), value, (model, wanted) => {
        let literal: string;
        try {
          literal = renderValue(model, wanted, id);
        } catch {
          // TOML has neither null nor half surrogate pairs, programs have no lists here; Python and JSON have everything.
          expect(id === 'python' || id === 'json').toBe(false);
          return;
        }
        expect(literal).not.toMatch(/[\r\n]/);
        const read = style.read(literal)?.value ?? null;
        // Whether a whole number is 0 or −0 makes no difference.
        const plain = JSON.stringify(wanted);
        expect(JSON.stringify(read)).toBe(plain);
      }),
      { numRuns: 3000, seed: 20 },
    );
  });
});

describe('values are put into the text', () => {
  const apply = (text: string, file: string, values: Readonly<Record<string, ParamValue>>): string => {
    const { spec, diagnostics } = parseScript(text, file);
    expect(diagnostics).toEqual([]);
    const edits = spec.space.parameters.flatMap(({ name, literal }) =>
      literal === null || values[name] === undefined ? [] : { literal, value: values[name] },
    );
    const applied = applyValues(text, edits, file);
    expect(applied.diagnostics).toEqual([]);
    return applied.text;
  };
  test.each([
    [
      'a.py',
      'lr = 1e-3  # @hpo float(0, 1)\nn = 3  # @hpo int(1, 9)',
      { lr: 0.02, n: 5 },
      'lr = 2e-2  # @hpo float(0, 1)\nn = 5  # @hpo int(1, 9)',
    ],
    ['a.py', 'def f(): return-1  # @hpo n: int(-3, 9)', { n: 5 }, 'def f(): return(5)  # @hpo n: int(-3, 9)'],
    ['a.py', 'def f(): return"a"  # @hpo n: choice("a", 3)', { n: 3 }, 'def f(): return(3)  # @hpo n: choice("a", 3)'],
    [
      'a.py',
      'x = [\n  1,  # one\n  2,\n]  # @hpo choice([1, 2], [3, 4])\ny = 1',
      { x: [3, 4] },
      'x = [3, 4\n\n\n]  # @hpo choice([1, 2], [3, 4])\ny = 1',
    ],
    ['a.py', 'x = """a\nb"""  # @hpo choice("a\\nb", "c")', { x: 'c' }, 'x = ("""c"""\n)  # @hpo choice("a\\nb", "c")'],
    [
      'a.yaml',
      'm: {o: adam, lr: 1e-3}  # @hpo o: choice("adam", "a, b")',
      { o: 'a, b' },
      'm: {o: "a, b", lr: 1e-3}  # @hpo o: choice("adam", "a, b")',
    ],
    ['a.json', '{"a": 1.0 /* @hpo float(0, 9) */, "b": [1]}', { a: 3 }, '{"a": 3.0 /* @hpo float(0, 9) */, "b": [1]}'],
    ['a.toml', 'lr = 0.1 # @hpo float(0, 1)', { lr: 1 }, 'lr = 1.0 # @hpo float(0, 1)'],
  ])('%s %j', (file, text, values, expected) => {
    expect(apply(text, file, values)).toBe(expected);
  });

  test('a text that has moved on is left alone, and said so', () => {
    const { text, diagnostics } = applyValues('lr = 2', [{ literal: { start: 5, end: 6, text: '1' }, value: 3 }], 'a.py');
    expect(text).toBe('lr = 2');
    expect(diagnostics).toEqual([expect.objectContaining({ code: 'HPO-1137', line: 1, column: 6 })]);
  });

  test('edits that overlap are applied once', () => {
    const literal = { start: 5, end: 6, text: '1' };
    const { text, diagnostics } = applyValues(
      'lr = 1',
      [
        { literal, value: 3 },
        { literal, value: 4 },
      ],
      'a.py',
    );
    expect([text, diagnostics.length]).toEqual(['lr = 3', 1]);
  });
});

describe('rounding for the source', () => {
  const float = (low: number, high: number, extra: object = {}): Distribution => ({
    type: 'float',
    low,
    high,
    log: false,
    revlog: false,
    step: null,
    ...extra,
  });
  test.each([
    [float(1e-5, 1e-1, { log: true }), 0.000318273645, 0.0003183],
    [float(0, 1), 0.123456, 0.1235],
    [float(0, 1), 1, 1],
    [float(0, 0.99996), 0.99996, 0.99996],
    [float(0, 1, { step: 0.1 }), 0.30000000000000004, 0.3],
    [float(1000, 1000.1), 1000.0456789, 1000.0457],
    [float(-1, 1), -0.98765432, -0.9877],
    [float(0, 1e9), 123456789.123, 123500000],
    [{ type: 'int', low: 1, high: 1e6, log: false, revlog: false, step: null }, 123456, 123456],
    [{ type: 'categorical', choices: [0.123456789, 1] }, 0.123456789, 0.123456789],
  ] as const)('%j %d → %d', (distribution, value, expected) => {
    expect(roundForSource(distribution, value)).toBe(expected);
  });
});
