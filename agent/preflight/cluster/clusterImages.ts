import { chooseArchitecture, type RunsOn } from './clusterArchitecture.ts';
import type { ClusterImages, WantedImage } from './clusterPreflight.ts';
import { buildInCluster, usualBuildkitImage } from './clusterBuild.ts';
import { SharedWork } from './sharedWork.ts';
import type { RegistryPlace } from '../../cluster/profile.ts';
import type { Engine, EngineProgress } from '../../engine/engine.ts';
import { registryCredentials } from '../../engine/registryCredentials.ts';
import { splitImageName } from '../../engine/registryHost.ts';
import { codeLayer } from '../../packaging/codeLayer.ts';
import { howCodeTravels } from '../../packaging/codeTravel.ts';
import type { ImageRecipe } from '../../packaging/image/recipe.ts';
import type { MountPlan } from '../../packaging/mountPlan.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ImageReference } from '../../protocol/study.ts';
import type { CodeImage, CodeImages } from '../../registry/codeImages.ts';
import { imageText, parseImageName } from '../../registry/imageName.ts';
import { OciRegistry } from '../../registry/ociRegistry.ts';
import type { ImageName, Platform, Registry } from '../../registry/registry.ts';
import type { Clock } from '../../system/clock.ts';

export interface ClusterImagePorts {
  /** Registries, one of them by http where a profile says so; null: as usual. */
  registry(place: RegistryPlace | null): Registry;
  /** Rejects where there is none. */
  engine(): Promise<Engine>;
  /** Builds or pulls on the engine. */
  ensure(recipe: ImageRecipe, progress: EngineProgress): Promise<ImageReference>;
  mountPlan(snapshot: string): Promise<MountPlan>;
  /** Where it is noted what of them is to be removed one day. */
  readonly codeImages: Pick<CodeImages, 'note'>;
  /** What builds in a cluster are given. */
  readonly builds: {
    readonly clock: Clock;
    readonly homeMark: string;
    /** Package settings of this machine, by the ids of build secrets. */
    secrets(): Promise<Readonly<Record<string, Uint8Array>>>;
    /** For DOCKER_CONFIG and HPO_BUILDKIT_IMAGE. */
    readonly environment: NodeJS.ProcessEnv;
  };
}

/** One for all that are asked as usual, and one for each that is asked by http. */
export function registriesOf(environment: NodeJS.ProcessEnv): ClusterImagePorts['registry'] {
  const made = new Map<string, Registry>();
  return (place) => {
    const plain = place?.isPlain === true ? hostOf(place.push) : '';
    const known = made.get(plain) ?? new OciRegistry({ environment, plain: new Set(plain === '' ? [] : [plain]) });
    made.set(plain, known);
    return known;
  };
}

/** Whom to ask about an image that was pushed. */
export function registryOfCode(registry: ClusterImagePorts['registry']): (image: CodeImage) => Registry {
  return ({ name, isPlain }) => registry(isPlain ? { push: name, pull: name, isPlain } : null);
}

type Progress = Parameters<ClusterImages['make']>[1];

/** An image where the nodes can have it. */
interface Placed {
  /** As this machine reaches it, to put code on it; null where it cannot be read from here. */
  readonly base: ImageName | null;
  readonly reference: ImageReference;
  readonly runsOn: RunsOn;
}

/** Images as nodes of a cluster pull them: named by their digest, and made, pushed or found only where that is needed. */
export function clusterImages(ports: ClusterImagePorts): ClusterImages {
  const builds = new SharedWork();
  return {
    look: async (wanted) => {
      const { recipe, profile } = wanted;
      const codeIn = howCodeTravels(wanted.entries, profile.registry !== null);
      if (recipe.build === null) return { ...(await lookAtNamed(ports, wanted)), codeIn };
      const place = neededRegistry(wanted);
      const there = await ports.registry(place).digestOf(environmentName(place, recipe));
      const engine = there === null ? await engineFor(ports, wanted) : null;
      const from =
        there !== null
          ? `there already, in ${place.push}`
          : engine === null
            ? `built in the cluster and pushed to ${place.push}`
            : `pushed to ${place.push} from the engine of this machine`;
      return { isReady: there !== null && codeIn === 'objects', from, codeIn, runsOn: madeFor(wanted) };
    },
    make: async (wanted, progress) => {
      const codeIn = howCodeTravels(wanted.entries, wanted.profile.registry !== null);
      const environment = await placeEnvironment(ports, wanted, progress, builds);
      const { reference } = environment;
      if (codeIn === 'objects') return { image: reference, codeIn, runsOn: environment.runsOn };
      const { chosen } = environment.runsOn;
      return {
        image: await addCode(ports, wanted, environment, progress),
        codeIn,
        runsOn: { architectures: [chosen], chosen },
      };
    },
  };
}

