import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const results = new URL('../results/containers.md', import.meta.url);
const readme = new URL('../../../README.md', import.meta.url);

const titles = { starts: 'From an edit to the first trial', attempts: 'What an attempt costs', builds: 'Building' };
const head = ['| what | measured | target | |', '|---|---|---|---|'];

/** Puts a part in the place of what its last run gave; the other parts stay as they are. The README gets the rows of all. */
export function writeReport(part, rows, about) {
  const old = existsSync(results) ? readFileSync(results, 'utf8').split(/^<!-- (\w+) -->$/m) : [];
  const sections = new Map();
  for (let i = 1; i + 1 < old.length; i += 2) sections.set(old[i], old[i + 1].trim());
  sections.set(part, [`## ${titles[part]}`, '', about, '', ...head, ...rows].join('\n'));
  const text = Object.keys(titles).flatMap((name) =>
    sections.has(name) ? [`<!-- ${name} -->`, '', sections.get(name), ''] : [],
  );
  const intro = [
    '# Studies in containers',
    '',
    'Made by `npm run bench -- containers`: the last run of each part, with the load that the machine had from other work. Ratios are of',
    'means over blocks that took turns; their intervals are bootstraps over the blocks. `docker run` gets the flags, mounts and image of',
    'a container that the executor made, and runs the program itself, without what records its end.',
  ];
  writeFileSync(results, `${[...intro, '', ...text].join('\n').trim()}\n`);
  const all = [...sections.values()].flatMap((section) => section.split('\n').filter((line) => /^\| (?!what )/.test(line)));
  const table = [...head, ...all].join('\n');
  const before = readFileSync(readme, 'utf8');
  writeFileSync(
    readme,
    before.replace(/(<!-- containers -->\n)[\s\S]*?(<!-- \/containers -->)/, (_, open, close) => `${open}${table}\n${close}`),
  );
}
