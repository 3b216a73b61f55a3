import { expect, it } from 'vitest';
import { pathLiterals } from '../../../../agent/core/annotations/index.ts';

const rows: readonly (readonly [name: string, file: string, text: string, paths: readonly string[]])[] = [
  ['an absolute path', 'a.py', 'load("/mnt/imagenet/train")', ['1 /mnt/imagenet/train']],
  ['one in the home folder, one above', 'a.py', "x = 1\na = '~/data/x.csv'\nb = r'../lake/y'", ['2 ~/data/x.csv', '3 ../lake/y']],
  ['names of the project', 'a.py', 'read_csv("train.csv")\nopen("data/a b.txt")', ['1 train.csv', '2 data/a b.txt']],
  ['each once, where it stands first', 'a.py', 'a("/mnt/x")\nb("/mnt/x")', ['1 /mnt/x']],
  [
    'arguments, defaults and collections',
    'a.py',
    'p.add_argument("--d", default="/mnt/x")\nd = {"k": ["/mnt/y"]}',
    ['1 --d', '1 /mnt/x', '2 k', '2 /mnt/y'].filter((path) => !path.includes('--')),
  ],
  ['no docstrings, no templates, no comments', 'a.py', '"""/mnt/doc"""\nf"/mnt/{x}"\n# "/mnt/c"\n', []],
  [
    'no sentences, addresses or patterns',
    'a.py',
    'a("Loss: %s!")\nb("https://x.org/y")\nc("*.csv")\nd("a\\nb")\ne("s3://b/k")',
    [],
  ],
  ['the program is not sound', 'a.py', 'def f(:\n  x = "/mnt/x"', ['2 /mnt/x']],
  [
    'settings in YAML',
    'c.yaml',
    'data:\n  root: /mnt/imagenet\n  cache: ~/cache\n  other: "../lake"\n  list: [/mnt/a, /mnt/b]',
    ['2 /mnt/imagenet', '3 ~/cache', '4 ../lake', '5 /mnt/a', '5 /mnt/b'],
  ],
  ['settings in TOML', 'c.toml', 'root = "/mnt/x"\nname = "run"', ['1 /mnt/x', '2 run']],
  ['another language', 'a.jl', 'CSV.read("/mnt/x.csv")', ['1 /mnt/x.csv']],
];

it.each(rows)('%s', (_, file, text, paths) => {
  expect(pathLiterals(text, file).map(({ line, path }) => `${line} ${path}`)).toEqual(paths);
});

it('reads a file of a million texts no longer than it must', () => {
  expect(pathLiterals('["/mnt/x/1", "/mnt/x/2"]\n'.repeat(50_000), 'a.json')).toHaveLength(2);
  expect(pathLiterals(Array.from({ length: 20_000 }, (_, index) => `"/mnt/${index}"`).join('\n'), 'a.json')).toHaveLength(2_000);
});
