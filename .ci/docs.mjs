// Makes the documentation that follows from the sources: the list of errors, and the settings in the README.
// usage: node .ci/docs.mjs [--check]   (--check: fails where what is committed differs)
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { annotationFaults } from '../agent/core/annotations/index.ts';
import { root } from './setup.mjs';

const isCheck = process.argv.includes('--check');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const documents = {
  'media/errors.md': errors(),
  'README.md': readme.replace(
    /(<!-- settings -->\n)[\s\S]*?(<!-- \/settings -->)/,
    (_, open, close) => `${open}${settings()}${close}`,
  ),
};

for (const [path, text] of Object.entries(documents)) {
  if (!isCheck) writeFileSync(join(root, path), text);
  else if (readFileSync(join(root, path), 'utf8') !== text) {
    console.log(`${path} is not what the sources say: run npm run docs`);
    process.exitCode = 1;
  }
}

function errors() {
  const parts = {
    1: 'Annotations',
    2: 'Environment and code snapshot',
    3: 'Trials',
    4: 'Studies and the command line',
    5: 'Agent and protocol',
    6: 'Journal',
    9: 'Faults of this program',
  };
  const found = new Map(
    Object.entries(annotationFaults).map(([code, { title, explanation }]) => [code, `${title}. ${explanation}`]),
  );
  for (const file of ['agent', 'extension'].flatMap(sources)) {
    for (const [, code, message] of readFileSync(file, 'utf8').matchAll(/'(HPO-\d{4})',\s*(`[^`]*`|'(?:[^'\\]|\\.)*')/g)) {
      const text = message
        .slice(1, -1)
        .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…')
        .replaceAll('|', '\\|')
        .replaceAll(/\s+/g, ' ');
      if (!found.has(code)) found.set(code, text);
    }
  }
  const sections = Object.entries(parts).map(([digit, title]) => {
    const rows = [...found].filter(([code]) => code[4] === digit).toSorted(([a], [b]) => a.localeCompare(b));
    return `## ${title}\n\n| Code | What it says |\n| --- | --- |\n${rows.map(([code, text]) => `| \`${code}\` | ${text} |`).join('\n')}\n`;
  });
  return `# Errors\n\nEvery error has a stable code, and its text says what happened, why, and what to do next. Made from the sources by \`npm run docs\`.\n\n${sections.join('\n')}`;
}

function settings() {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const rows = Object.entries(manifest.contributes.configuration.properties).map(
    ([name, { default: value, description, markdownDescription }]) =>
      `| \`${name}\` | \`${JSON.stringify(value ?? '')}\` | ${markdownDescription ?? description} |`,
  );
  return `| Setting | Default | Meaning |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function sources(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, folder, name));
}
