// Makes the documentation that follows from the sources: the list of errors, and the settings in the README.
// usage: node .ci/docs.mjs [--check]   (--check: fails where what is committed differs)
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { annotationFaults } from '../agent/core/annotations/index.ts';
import { root } from './setup.mjs';

/** Codes whose text is put together while the program runs: what they stand for. */
const causes = {
  'HPO-2301': 'The files of an attempt could not be made, or its program not be started; the attempt is repeated.',
  'HPO-3001': 'The program of the trial failed: it ended with an exit code, a signal or an error of its own.',
  'HPO-3002': 'The program of the trial could not be started, or stopped before it began to work.',
  'HPO-3003': 'The trial ended without a value for the objective.',
  'HPO-3004': 'The objective of the trial was NaN at its end: the training diverged.',
  'HPO-3005': 'The trial was ended because its time limit was over.',
  'HPO-3006': 'The trial ran out of memory.',
  'HPO-3007': 'The trial was lost: it vanished without a record of its end.',
  'HPO-3008': 'The trial was ended because its output was larger than the limit.',
  'HPO-3009': 'The machine of the trial was taken away; the trial starts again.',
  'HPO-3010': 'The attempt could not be started, or its program is gone: no trial can run on this machine at present.',
  'HPO-3011': 'The disk is full: no trial can run on this machine at present.',
  'HPO-3012': 'The interpreter of the trials lacks a module that the script imports.',
  'HPO-4303': 'A study cannot run so many trials at once.',
  'HPO-5010': 'A request of a client is not understood: a field is missing, unknown or of another kind.',
  'HPO-9000': 'The command line met a fault of its own; please report it.',
  'HPO-9001': 'The agent met a fault of its own while it answered; please report it with the agent.log.',
};

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
  const texts = ['agent', 'extension'].flatMap(sources).map((file) => readFileSync(file, 'utf8'));
  for (const text of texts) {
    // new HpoError('HPO-…', 'text', …) and { code: 'HPO-…', message: 'text' }
    for (const [, code, message] of text.matchAll(
      /'(HPO-\d{4})',\s*(?:\/\/[^\n]*\s*)?(?:message:\s*)?(`(?:\$\{(?:[^{}`]|`[^`]*`)*\}|[^`])*`|'(?:[^'\\]|\\.)*')/g,
    )) {
      const shown = message
        .slice(1, -1)
        .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…')
        .replaceAll('|', '\\|')
        .replaceAll(/…+/g, '…')
        .replaceAll(/\s+/g, ' ');
      if (!found.has(code)) found.set(code, shown);
    }
  }
  for (const [code, text] of Object.entries(causes)) found.set(code, text);
  const silent = new Set(texts.flatMap((text) => text.match(/\bHPO-\d{4}\b/g) ?? []).filter((code) => !found.has(code)));
  if (silent.size > 0) {
    console.log(`${[...silent].join(', ')}: no text was found; give it a literal one, or a line in .ci/docs.mjs`);
    process.exitCode = 1;
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
    .toSorted()
    .map((name) => join(root, folder, name));
}
