import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectEngine } from '../../../agent/engine/index.ts';
import { detectEnvironment } from '../../../agent/packaging/detect/index.ts';
import { ImageStore, machineSecrets, recipeOf } from '../../../agent/packaging/image/index.ts';
import { nodeSystem } from '../../../agent/system/node.ts';

/** Of the Dockerfile. Where one begins from is looked up, and done by nobody. */
const step = /^\[(?:\S+ )?\d+\/\d+\] (?!FROM )/;
const kept = / \(kept from before\)$/;

/** An image made for the first time, asked for again after an edit of the code, and again after somebody removed it. */
export async function measureBuilds({ base }) {
  const root = join(base, 'project');
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, '.python-version'), '3.11\n');
  writeFileSync(join(root, 'requirements.txt'), `six==1.17.0  # ${base}\n`);
  writeFileSync(join(root, 'train.py'), 'x = 0\n');
  await using engine = await connectEngine({ host: process.env.DOCKER_HOST, environment: process.env });
  let builds = 0;
  const counted = new Proxy(engine, {
    get(target, name) {
      if (name === 'buildImage') builds++;
      const member = target[name];
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  const images = new ImageStore({
    dir: join(base, 'images'),
    mark: 'bench',
    system: nodeSystem(),
    engine: async () => counted,
    secrets: machineSecrets,
  });
  const make = async () => {
    const [lines, before, startedAt] = [[], builds, performance.now()];
    const { architecture } = await engine.info();
    const detected = await detectEnvironment({
      root,
      scriptPath: 'train.py',
      command: null,
      imageSetting: { annotated: null, requested: null },
      interpreter: null,
    });
    const { id, name, recipe } = await images.ensure(recipeOf(detected, { architecture }), {
      onProgress: (line) => lines.push(line),
    });
    const ms = performance.now() - startedAt;
    const steps = lines.filter((line) => step.test(line));
    const cached = steps.filter((line) => kept.test(line)).length;
    return { id, name, recipe, ms, builds: builds - before, steps: steps.length - cached, cached };
  };
  const first = await make();
  try {
    writeFileSync(join(root, 'train.py'), 'x = 1\n');
    const second = await make();
    await engine.removeImage(first.name);
    const restored = await make();
    return { first, second, restored };
  } finally {
    await images.remove(first.recipe);
  }
}
