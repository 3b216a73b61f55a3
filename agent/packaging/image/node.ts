import { posix } from 'node:path';
import type { DetectedEnvironment } from '../detect/detected.ts';
import { DockerfileBuilder, madeByHpo, projectMount } from './dockerfile.ts';
import { quoted } from '../shellWord.ts';
import { baseOf } from './plain.ts';
import type { Generated, RecipeOptions } from './recipeOf.ts';

/**
 * Packages in `/hpo/node_modules`. Node looks for packages beside a script and in each folder above it, so what is mounted
 * below `/hpo/work` finds them, whether it is a module or CommonJS; NODE_PATH would do for CommonJS alone.
 */
export function nodeDockerfile(detected: DetectedEnvironment, options: RecipeOptions): Generated {
  const base = options.base ?? baseOf(detected);
  const builder = new DockerfileBuilder()
    .comment(madeByHpo)
    .from(base)
    .systemPackages([...detected.systemPackages, ...(detected.needsCompiler ? ['build-essential', 'python3'] : [])]);
  for (const { path, content } of detected.manifests) builder.project(path, content);
  const names = detected.manifests.map(({ path }) => posix.basename(path));
  const main = detected.manifests.find(({ path }) => posix.basename(path) === 'package.json') ?? detected.manifests[0];
  const folder = quoted(posix.join(projectMount, main === undefined ? '.' : posix.dirname(main.path)));
  const { cache, commands } = installer(
    names,
    Buffer.from(detected.manifests.find(({ path }) => path.endsWith('yarn.lock'))?.content ?? []).toString(),
  );
  builder
    .run({
      commands: [
        'mkdir -p /hpo',
        `cp -R ${folder}/. /hpo/`,
        'cd /hpo',
        ...commands,
        'mkdir -p /hpo/node_modules',
        'find /hpo -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +',
      ],
      caches: [cache],
      secrets: ['ca', 'env', 'netrc', 'npm'],
      readsProject: true,
    })
    .env({ PATH: '/hpo/node_modules/.bin:$PATH', USER: 'hpo' });
  return { builder, base, notes: [] };
}

/** By the lock; each installs exactly what it says, and refuses one that does not fit its package.json. */
function installer(names: readonly string[], yarnLock: string): { readonly cache: string; readonly commands: readonly string[] } {
  if (names.includes('pnpm-lock.yaml')) {
    // Copied, as the cache is not there when the image runs.
    const install = 'npx --yes pnpm@10 install --frozen-lockfile --package-import-method=copy --store-dir /root/.npm/pnpm';
    return { cache: '/root/.npm', commands: [install] };
  }
  if (names.includes('yarn.lock') && yarnLock.includes('__metadata:')) {
    const install =
      'YARN_NODE_LINKER=node-modules YARN_ENABLE_GLOBAL_CACHE=true YARN_GLOBAL_FOLDER=/root/.npm/yarn npx --yes --package=@yarnpkg/cli-dist@4 yarn install --immutable';
    return { cache: '/root/.npm', commands: [install] };
  }
  if (names.includes('yarn.lock')) {
    return {
      cache: '/root/.npm',
      commands: ['npx --yes yarn@1 install --frozen-lockfile --non-interactive --cache-folder /root/.npm/yarn'],
    };
  }
  if (names.includes('package-lock.json') || names.includes('npm-shrinkwrap.json'))
    return { cache: '/root/.npm', commands: ['npm ci'] };
  return { cache: '/root/.npm', commands: ['npm install --no-package-lock'] };
}
