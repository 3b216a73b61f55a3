import { describe, expect, test } from 'vitest';
import { parseScript } from '../../../../agent/core/annotations/index.ts';

/** Each row: what it is about, the text with every tuned literal between « and », and the names in their order. */
type Row = readonly [about: string, marked: string, names: string, file?: string];

const rows: readonly Row[] = [
  // Rule 1: comments only
  ['no note in a text', 's = "# @hpo int(1, 2)"', ''],
  ['no note in a docstring', 'def f():\n    """\n    x = 1  # @hpo int(1, 2)\n    """', ''],
  ['no note in an f-string', 'x = f"{1  }# @hpo int(1, 2)"', ''],
  ['no note in the middle of a comment', 'x = 1  # see @hpo int(1, 2)', ''],
  ['no note in a longer word', 'x = 1  # @hpothesis', ''],
  ['the alias', 'x = «1»  # hpo: int(1, 2)', 'x'],
  ['the alias with a name', 'm = f(x=«1», y=2)  # hpo: x: int(1, 2)', 'x'],
  ['the alias in a word is none', 'x = 1  # whpo: int(1, 2)', ''],
  ['a directive in the alias', '# hpo:.objective loss min', ''],
  ['behind another comment', 'x = «1»  # noqa: E501  # @hpo int(1, 2)', 'x'],
  ['before another comment', 'x = «1»  # @hpo int(1, 2)  # type: ignore', 'x'],
  ['no space behind the sign', 'x = «1»  #@hpo int(1,2)', 'x'],
  // Rule 2: where a comment belongs
  ['trailing', 'x = «1»  # @hpo int(1, 2)', 'x'],
  ['own line', '# @hpo int(1, 2)\nx = «1»', 'x'],
  ['own line, blank lines and comments between', '# @hpo int(1, 2)\n\n# other\n\nx = «1»', 'x'],
  ['own line, stacked', '# @hpo a: int(1, 2)\n# @hpo b: int(1, 2)\nf(a=«1», b=«2»)', 'a b'],
  ['own line, indented block', 'def f():\n    # @hpo int(1, 2)\n    x = «1»', 'x'],
  ['argument that ends on the line', 'm = f(\n    a=«1»,  # @hpo int(1, 2)\n    b=2,\n)', 'a'],
  ['argument behind the comment', 'm = f(\n    # @hpo int(1, 2)\n    a=«1»,\n    b=2,\n)', 'a'],
  ['last argument without a comma', 'm = f(\n    a=«1»  # @hpo int(1, 2)\n)', 'a'],
  ['argument over several lines', 'm = f(\n    a=g(\n        b=«1»\n    ),  # @hpo int(1, 2)\n    c=2,\n)', 'b'],
  ['element of a list', 'xs = [\n    «1»,  # @hpo first: int(1, 2)\n    2,\n]', 'first'],
  ['entry of a dict', 'd = {\n    "a": «1»,  # @hpo int(1, 2)\n    "b": 2,\n}', 'a'],
  ['moved behind the bracket by a formatter', 'p.add_argument(\n    "--rate", default=«1»\n)  # @hpo int(1, 2)', 'rate'],
  ['moved behind the bracket, by name', 'm = fit(\n    X,\n    depth=«1»,\n    eta=2,\n)  # @hpo depth: int(1, 2)', 'depth'],
  ['moved behind the bracket of a value', 'x = (\n    «1»\n)  # @hpo int(1, 2)', 'x'],
  ['behind an opening bracket', 'm = fit(  # @hpo depth: int(1, 2)\n    depth=«1», eta=2,\n)', 'depth'],
  ['a statement over several lines', 'm = fit(depth=«1»,\n        eta=«2»)  # @hpo depth: int(1, 2) eta: int(1, 2)', 'depth eta'],
  ['continued by a backslash', 'x = \\\n    «1»  # @hpo int(1, 2)', 'x'],
  ['one-line body', 'if True: x = «1»  # @hpo int(1, 2)', 'x'],
  ['header of a function', 'def f(x=«1», y=2):  # @hpo x: int(1, 2)\n    pass', 'x'],
  ['header over several lines', 'def f(\n    x=«1»,  # @hpo int(1, 2)\n    y=2,\n): pass', 'x'],
  ['header with types', 'def f(x: int = «1») -> int:  # @hpo int(1, 2)\n    pass', 'x'],
  ['above a function', '# @hpo int(1, 2)\ndef f(x=«1»):\n    pass', 'x'],
  ['loop', 'for epoch in range(«2»):  # @hpo epoch: int(1, 2)\n    pass', 'epoch'],
  ['above a decorator', '# @hpo int(1, 2)\n@click.option("--n", default=«1»)\ndef f(n): pass', 'n'],
  ['last line without an end', 'x = «1»  # @hpo int(1, 2)', 'x'],
  ['windows line ends', 'a = 0\r\nx = «1»  # @hpo int(1, 2)\r\n', 'x'],
  ['a byte order mark', '\ufeffx = «1»  # @hpo int(1, 2)', 'x'],
  ['a broken line before', 'y = = 3\nx = «1»  # @hpo int(1, 2)', 'x'],
  ['a broken line after', 'x = «1»  # @hpo int(1, 2)\ny = = 3', 'x'],
  ['unicode before it', 's = "😀"; x = «1»  # @hpo x: int(1, 2)', 'x'],
  // Rules 3 and 4: names and literals
  ['typed', 'x: int = «1»  # @hpo int(1, 2)', 'x'],
  ['attribute', 'self.x = «1»  # @hpo int(1, 2)', 'x'],
  ['attribute of an attribute', 'self.cfg.x = «1»  # @hpo int(1, 2)', 'x'],
  ['subscript', 'cfg["x"] = «1»  # @hpo int(1, 2)', 'x'],
  ['subscript of a subscript', 'cfg["opt"]["x"] = «1»  # @hpo int(1, 2)', 'x'],
  ['longer name of a subscript', 'cfg["opt"]["x"] = «1»  # @hpo opt.x: int(1, 2)', 'opt.x'],
  ['chained', 'a = b = «1»  # @hpo int(1, 2)', 'a'],
  ['unpacked', 'a, b = 1, «2»  # @hpo b: int(1, 2)', 'b'],
  ['unpacked tuple', 'a, b = (1, «2»)  # @hpo b: int(1, 2)', 'b'],
  ['walrus', 'if (n := «1») > 0: pass  # @hpo n: int(1, 2)', 'n'],
  ['augmented', 'x += «1»  # @hpo int(1, 2)', 'x'],
  ['two statements', 'x = 1; y = «2»  # @hpo y: int(1, 2)', 'y'],
  ['renamed', 'x = «1»  # @hpo depth: int(1, 2)', 'depth'],
  ['keyword', 'm = fit(X, y, depth=«1»)  # @hpo int(1, 2)', 'depth'],
  ['positional', 'self.drop = Dropout(«1»)  # @hpo drop: int(1, 2)', 'drop'],
  ['a sentence that begins like the alias', 'x = 1  # hpo: we tune this later', ''],
  ['positional, renamed', 'self.drop = Dropout(«1», inplace=True)  # @hpo drop: int(1, 2)', 'drop'],
  ['the only nameless one', 'm = fit(X, «1», eta=0.3)  # @hpo depth: int(1, 2)', 'depth'],
  ['nested call', 'opt = Adam(params(), sched=Cos(t=«1»))  # @hpo int(1, 2)', 't'],
  ['call in an expression', 'x = 3 * f(t=«1»)  # @hpo int(1, 2)', 't'],
  ['dict', 'd = dict(a=«1»)  # @hpo int(1, 2)', 'a'],
  ['dict literal', 'd = {"a": «1», "b": 2}  # @hpo a: int(1, 2)', 'a'],
  ['dict in a dict', 'd = {"opt": {"a": «1»}, "b": 2}  # @hpo opt.a: int(1, 2)', 'opt.a'],
  ['dict in a call', 'train({"a": «1»})  # @hpo int(1, 2)', 'a'],
  ['lambda', 'f = lambda a=«1»: a  # @hpo int(1, 2)', 'a'],
  ['argparse', 'p.add_argument("--rate", type=int, default=«1», help="x")  # @hpo int(1, 2)', 'rate'],
  ['argparse, short and long', 'p.add_argument("-r", "--learning-rate", default=«1»)  # @hpo int(1, 2)', 'learning-rate'],
  [
    'argparse, by the name of its attribute',
    'p.add_argument("--learning-rate", default=«1»)  # @hpo learning_rate: int(1, 2)',
    'learning_rate',
  ],
  ['click', '@click.option("--n/--no-n", default=«1»)  # @hpo int(1, 2)\ndef f(n): pass', 'n'],
  ['typer', 'def main(n: int = typer.Option(«1», "--number")):  # @hpo int(1, 2)\n    pass', 'n'],
  ['typer, annotated', 'def main(n: Annotated[int, typer.Option()] = «1»):  # @hpo int(1, 2)\n    pass', 'n'],
  ['dataclass', '@dataclass\nclass A:\n    n: int = «1»  # @hpo int(1, 2)', 'n'],
  ['dataclass field', 'class A:\n    n: int = field(default=«1», metadata={"a": 3})  # @hpo int(1, 2)', 'n'],
  ['pydantic', 'class A(BaseModel):\n    n: int = Field(«1», gt=0, description="x")  # @hpo int(1, 2)', 'n'],
  ['absl', 'flags.DEFINE_integer("n", «1», "help")  # @hpo int(1, 2)', 'n'],
  ['negative', 'x = «-1»  # @hpo int(-2, 2)', 'x'],
  ['signed', 'x = «+1»  # @hpo int(-2, 2)', 'x'],
  ['float without digits behind the point', 'x = «1.»  # @hpo int(1, 2)', 'x'],
  ['float that is whole', 'x = «1.0»  # @hpo int(1, 2)', 'x'],
  ['underscores', 'x = «1_000»  # @hpo int(1, 2_000)', 'x'],
  ['hexadecimal', 'x = «0x10»  # @hpo int(1, 0x20)', 'x'],
  ['none', 'x = «None»  # @hpo choice(None, 1)', 'x'],
  ['bool', 'x = «True»  # @hpo bool', 'x'],
  ['text', "x = «'a'»  # @hpo choice('a', \"b\")", 'x'],
  ['raw text', 'x = «r"\\d"»  # @hpo choice("\\\\d", "b")', 'x'],
  ['text over several lines', 'x = «"""a\nb"""»  # @hpo choice("a\\nb", "c")', 'x'],
  ['tuple', 'x = «(1, 2)»  # @hpo choice((1, 2), (3, 4))', 'x'],
  ['bare tuple', 'x = «1, 2»  # @hpo choice((1, 2), (3, 4))', 'x'],
  ['list', 'x = «[1, [2]]»  # @hpo choice([1, [2]], [])', 'x'],
  ['list in brackets', 'x = («[1]»)  # @hpo choice([1], [])', 'x'],
  [
    'several in one note',
    'm = f(a=«1», b=«0.5», c=«"x"»)  # @hpo a: int(1, 2) b: float(0, 1, step=0.5)  c: choice("x", "y") when a > 1',
    'a b c',
  ],
  // Rule 4: config files
  ['yaml', 'x: «1»  # @hpo int(1, 2)', 'x', 'a.yaml'],
  ['yaml, nested', 'm:\n  o:\n    x: «1»  # @hpo int(1, 2)', 'x', 'a.yml'],
  ['yaml, key with a block', 'm:  # @hpo x: int(1, 2)\n  x: «1»\n  y: 2', 'x', 'a.yml'],
  ['yaml, flow', 'm: {x: «1», y: 2}  # @hpo x: int(1, 2)', 'x', 'a.yml'],
  ['yaml, by its path', 'm: {o: {x: «1»}, x: 2}  # @hpo m.o.x: int(1, 2)', 'm.o.x', 'a.yml'],
  ['yaml, own line', '# @hpo int(1, 2)\nx: «1»\ny: 2', 'x', 'a.yml'],
  ['yaml, item', '- 1\n- «2»  # @hpo n: int(1, 2)', 'n', 'a.yml'],
  ['yaml, own line before an item', 'l:\n  # @hpo n: int(1, 2)\n  - «2»', 'n', 'a.yml'],
  ['yaml, item with keys', 'l:\n  - x: «1»  # @hpo int(1, 2)\n    y: 2', 'x', 'a.yml'],
  ['yaml, plain text', 'x: «adam»  # @hpo choice("adam", "b c")', 'x', 'a.yml'],
  ['yaml, yes', 'x: «yes»  # @hpo bool', 'x', 'a.yml'],
  ['yaml, null', 'x: «~»  # @hpo choice(None, 1)', 'x', 'a.yml'],
  ['yaml, no note in a text', 'x: "# @hpo bool"\ny: |\n  z: 1  # @hpo bool\n', '', 'a.yml'],
  ['yaml, second document', 'x: 1\n---\ny: «1»  # @hpo int(1, 2)', 'y', 'a.yml'],
  ['yaml, broken line before', 'a: [1\nx: «1»  # @hpo int(1, 2)', 'x', 'a.yml'],
  ['toml', 'x = «1» # @hpo int(1, 2)', 'x', 'a.toml'],
  ['toml, table', '[m.o]\nx = «1» # @hpo int(1, 2)', 'x', 'a.toml'],
  ['toml, inline table', 'm = {x = «1», y = 2} # @hpo x: int(1, 2)', 'x', 'a.toml'],
  ['toml, element', 'x = [\n  «1», # @hpo n: int(1, 2)\n  2,\n]', 'n', 'a.toml'],
  ['toml, dotted and quoted key', 'a."b".x = «1» # @hpo int(1, 2)', 'x', 'a.toml'],
  ['toml, no note in a text', 's = """\nx = 1 # @hpo int(1, 2)\n"""\nt = "# @hpo bool"', '', 'a.toml'],
  ['toml, broken line before', 'a = = 3\nx = «1» # @hpo int(1, 2)', 'x', 'a.toml'],
  ['toml, own line', '# @hpo int(1, 2)\nx = «1»', 'x', 'a.toml'],
  ['toml, list of tables', '[[m]]\nx = «1» # @hpo int(1, 2)\n[[m]]\nx = 2', 'x', 'a.toml'],
  ['json', '{\n  "x": «1», // @hpo int(1, 2)\n  "y": 2\n}', 'x', 'a.jsonc'],
  ['json, block comment', '{"x": «1» /* @hpo int(1, 2) */, "y": 2}', 'x', 'a.json'],
  ['json, own line', '{\n  // @hpo int(1, 2)\n  "x": «1»,\n  "y": 2,\n}', 'x', 'a.json'],
  ['json, object', '{"m": {"x": «1», "y": 2}} // @hpo x: int(1, 2)', 'x', 'a.json'],
  ['json, list', '{"x": «[1, 2]» // @hpo choice([1, 2], [3, 4])\n}', 'x', 'a.json'],
  ['json, no note in a text', '{"x": "// @hpo int(1, 2)"}', '', 'a.json'],
];

describe('each note finds its literals', () => {
  const named = rows.map(([about, marked, names, file = 'train.py']) => ({ about, marked, names, file }));
  test.each(named)('$about', ({ marked, names, file }) => {
    const text = marked.replace(/[«»]/g, '');
    const { spec, diagnostics, notes } = parseScript(text, file);
    expect(diagnostics).toEqual([]);
    const parameters = [...spec.space.parameters].sort((a, b) => (a.literal?.start ?? 0) - (b.literal?.start ?? 0));
    expect(parameters.map(({ name }) => name).join(' ')).toBe(names);
    let seen = text;
    for (const { literal, site, name } of parameters.toReversed()) {
      if (literal === null) throw new Error(`${name} has no literal`);
      expect(text.slice(literal.start, literal.end)).toBe(literal.text);
      const before = text.slice(0, literal.start).split(/\r\n|\n/);
      expect(site).toEqual({ file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 });
      seen = `${seen.slice(0, literal.start)}«${literal.text}»${seen.slice(literal.end)}`;
    }
    expect(seen).toBe(marked);
    expect(notes.flatMap(({ literals }) => literals.map((literal) => literal.name)).sort()).toEqual(
      names.split(' ').filter(Boolean).sort(),
    );
  });
});
