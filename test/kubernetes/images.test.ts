import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clusterImages, registriesOf, registryOfCode } from '../../agent/preflight/cluster/clusterImages.ts';
import type { ClusterImages, WantedImage } from '../../agent/preflight/cluster/clusterPreflight.ts';
import { connectEngine } from '../../agent/engine/index.ts';
import type { Engine } from '../../agent/engine/engine.ts';
import type { RegistryPlace } from '../../agent/cluster/profile.ts';
import type { AttemptStart } from '../../agent/executors/executor.ts';
import { ImageStore } from '../../agent/packaging/image/index.ts';
import type { ImageRecipe } from '../../agent/packaging/image/recipe.ts';
import { CodeImages } from '../../agent/registry/codeImages.ts';
import { selectFiles } from '../../agent/packaging/selectFiles.ts';
import { HpoError } from '../../agent/protocol/errors.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { attemptOf, eventually, Observer } from '../contract/executorSuite.ts';
import { ensureNodeImage, sharedCluster } from '../support/cluster.ts';
import { bases, ensureBases } from '../support/docker.ts';
import { type Relay, startRelay } from '../support/registry.ts';
import { openPodPlace, openPodWorld, type PodPlace, type PodWorld } from './executorWorld.ts';

const pullMs = 180_000;
let image = '';
/** One for all, as making it takes longer than what is done in it. */
let world: ImageWorld;
let nodes: PodPlace;
beforeAll(async () => {
  image = await ensureNodeImage('python');
  await ensureBases('debian');
  nodes = await openPodPlace(image);
  world = await ImageWorld.open(nodes);
}, 900_000);
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await nodes[Symbol.asyncDispose]();
});

/** A home on the cluster, and the registry of its nodes behind a relay that counts what is sent. */
class ImageWorld implements AsyncDisposable {
  readonly pods: PodWorld;
  readonly relay: Relay;
  readonly place: RegistryPlace;
  readonly #name: string;
  #engine: Engine | null = null;
  readonly images: ClusterImages;
  /** What was said for people. */
  readonly lines: string[] = [];
  hasEngine = true;

