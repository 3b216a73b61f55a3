import { installKueue } from '../../.ci/cluster.mjs';
import { findCluster } from './cluster.ts';
import setupEngine from './dockerSetup.ts';

/** Before tests on a real cluster: the bundles, a container engine for images, and a cluster, which the variables of `cluster.ts` then name. */
export default async function setup(): Promise<() => Promise<void>> {
  const disposeEngine = await setupEngine();
  const log = (step: string): void => console.log(`· ${step}`);
  const cluster = await findCluster(log);
  // Before all tests, whose patience does not have to outlast a build beside other tests.
  await installKueue(log);
  return async () => {
    await cluster[Symbol.asyncDispose]();
    await disposeEngine();
  };
}
