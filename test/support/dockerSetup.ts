import { startEngine } from '../../.ci/dockerEngine.mjs';
import setupBundles from './built.ts';

/** Before tests on a real container engine: makes dist/ where a source is newer, and finds or starts the engine, which DOCKER_HOST then names. */
export default async function setup(): Promise<() => Promise<void>> {
  setupBundles();
  const engine = await startEngine((step) => console.log(`· ${step}`));
  const before = process.env['DOCKER_HOST'];
  process.env['DOCKER_HOST'] = engine.host;
  return async () => {
    if (before === undefined) delete process.env['DOCKER_HOST'];
    else process.env['DOCKER_HOST'] = before;
    await engine[Symbol.asyncDispose]();
  };
}
