import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const results = new URL('../results/kubernetes.md', import.meta.url);
const titles = { lines: 'The first line', trials: 'Many short trials' };

/** Puts a part in the place of what its last run gave; the other parts stay as they are. */
export function writeReport(part, rows, about) {
  const old = existsSync(results) ? readFileSync(results, 'utf8').split(/^<!-- (\w+) -->$/m) : [];
  const sections = new Map();
  for (let i = 1; i + 1 < old.length; i += 2) sections.set(old[i], old[i + 1].trim());
  sections.set(
    part,
    [`## ${titles[part]}`, '', about, '', '| what | measured | target | |', '|---|---|---|---|', ...rows].join('\n'),
  );
  const text = Object.keys(titles)
    .filter((name) => sections.has(name))
    .flatMap((name) => [`<!-- ${name} -->`, '', sections.get(name), '']);
  const intro = [
    '# Studies on a cluster',
    '',
    'Made by `npm run bench -- kubernetes` on a real cluster of one node on this machine: the last run of each part, with the load that',
    'the machine had from other work. Ratios are of means over rounds in which all took turns; their intervals are bootstraps over the rounds.',
  ];
  writeFileSync(results, `${[...intro, '', ...text].join('\n').trim()}\n`);
}
