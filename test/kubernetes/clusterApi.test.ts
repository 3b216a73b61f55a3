import { afterAll, beforeAll } from 'vitest';
import { clusterSuite } from '../contract/clusterSuite.ts';
import { ensureNodeImage, TestNamespace } from '../support/cluster.ts';
import { openRealWorld } from './clusterWorld.ts';

let image = '';
let namespace: TestNamespace;
beforeAll(async () => {
  image = await ensureNodeImage('python');
  namespace = await TestNamespace.create();
}, 900_000);
afterAll(() => namespace[Symbol.asyncDispose]());

clusterSuite('real', () => openRealWorld(image, namespace));
