import { afterAll, beforeAll } from 'vitest';
import { executorSuite } from '../contract/executorSuite.ts';
import { ensureNodeImage } from '../support/cluster.ts';
import { openPodPlace, openPodWorld, type PodPlace } from './executorWorld.ts';

let place: PodPlace;
beforeAll(async () => {
  place = await openPodPlace(await ensureNodeImage('python'));
}, 900_000);
afterAll(() => place[Symbol.asyncDispose]());

executorSuite('kubernetes', () => openPodWorld(place));
