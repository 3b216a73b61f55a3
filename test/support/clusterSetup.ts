import { findCluster } from './cluster.ts';
import setupEngine from './dockerSetup.ts';

/** Before tests on a real cluster: the bundles, a container engine for images, and a cluster, which the variables of `cluster.ts` then name. */
export default async function setup(): Promise<() => Promise<void>> {
  const disposeEngine = await setupEngine();
  const cluster = await findCluster((step) => console.log(`· ${step}`));
  return async () => {
    await cluster[Symbol.asyncDispose]();
    await disposeEngine();
  };
}