async function placeEnvironment(
  ports: ClusterImagePorts,
  wanted: WantedImage,
  progress: Progress,
  builds: SharedWork,
): Promise<Placed> {
  const { recipe } = wanted;
  if (recipe.build === null) return await placeNamed(ports, wanted, progress);
  const place = neededRegistry(wanted);
  const name = environmentName(place, recipe);
  const registry = ports.registry(place);
  const { onProgress, signal } = progress;
  const make = async (): Promise<void> => {
    const engine = await engineFor(ports, wanted);
    if (engine === null) return await buildThere(ports, wanted, place, progress);
    const { id } = await ports.ensure(recipe, progress);
    onProgress(`pushing the image to ${place.push}`);
    await registry.push(engine.saveImage(id, signal), name, progress);
  };
  const onWait = (): void => onProgress('the same image is being made for another study: waiting for it');
  let digest = await registry.digestOf(name);
  // Two builds of it would be in each other's way.
  while (digest === null) {
    const isOwn = await builds.doOrWait(imageText(name), make, onWait, signal);
    digest = await registry.digestOf(name);
    if (digest === null && isOwn) throw notPushed(place, name);
  }
  return { ...placed(place, name, digest, recipe.key), runsOn: madeFor(wanted) };
}

/** What is made is for one architecture. */
function madeFor({ architecture }: Pick<WantedImage, 'architecture'>): RunsOn {
  return { architectures: [architecture], chosen: architecture };
}

/** Throws HPO-2522 where no node can run it. */
async function runsOn(
  ports: ClusterImagePorts,
  wanted: WantedImage,
  place: RegistryPlace | null,
  name: ImageName,
): Promise<RunsOn> {
  const architectures = await ports.registry(place).architectures(name);
  return { architectures, chosen: chooseArchitecture(wanted, architectures, wanted.recipe.name) };
}

/** The user's own image: by its digest, where that can be found out from here. */
async function placeNamed(ports: ClusterImagePorts, wanted: WantedImage, progress: Progress): Promise<Placed> {
  const { recipe, profile } = wanted;
  const found = await resolveNamed(ports, wanted);
  if (found.type === 'registry') {
    const base = { ...found.name, reference: found.digest };
    return {
      base,
      reference: { name: asNodesSee(profile.registry, base), id: found.digest, recipe: null },
      runsOn: await runsOn(ports, wanted, ofPlace(profile.registry, base), base),
    };
  }
  if (found.type === 'engine' && profile.registry !== null) {
    const { registry: place } = profile;
    const name = inRegistry(place, `own-${found.id.replace('sha256:', '').slice(0, 20)}`);
    const registry = ports.registry(place);
    const there = await registry.digestOf(name);
    if (there === null) progress.onProgress(`pushing the image ${recipe.name}, which is on this machine only, to ${place.push}`);
    const digest = there ?? (await registry.push(found.engine.saveImage(found.id, progress.signal), name, progress));
    return { ...placed(place, name, digest, null), runsOn: await runsOn(ports, wanted, place, { ...name, reference: digest }) };
  }
  if (found.type === 'engine') throw found.fault;
  progress.onProgress(`${recipe.name} is used as it is named: ${found.fault.message}`);
  return { base: null, reference: { name: recipe.name, id: '', recipe: null }, runsOn: notKnown(wanted) };
}

type Resolved =
  | { readonly type: 'registry'; readonly name: ImageName; readonly digest: string }
  /** No registry that can be asked has it, and the engine of this machine does. */
  | { readonly type: 'engine'; readonly engine: Engine; readonly id: string; readonly fault: HpoError }
  /** Its registry does not answer, or not us: nodes may know more. */
  | { readonly type: 'unknown'; readonly fault: HpoError };

