import { setTimeout as delay } from 'node:timers/promises';
import type { Engine, ImageInfo, Labels } from '../engine/engine.ts';
import { HpoError } from '../protocol/errors.ts';
import type { StudySpec } from '../protocol/study.ts';
import { type Finding, repairCommand } from './finding.ts';
import type { Records } from './records.ts';

/** The engine as the doctor may use it. */
export interface EngineAccess {
  /** Rejects with HPO-2401 to 2404 where there is none to be had. */
  readonly connect: () => Promise<Engine>;
  /** On all that this home has on an engine. */
  readonly labels: Labels;
  /** Keys of the recipes that this home keeps. */
  readonly recipes: ReadonlySet<string>;
}

/** What an attempt that has just ended leaves is removed within this time. */
const tidyMs = 1_500;
const check = 'containers';

/**
 * Containers and images of this home on the engine, as far as there is one: what runs for no attempt, what is left of ended ones, and
 * what studies that go on need. `liveNow` is asked again before anything is said to be left.
 */
export async function checkContainers(
  access: EngineAccess,
  records: Records | null,
  liveNow: () => ReadonlySet<string> | null,
): Promise<readonly Finding[]> {
  const studies = [...(records?.views.values() ?? [])].filter(({ spec }) => spec.executor === 'docker');
  const going = studies.filter(({ state }) => state !== 'ended');
  const mayHaveAny = studies.length > 0 || access.recipes.size > 0;
  const live = liveNow();
  if (live === null) return [{ check, state: 'unknown', what: 'not looked at, as the journal cannot say which attempts live' }];
  try {
    const engine = await access.connect();
    const { name, endpoint } = await engine.info();
    const findings = [
      ...(await lookForOrphans(engine, access.labels, live, liveNow)),
      ...(await lookForImages(
        engine,
        access,
        studies.map(({ spec }) => spec),
      )),
      ...(await Promise.all(going.map(({ studyId, spec }) => lookAtImageOf(engine, access, studyId, spec)))).flat(),
    ];
    if (findings.length > 0) return findings;
    const used = going.length === 0 ? 'no study that goes on needs it' : `${going.length} studies run in containers on it`;
    return [{ check, state: 'ok', what: `${name} answers at ${endpoint}; ${used}, and nothing of this home is left on it` }];
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    if (going.length > 0) {
      const what = `${going.map(({ studyId }) => studyId).join(', ')} cannot go on: ${error.message}`;
      return [{ check, state: 'wrong', what, next: error.next }];
    }
    if (mayHaveAny)
      return [
        { check, state: 'unknown', what: `what this home has on an engine cannot be seen: ${error.message}`, next: error.next },
      ];
    return [{ check, state: 'ok', what: `no study runs in containers (${error.message})` }];
  }
}

async function lookForOrphans(
  engine: Engine,
  labels: Labels,
  live: ReadonlySet<string>,
  liveNow: () => ReadonlySet<string> | null,
): Promise<readonly Finding[]> {
  const orphans = async (lives: ReadonlySet<string>): Promise<readonly string[]> =>
    (await engine.listContainers(labels)).filter((container) => !lives.has(attemptOf(container.labels))).map(({ name }) => name);
  const first = await orphans(live);
  if (first.length === 0) return [];
  await delay(tidyMs);
  const left = (await orphans(liveNow() ?? live)).filter((name) => first.includes(name));
  if (left.length === 0) return [];
  return [
    {
      check,
      state: 'wrong',
      what: `${left.length} containers (${left.join(', ')}) are there for attempts that do not live: they take memory, room and processors`,
      next: `${repairCommand}: it removes them`,
      mend: async () => {
        for (const name of left) await engine.removeContainer(name);
        return `removed ${left.length} containers: ${left.join(', ')}`;
      },
    },
  ];
}

/** Images of this home that nothing knows how to make again, and no study needs. */
async function lookForImages(
  engine: Engine,
  { labels, recipes }: EngineAccess,
  specs: readonly StudySpec[],
): Promise<readonly Finding[]> {
  const isUsed = ({ id, names }: ImageInfo): boolean =>
    specs.some(({ container }) => container?.image.id === id || names.includes(container?.image.name ?? ''));
  const unknown = (await engine.listImages(labels)).filter(
    (image) => !recipes.has(image.labels['hpo.image'] ?? '') && !isUsed(image),
  );
  if (unknown.length === 0) return [];
  const names = unknown.map((image) => image.names[0] ?? image.id);
  return [
    {
      check,
      state: 'wrong',
      what: `${unknown.length} images of this home (${names.join(', ')}) belong to no recipe and no study: they take room only`,
      next: `${repairCommand}: it removes them`,
      mend: async () => {
        for (const name of names) await engine.removeImage(name);
        return `removed ${names.length} images: ${names.join(', ')}`;
      },
    },
  ];
}

/** Of a study that goes on, where no attempt can start any more. */
async function lookAtImageOf(
  engine: Engine,
  { recipes }: EngineAccess,
  studyId: string,
  { container }: StudySpec,
): Promise<readonly Finding[]> {
  if (container === undefined || (await engine.inspectImage(container.image.id)) !== null) return [];
  const { name, recipe } = container.image;
  if (recipe !== null && recipes.has(recipe)) return [];
  return [
    {
      check,
      state: recipe === null ? 'unknown' : 'wrong',
      what: `the image ${name} of ${studyId} is gone${recipe === null ? ', and is pulled again when a trial starts' : ', and its recipe too: no further trial of it can start'}`,
      ...(recipe === null
        ? {}
        : { next: `stop the study (hpo stop ${studyId}) and tune the script again with --from ${studyId}` }),
      studyId,
    },
  ];
}

/** As in `liveNow`: `study/trial/attempt`. */
function attemptOf(labels: Labels): string {
  return `${labels['hpo.study']}/${labels['hpo.trial']}/${labels['hpo.attempt']}`;
}
