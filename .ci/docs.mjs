// Makes the documentation that follows from the sources: the list of errors, what follows from failures, and the settings in the README.
// usage: node .ci/docs.mjs [--check]   (--check: fails where what is committed differs)
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { annotationFaults } from '../agent/core/annotations/index.ts';
import { failurePolicy, usualRetries } from '../agent/core/study/failurePolicy.ts';
import { root } from './setup.mjs';

/** Codes whose text is put together while the program runs: what they stand for. */
const causes = {
  'HPO-2301': 'The files of an attempt could not be made, or its program not be started; the attempt is repeated.',
  'HPO-2410': 'The command names another container engine (`DOCKER_HOST`) than the one that the running agent uses.',
  'HPO-2420': 'A file that says which packages a script needs cannot be read.',
  'HPO-2421': 'Two files say different things about a package.',
  'HPO-2422': 'Two files say different things about the version of the language.',
  'HPO-2423': 'Several files of one kind describe the environment, and nothing says which of them counts.',
  'HPO-2424': 'A lock is out of date: what it locks has changed since it was made.',
  'HPO-2425':
    'What was named as an image, a Dockerfile or a manifest is not there or cannot be used, or nothing says what a script needs.',
  'HPO-2426': 'A manifest holds credentials, which would be in a layer of the image.',
  'HPO-2427': 'A part of a Dockerfile or devcontainer.json that the image or the containers do not get.',
  'HPO-2428':
    'The packages are taken from the selected interpreter, which is not reproducible; some of them nothing can install again.',
  'HPO-2429': 'A manifest refers to a file or folder that is not in the project.',
  'HPO-2460':
    'There is no kubeconfig, it cannot be read, or it is where others could write it: in a project, or open to everybody. Or the list of connected clusters is damaged.',
  'HPO-2461':
    'What the kubeconfig says does not lead to a cluster: no such context, a server that is no address, a certificate that is not trusted. Or no cluster is connected.',
  'HPO-2462': 'The cluster cannot be reached, gives no answer in time, or a connection to it broke off.',
  'HPO-2463': 'The cluster does not know who asks: credentials are wrong, have expired, or cannot be had.',
  'HPO-2464': 'You may not do something in a namespace of the cluster; verb and resource are named.',
  'HPO-2490': 'No cluster.yml was named, it cannot be read, or it says something that is not understood.',
  'HPO-2494': 'Something on a cluster was not made by this hpo, and so is neither changed nor removed.',
  'HPO-2496': 'A cluster of that name is known already.',
  'HPO-2498': 'A step of `hpo cluster test` failed.',
  'HPO-2524':
    'The agent in the cluster does not reach the API server from its pod: egress is denied, or nothing routes Services to it.',
  'HPO-3001': 'The program of the trial failed: it ended with an exit code, a signal or an error of its own.',
  'HPO-3002': 'The program of the trial could not be started, or stopped before it began to work.',
  'HPO-3003': 'The trial ended without a value for the objective.',
  'HPO-3004':
    'The objective of the trial was NaN or infinite at its end: the training diverged, or the script computes it wrongly.',
  'HPO-3005': 'The trial was ended because its time limit was over.',
  'HPO-3006': 'The trial ran out of memory beside others of its study.',
  'HPO-3007': 'The trial was lost: it vanished without a record of its end.',
  'HPO-3008': 'The trial was ended because its output was larger than the limit.',
  'HPO-3009': 'The machine of the trial was taken away; the trial starts again.',
  'HPO-3010': 'The attempt could not be started, or its program is gone: no trial can run on this machine at present.',
  'HPO-3011': 'The disk is full: no trial can run on this machine at present.',
  'HPO-3012': 'The interpreter of the trials lacks a module that the script imports.',
  'HPO-3015': 'The trial ran out of memory although no other one of its study ran beside it.',
  'HPO-3016': 'A trial in a container wrote to a place that it cannot write to, such as the code.',
  'HPO-3017': 'A trial in a container needed the network, which it has only if the script says so.',
  'HPO-3018': 'The image of a trial lacks a module that the script imports.',
  'HPO-3019': 'The trial needed more memory than the limit of its container.',
  'HPO-3021': 'A folder of a container that is in memory (`/tmp`, HOME, `/dev/shm`) is full.',
  'HPO-3020': 'The container engine cannot be used: the study waits for it, and goes on by itself.',
  'HPO-3022': 'The cluster cannot be used: the study waits for it, and goes on by itself.',
  'HPO-3023': "A trial took more of its node's disk than it may.",
  'HPO-4303': 'A study cannot run so many trials at once.',
  'HPO-5010': 'A request of a client is not understood: a field is missing, unknown or of another kind.',
  'HPO-9000': 'The command line met a fault of its own; please report it.',
  'HPO-9001': 'The agent met a fault of its own while it answered; please report it with the agent.log.',
};

/** What mends failures of containers. */
const containerCures = {
  'HPO-3016':
    'Write into the current folder itself, `/tmp`, `HPO_CHECKPOINT_DIR`, a folder that git ignores, or data that is mounted without `ro`.',
  'HPO-3017': 'Say `# @hpo.resources network=yes`, or get what it needs beforehand and mount it.',
  'HPO-3018': 'Add it to what the image is made from (`hpo image SCRIPT` says what that is), and tune again.',
  'HPO-3019': 'Raise `# @hpo.resources memory=`, or narrow the parameters, and tune again.',
  'HPO-3021': 'Write what is large elsewhere, or say `# @hpo.resources tmp=4GB` or `shm=4GB`, and tune again.',
  'HPO-3023': 'Only on a cluster; it says which limit, and what raises it. Tune again with that.',
  'HPO-3020': 'Start the engine again; no attempt that could not be started counts meanwhile.',
};