/** Rejects with HPO-2472 where the registry says that there is no such image. */
async function resolveNamed(ports: ClusterImagePorts, { recipe, profile }: WantedImage): Promise<Resolved> {
  const name = parseImageName(recipe.name);
  const { registry: place } = profile;
  const fault = await ports
    .registry(ofPlace(place, name))
    .digestOf(name)
    .then(
      (digest) =>
        digest ??
        new HpoError('HPO-2472', `there is no image ${imageText(name)}`, 'check its name, or push it first', { exitCode: 4 }),
      (error: unknown) => error,
    );
  if (typeof fault === 'string') return { type: 'registry', name, digest: fault };
  if (!(fault instanceof HpoError)) throw fault;
  const own = await ownImage(ports, recipe.name);
  if (own !== null) return { type: 'engine', ...own, fault };
  if (fault.code === 'HPO-2470' || fault.code === 'HPO-2471') return { type: 'unknown', fault };
  throw fault;
}

/** The cluster's registry, if it is that of the image; else it is asked as usual. */
function ofPlace(place: RegistryPlace | null, { registry }: ImageName): RegistryPlace | null {
  return place !== null && hostOf(place.push) === registry ? place : null;
}

function notKnown({ architecture }: WantedImage): RunsOn {
  return { architectures: null, chosen: architecture };
}

async function ownImage(
  ports: ClusterImagePorts,
  name: string,
): Promise<{ readonly engine: Engine; readonly id: string } | null> {
  try {
    const engine = await ports.engine();
    const image = await engine.inspectImage(name);
    return image === null ? null : { engine, id: image.id };
  } catch (error) {
    // No engine, none that answers: then it is not there.
    if (error instanceof HpoError) return null;
    throw error;
  }
}

async function lookAtNamed(
  ports: ClusterImagePorts,
  wanted: WantedImage,
): Promise<{ readonly isReady: boolean | null; readonly from: string; readonly runsOn: RunsOn }> {
  const found = await resolveNamed(ports, wanted);
  const { recipe, profile } = wanted;
  const isObjects = howCodeTravels(wanted.entries, profile.registry !== null) === 'objects';
  switch (found.type) {
    case 'registry':
      return {
        isReady: isObjects,
        from: `pulled by the nodes: ${asNodesSee(profile.registry, { ...found.name, reference: found.digest })}`,
        runsOn: await runsOn(ports, wanted, ofPlace(profile.registry, found.name), { ...found.name, reference: found.digest }),
      };
    case 'engine':
      if (profile.registry === null) throw found.fault;
      return {
        isReady: false,
        from: `pushed to ${profile.registry.push} from the engine of this machine`,
        runsOn: notKnown(wanted),
      };
    case 'unknown':
      if (!isObjects) throw found.fault;
      return {
        isReady: null,
        from: `pulled by the nodes as it is named (${recipe.name}): ${found.fault.message}`,
        runsOn: notKnown(wanted),
      };
    default:
      return found satisfies never;
  }
}

/** The environment with the code as its last layer. */
async function addCode(
  ports: ClusterImagePorts,
  wanted: WantedImage & { readonly snapshot: string },
  { base, reference, runsOn: { chosen: architecture } }: Placed,
  progress: Progress,
): Promise<ImageReference> {
  const { snapshot, profile } = wanted;
  const { registry: place } = profile;
  if (base === null || place === null) {
    throw new HpoError(
      'HPO-2475',
      `the code cannot be put on the image ${reference.name}: it cannot be read from here`,
      'log in to its registry (docker login), or make the code small enough to travel without (.hpoignore)',
      { exitCode: 4 },
    );
  }
  const platform: Platform = { os: 'linux', architecture };
  const { homeMark, clock } = ports.builds;
  // Below one index there are images for several architectures. Another home, which deletes its own, has others.
  const parts = [snapshot.slice(0, 20), base.reference.replace('sha256:', '').slice(0, 12), architecture, homeMark];
  const name = inRegistry(place, `code-${parts.join('-')}`);
  const registry = ports.registry(place);
  const noted = { name: imageText(name), isPlain: place.isPlain, wantedAt: clock.now() };
  // Before it is looked for: from here on, nobody removes it.
  await ports.codeImages.note({ ...noted, digest: null });
  const there = await registry.digestOf(name);
  const digest =
    there ??
    (await registry.append(
      base,
      {
        tar: codeLayer(await ports.mountPlan(snapshot)),
        labels: { 'hpo.home': homeMark, 'hpo.snapshot': snapshot },
        createdBy: 'hpo: the code of a study',
      },
      name,
      platform,
      progress,
    ));
  await ports.codeImages.note({ ...noted, digest });
  return placed(place, name, digest, reference.recipe).reference;
}

