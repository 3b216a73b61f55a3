import { beforeAll } from 'vitest';
import { executorSuite } from '../contract/executorSuite.ts';
import { ensureNodeImage } from '../support/cluster.ts';
import { openPodWorld } from './executorWorld.ts';

let image = '';
beforeAll(async () => {
  image = await ensureNodeImage('python');
}, 900_000);

executorSuite('kubernetes', () => openPodWorld(image));
