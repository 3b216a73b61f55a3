import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageFacts } from './machine.mjs';

/**
 * From `hpo tune --on docker` typed to the first line of the first trial's program: with an image that has to be made, and after an
 * edit of the code, `edits` times. The agent runs, as it does whenever something was tuned in the last ten minutes; once it does not.
 */
export async function measureStarts({ docker, base, dist, edits }) {
  const hpo = commandLine(dist, join(base, 'home'));
  const project = join(base, 'project');
  mkdirSync(project, { recursive: true });
  cpSync(join(import.meta.dirname, 'train.py'), join(project, 'train.py'));
  // No other run has made an image of this: what is installed is the same, the key is not.
  writeFileSync(join(project, '.python-version'), '3.11\n');
  writeFileSync(join(project, 'requirements.txt'), `six==1.17.0  # ${base}\n`);
  try {
    await hpo.run(['status']);
    const first = await start(hpo, project);
    const before = await imageFacts(docker, first.image.id);
    const again = [];
    for (let edit = 0; edit < edits; edit++) {
      editOneLine(project, edit);
      again.push(await start(hpo, project));
    }
    await hpo.run(['agent', 'stop']);
    editOneLine(project, edits);
    const withoutAgent = await start(hpo, project);
    const all = [first, ...again, withoutAgent];
    return {
      firstMs: first.ms,
      againMs: again.map(({ ms }) => ms),
      withoutAgentMs: withoutAgent.ms,
      nSnapshots: new Set(all.map(({ snapshot }) => snapshot)).size,
      nStarts: all.length,
      isImageSame: all.every(({ image }) => image.id === first.image.id) && (await imageFacts(docker, first.image.id)) === before,
      nMade: all.map(({ progress }) => progress).filter((text) => /building the image/.test(text)).length,
    };
  } finally {
    await hpo.deleteAll();
    await hpo.run(['agent', 'stop']);
  }
}

/** The program prints something else; its environment is untouched. */
function editOneLine(project, number) {
  const path = join(project, 'train.py');
  const text = readFileSync(path, 'utf8').replace(
    /^print\(f"loss=.*$/m,
    `print(f"loss={x} edit=${number} six={six.__version__}")`,
  );
  writeFileSync(path, text);
}

/** Tunes one trial; the program itself says when it began. */
async function start(hpo, project) {
  const typedAt = Date.now();
  const { events, errors } = await hpo.run(['tune', join(project, 'train.py'), '--on', 'docker', '--json']);
  const created = events.find(({ type }) => type === 'studyCreated');
  const end = events.at(-1);
  if (end?.trials?.complete !== 1) throw new Error(`the trial was not completed: ${JSON.stringify(end)}\n${errors}`);
  const { out } = await hpo.run(['logs', created.studyId, '0']);
  const began = /^began ([\d.]+)$/m.exec(out)?.[1];
  if (began === undefined) throw new Error(`the program did not say when it began:\n${out}`);
  const { container, snapshot } = created.spec;
  return { ms: 1000 * Number(began) - typedAt, image: container.image, snapshot, progress: errors };
}

/** The command line with a home of its own. */
export function commandLine(dist, home) {
  const env = { ...process.env, HPO_HOME: home };
  const run = async (args) => {
    const child = spawn(process.execPath, [join(dist, 'cli.cjs'), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, errors] = ['', ''];
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    if (code !== 0) throw new Error(`hpo ${args.join(' ')} ended with ${code}:\n${out}\n${errors}`);
    const events = args.includes('--json')
      ? out
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line))
      : [];
    return { out, errors, events };
  };
  return {
    run,
    env,
    /** Nothing of these studies is left on the engine. */
    async deleteAll() {
      const { events } = await run(['status', '--json']);
      for (const { studyId } of events) await run(['delete', studyId, '--yes']);
      await run(['clean', '--images']);
    },
  };
}