  private constructor(pods: PodWorld, relay: Relay) {
    this.pods = pods;
    this.relay = relay;
    this.#name = pods.namespace.name;
    const path = `hpo-test/${this.#name}`;
    this.place = { push: `${relay.host}/${path}`, pull: `${sharedCluster().registry}/${path}`, isPlain: true };
    const engine = async (): Promise<Engine> => {
      if (!this.hasEngine) throw new HpoError('HPO-2401', 'there is no container engine on this machine', 'install one');
      return (this.#engine ??= await connectEngine({ host: null, environment: process.env }));
    };
    const store = new ImageStore({
      dir: join(pods.homeDir, 'images'),
      mark: pods.files.homeMark,
      system: nodeSystem(),
      engine,
      secrets: () => Promise.resolve({}),
    });
    this.images = clusterImages({
      registry: registriesOf({ DOCKER_CONFIG: '/none' }),
      engine,
      ensure: (recipe, progress) => store.ensure(recipe, progress),
      mountPlan: (hash) => pods.snapshots.mountPlan(hash),
      codeImages: new CodeImages(nodeSystem().files, pods.homeDir, registryOfCode(registriesOf({ DOCKER_CONFIG: '/none' }))),
      builds: {
        clock: nodeSystem().clock,
        homeMark: pods.files.homeMark,
        secrets: () => Promise.resolve({}),
        environment: { DOCKER_CONFIG: '/none', HPO_BUILDKIT_IMAGE: image },
      },
    });
  }

  static async open(place: PodPlace): Promise<ImageWorld> {
    const pods = await openPodWorld(place);
    return new ImageWorld(pods, await startRelay(sharedCluster().registry));
  }

  /** Bytes of blobs that were sent so far. */
  get sent(): number {
    const uploads = this.relay.requests.filter(({ method, path }) => method !== 'GET' && path.includes('/blobs/'));
    return uploads.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** An environment that is built: the base, and a variable that says which one it is. */
  recipe(): ImageRecipe {
    const text = `FROM ${bases.debian}\nENV WHICH=${this.#name}\n`;
    const key = createHash('sha256').update(text).digest('hex').slice(0, 20);
    const context = [{ path: 'Dockerfile', content: Buffer.from(text), isExecutable: false }];
    const build = { dockerfile: 'Dockerfile', context, base: bases.debian, secrets: [] };
    return { key, name: `hpo-env:${key}`, build, reason: 'a test', interpreter: null, languageVersion: '', notes: [] };
  }

  /** The user's own. */
  named(name: string): ImageRecipe {
    return { ...this.recipe(), key: '0'.repeat(20), name, build: null };
  }

  async wanted(recipe: ImageRecipe, registry: RegistryPlace | null): Promise<WantedImage & { readonly snapshot: string }> {
    const { entries } = await selectFiles({ root: this.pods.root, mustHave: [] });
    const profile = { ...emptyProfile, namespace: this.#name, registry };
    return {
      recipe,
      profile,
      cluster: this.pods.api,
      architecture: 'amd64',
      nodes: ['amd64'],
      entries,
      snapshot: this.pods.snapshot,
    };
  }

  async make(recipe: ImageRecipe, registry: RegistryPlace | null): ReturnType<ClusterImages['make']> {
    return await this.images.make(await this.wanted(recipe, registry), { onProgress: (line) => this.lines.push(line) });
  }

  /** What an attempt of a new study prints, and the image that its pod had. */
  async run(
    studyId: string,
    made: Awaited<ReturnType<ClusterImages['make']>>,
    command: string,
    files: AttemptStart['files'] = [],
  ): Promise<{ readonly out: string; readonly image: string }> {
    const { pods } = this;
    const study = { container: { ...pods.container, image: made.image }, cluster: { ...pods.cluster, codeIn: made.codeIn } };
    await pods.prepare(studyId, study);
    const observer = new Observer();
    await using executor = pods.connect(observer);
    const key = { studyId, trial: 0, attempt: 1 };
    await executor.prepare({ studyId, root: pods.root, snapshot: pods.snapshot, ...study });
    await executor.start(attemptOf(pods, [], { key, command: ['/bin/sh', '-c', command], files }));
    const [pod] = await pods.api.list('Pod', { labels: { 'hpo.home': pods.files.homeMark, 'hpo.study': studyId } });
    // A node may have to pull the image first.
    for (const until = Date.now() + pullMs; observer.count('ended', key) === 0 && Date.now() < until; ) await sleep(100);
    const [{ exitCode }, out] = [await observer.ending(key), await pods.read(key, 'out')];
    expect(`${exitCode} ${out}`).toMatch(/^0 /);
    return { out, image: pod?.spec?.containers[0]?.image ?? '' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine?.removeImage(`${this.recipe().name}-${this.pods.files.homeMark}`);
    await this.#engine?.[Symbol.asyncDispose]();
    await this.relay[Symbol.asyncDispose]();
    await this.pods[Symbol.asyncDispose]();
  }
}

const emptyProfile = {
  name: 'test',
  kubeconfig: null,
  context: 'test',
  queue: null,
  pullSecrets: [],
  checkpoints: null,
  confirmedCommands: [],
  made: null,
} as const;

it('small code travels in objects of the cluster, in an image that nodes can pull, without any registry of ours', async () => {
  await world.pods.store({ 'train.py': 'print("trained")\n', 'lib/part.txt': 'ä part\n' });
  const look = await world.images.look(await world.wanted(world.named(image), null));
  const made = await world.make(world.named(image), null);
  expect(made.codeIn).toBe('objects');
  expect(made.image).toEqual({
    name: image.replace(/:[^:/]*$/, `@${made.image.id}`),
    id: expect.stringMatching(/^sha256:/),
    recipe: null,
  });
  expect(look).toEqual({
    isReady: true,
    from: `pulled by the nodes: ${made.image.name}`,
    codeIn: 'objects',
    runsOn: { architectures: ['amd64'], chosen: 'amd64' },
  });
  const run = await world.run('small', made, 'python3 train.py; cat lib/part.txt; ls /hpo/code 2>&1 || true');
  expect(run.out).toMatch(/^trained\nä part\n.*cannot access/);
  expect(run.image).toBe(made.image.name);
  expect(world.relay.requests).toEqual([]);
});

it('says what is missing before anything is made', async () => {
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'made',
      (error: unknown) => (error instanceof HpoError ? error.code : error),
    );
  expect(await code(world.make(world.recipe(), null))).toBe('HPO-2475');
  const { registry } = sharedCluster();
  expect(await code(world.make(world.named(`${registry}/hpo-test/none:1`), null))).toBe('HPO-2472');
  const unknown = await world.make(world.named('localhost:1/some/where:1'), null);
  expect(unknown.image).toEqual({ name: 'localhost:1/some/where:1', id: '', recipe: null });
  expect(world.lines.at(-1)).toMatch(/used as it is named: the registry localhost:1 cannot be reached/);
  world.hasEngine = false;
  // A build in the cluster, which this namespace has no pods for.
  const refusal = world.make(world.recipe(), world.place);
  await expect(refusal).rejects.toMatchObject({
    code: 'HPO-2477',
    message: expect.stringMatching(/violates PodSecurity.*seccompProfile/),
    next: expect.stringContaining(
      `kubectl label namespace ${world.pods.namespace.name} pod-security.kubernetes.io/enforce=privileged`,
    ),
  });
  const labels = { 'hpo.build': world.recipe().key };
  for (const kind of ['Job', 'ConfigMap', 'Secret'] as const)
    await eventually(async () => (await world.pods.api.list(kind, { labels })).length === 0, `no ${kind} is left of the build`);
  await world.pods.store({ 'lib/weights.py': `${'1234567890'.repeat(200_000)}\n` });
  expect(await code(world.make(world.named(image), null))).toBe('HPO-2480');
  expect(world.sent).toBe(0);
  world.hasEngine = true;
});

it('an environment is pushed once, large code as its last layer, and an edit as that layer alone', async () => {
  const weights = `${'1234567890'.repeat(200_000)}\n`;
  await world.pods.store({ 'train.sh': 'wc -c < lib/weights.py; echo one\n', 'lib/weights.py': weights });
  const recipe = world.recipe();
  const before = await world.images.look(await world.wanted(recipe, world.place));
  expect(before).toMatchObject({ isReady: false, from: expect.stringMatching(/from the engine/), codeIn: 'image' });
  const made = await world.make(recipe, world.place);
  expect(made.codeIn).toBe('image');
  expect(made.image).toEqual({
    name: `${world.place.pull}/env@${made.image.id}`,
    id: expect.stringMatching(/^sha256:/),
    recipe: recipe.key,
  });
  const whole = world.sent;
  expect(whole).toBeGreaterThan(20_000_000);
  const run = await world.run('large', made, 'sh train.sh; echo $WHICH; echo x >> train.sh; ls -l lib/weights.py');
  expect(run.out).toMatch(
    new RegExp(`^${weights.length}\none\n${world.pods.namespace.name}\n.* lib/weights.py -> /hpo/large/lib/weights.py\n$`),
  );
  expect(run.image).toBe(made.image.name);
  const spliced = { path: 'lib/weights.py', content: `9${weights}` };
  expect((await world.run('spliced', made, 'sh train.sh; head -c 3 lib/weights.py', [spliced])).out).toBe(
    `${weights.length + 1}\none\n912`,
  );

  // Nothing is built, saved or sent again: not even an engine is asked.
  world.hasEngine = false;
  expect(await world.make(recipe, world.place)).toEqual(made);
  expect(world.sent).toBe(whole);
  await world.pods.store({ 'train.sh': 'wc -c < lib/weights.py; echo two\n' });
  const edited = await world.make(recipe, world.place);
  expect(edited.image.id).not.toBe(made.image.id);
  const layer = world.sent - whole;
  expect(layer).toBeGreaterThan(0);
  expect(layer).toBeLessThan(50_000);
  expect((await world.run('edited', edited, 'sh train.sh')).out).toBe(`${weights.length}\ntwo\n`);

  // Small code needs no layer, and finds the environment that is there.
  rmSync(join(world.pods.root, 'lib'), { recursive: true });
  writeFileSync(join(world.pods.root, 'train.sh'), 'echo small\n');
  await world.pods.store({});
  const small = await world.make(recipe, world.place);
  expect(small.codeIn).toBe('objects');
  expect(world.sent - whole).toBe(layer);
  expect((await world.run('afterwards', small, 'sh train.sh')).out).toBe('small\n');
});