/** The engine where it makes images for the nodes; null where there is none, or they are of another kind. */
async function engineFor(ports: ClusterImagePorts, { architecture }: WantedImage): Promise<Engine | null> {
  try {
    const engine = await ports.engine();
    return (await engine.info()).architecture === architecture ? engine : null;
  } catch (error) {
    if (error instanceof HpoError) return null;
    throw error;
  }
}

function neededRegistry({ profile, recipe }: WantedImage): RegistryPlace {
  if (profile.registry !== null) return profile.registry;
  throw new HpoError(
    'HPO-2475',
    `the image is to be made from ${recipe.reason}, and the cluster ${profile.name} has no registry to push it to`,
    'connect one that the nodes pull from: hpo cluster connect --registry HOST/PREFIX; or name an image that they can pull: # @hpo.image NAME',
    { exitCode: 4 },
  );
}

/** By a Job of the cluster, where there is no engine here. */
async function buildThere(
  { builds }: ClusterImagePorts,
  { recipe, cluster, architecture, profile }: WantedImage,
  registry: RegistryPlace,
  progress: Progress,
): Promise<void> {
  const all = await builds.secrets();
  const hosts = new Set([hostOf(registry.pull), hostOf(registry.push), ...basesOf(recipe)]);
  const found = await Promise.all(
    [...hosts].map(async (host) => [host, await registryCredentials(host, builds.environment)] as const),
  );
  const credentials = Object.fromEntries(found.flatMap(([host, login]) => (login === null ? [] : [[host, login]])));
  const [pull, push] = [credentials[hostOf(registry.pull)], credentials[hostOf(registry.push)]];
  await buildInCluster({
    cluster,
    clock: builds.clock,
    recipe,
    architecture,
    registry,
    name: `${registry.pull}/env:${recipe.key}`,
    // The same registry, by the name that nodes have for it.
    credentials: pull === undefined && push !== undefined ? { ...credentials, [hostOf(registry.pull)]: push } : credentials,
    secrets: Object.fromEntries(Object.entries(all).filter(([id]) => recipe.build?.secrets.includes(id) === true)),
    homeMark: builds.homeMark,
    buildkitImage: builds.environment['HPO_BUILDKIT_IMAGE'] || usualBuildkitImage,
    pullSecrets: profile.pullSecrets,
    onProgress: progress.onProgress,
    signal: progress.signal,
  });
}

/** Registries that the stages of a Dockerfile begin at. */
function basesOf({ build }: ImageRecipe): readonly string[] {
  const file = build?.context.find(({ path }) => path === build.dockerfile);
  const text = file === undefined ? '' : Buffer.from(file.content).toString();
  return [...text.matchAll(/^\s*FROM\s+(?:--\S+\s+)*(\S+)/gim)].map(([, name = '']) => splitImageName(name).registry);
}

function notPushed({ push, pull }: RegistryPlace, name: ImageName): HpoError {
  return new HpoError(
    'HPO-2476',
    `the image was made and pushed to ${pull}, and ${imageText(name)} is not there`,
    `see that ${push} and ${pull} are the same registry: hpo cluster connect --registry HOST/PREFIX`,
  );
}

function environmentName(place: RegistryPlace, { key }: ImageRecipe): ImageName {
  return inRegistry(place, key);
}

/** All images of ours are in one repository, as some registries want each to be made by hand. */
function inRegistry({ push }: RegistryPlace, tag: string): ImageName {
  return parseImageName(`${push}/env:${tag}`);
}

function placed(
  place: RegistryPlace,
  name: ImageName,
  digest: string,
  recipe: string | null,
): Pick<Placed, 'base' | 'reference'> {
  return { base: { ...name, reference: digest }, reference: { name: `${place.pull}/env@${digest}`, id: digest, recipe } };
}

/** What is in the registry of the cluster goes by the name that nodes have for that. */
function asNodesSee(place: RegistryPlace | null, name: ImageName): string {
  const text = imageText(name);
  return place !== null && text.startsWith(`${place.push}/`) ? `${place.pull}${text.slice(place.push.length)}` : text;
}

function hostOf(place: string): string {
  return place.split('/')[0] ?? '';
}