const isCheck = process.argv.includes('--check');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const documents = {
  'media/errors.md': errors(),
  'media/failures.md': failures(),
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

function failures() {
  const times = (count) =>
    count === null ? 'without limit' : count === 0 ? 'no, unless you say so' : count === 1 ? 'once' : `${count} times`;
  const seconds = (ms) => (ms >= 60_000 ? `${ms / 60_000} min` : `${ms / 1_000} s`);
  const wait = ({ nAtOnce, firstMs, factor, capMs }) =>
    `${nAtOnce === 0 ? 'after' : `${nAtOnce} times at once, then after`} ${[0, 1, 2].map((n) => seconds(firstMs * factor ** n)).join(', ')} … at most ${seconds(capMs)}`;
  const needs = { checkpoint: ', with a checkpoint', company: ', where others ran beside it' };
  const rows = Object.entries(failurePolicy).map(([kind, rule]) => {
    const { setting, backOff } = rule;
    const again =
      setting === null
        ? 'no'
        : `${times(usualRetries[setting])}${rule.needs === null ? '' : needs[rule.needs]} (\`${setting}=\`)`;
    const when =
      setting === null
        ? '–'
        : backOff === null
          ? rule.needs === 'company'
            ? 'while no other trial of the study runs'
            : 'at once'
          : wait(backOff);
    const count = setting === null ? '–' : rule.isResetByProgress ? 'yes' : 'no';
    const learns = rule.isTrialsFault ? 'to keep away' : 'what was reported';
    return `| ${rule.title} (\`${kind}\`) | ${again} | ${when} | ${count} | ${learns} | ${rule.because} |`;
  });
  return `# What follows from a failure

Made from the sources by \`npm run docs\`.

| What went wrong | Tried again | When | Count begins anew with progress | The sampler learns | Why |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

- How often: \`# @hpo.retry lost=5 timeout=2\` in the script, \`retry: {lost: 5}\` in an \`hpo.yml\`, or \`hpo tune SCRIPT --retry lost=5\`, which wins.
- Waits are up to half shorter or longer than said, each trial's its own, so that trials that were lost together do not return together.
- A further attempt has the same number, values and seed. With \`@hpo.checkpoint\` it goes on from the trial's checkpoint, else it begins
  afresh. Progress is an attempt that came farther than all before it, with a checkpoint.
- When a trial is tried again no more, it has failed. What was retried, and why, is in \`hpo trials\` (of one
  trial, attempt by attempt: \`hpo trials STUDY --trial N\`), in exports and in the panel; \`hpo logs STUDY N --attempt K\` is the log of an attempt.

## A study that pauses itself

- **All fail alike.** Nothing has worked, and as many trials as run at once, at least three, failed with one cause (or the first one, where
  the script cannot even begin): the study pauses and says the cause once, with what mends it. What still runs goes on to its end, and if
  it does well, so does the study. Where no trial would be left to run, it ends as \`failed\` instead.
- **The machine.** A trial used up its further attempts because nothing can be started (processes, files, the interpreter) or the disk is
  full, and nothing else has worked meanwhile: no trial is lost for it, they wait for \`hpo resume\`.

\`hpo tune\` then ends with exit code 1; with \`--json\` its last line is \`{type: "studyPaused", studyId, message, failure: {kind, code, message},
next, trials, best}\` in place of \`studyEnded\`, once none of its trials runs. \`hpo status\` says the same later.

A study keeps the copy of the code, the interpreter and the limits that it began with. So a cause in the script means tuning again; a cause
elsewhere (data that is linked, packages, memory, disk) is mended there, and the study goes on: \`hpo retry STUDY --failed\` tries what failed
again and then the rest, \`hpo resume STUDY\` the rest alone.

## In containers

What is done to a container from outside is no fault of the trial: one that was killed, stopped or removed (\`docker kill\`, \`docker stop\`,
\`docker rm -f\`), or that ended with its engine, is lost, and the trial gets a further attempt. While one is paused, the trial
waits, for as long as its time limit allows, or ten minutes where it has none; then it is lost. While the engine is away the study
waits too, and goes on by itself with what its containers did meanwhile. An image that is gone is made again from its recipe, or pulled if it is your own; where it cannot be had, the study pauses
and names it.

${['HPO-3016', 'HPO-3017', 'HPO-3018', 'HPO-3019', 'HPO-3020', 'HPO-3021', 'HPO-3023'].map((code) => `- \`${code}\` ${causes[code]} ${containerCures[code]}`).join('\n')}

An attempt that ran out of its container's memory is not tried again alone: each has the same limit, however many run.

## Trying again by hand

\`hpo retry STUDY TRIAL…\` gives failed or cancelled trials a new attempt, from the checkpoint where there is one, also after the study has
ended: it goes on for them, within its budget, and ends as it had. A study that had ended because everything failed goes on with everything.
`;
}

function settings() {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const rows = Object.entries(manifest.contributes.configuration.properties).map(
    ([name, { default: value, description, markdownDescription, enum: values = [], enumDescriptions = [] }]) => {
      const choices = values.map((one, index) => `\`${one}\`: ${uncapitalised(enumDescriptions[index])}`).join('; ');
      const meaning = `${markdownDescription ?? description}${choices === '' ? '' : ` ${choices}.`}`;
      return `| \`${name}\` | \`${JSON.stringify(value ?? '')}\` | ${meaning} |`;
    },
  );
  return `| Setting | Default | Meaning |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function uncapitalised(text) {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function sources(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .toSorted()
    .map((name) => join(root, folder, name));
}
