import { posix } from 'node:path';
import type { DetectedEnvironment } from '../detect/detected.ts';
import { DockerfileBuilder, madeByHpo, projectMount } from './dockerfile.ts';
import { quoted } from '../shellWord.ts';
import { baseOf } from './plain.ts';
import type { Generated, RecipeOptions } from './recipeOf.ts';

/** Packages in the depot `/opt/julia`, for the project `/opt/env`. */
export function juliaDockerfile(detected: DetectedEnvironment, options: RecipeOptions): Generated {
  const base = options.base ?? baseOf(detected);
  const builder = new DockerfileBuilder()
    .comment(madeByHpo)
    .from(base)
    .systemPackages([...detected.systemPackages, ...(detected.needsCompiler ? ['build-essential'] : [])]);
  for (const { path, content } of detected.manifests) builder.project(path, content);
  const main = detected.manifests.find(({ path }) => /(?:Julia)?Project\.toml$/.test(path)) ?? detected.manifests[0];
  const folder = quoted(posix.join(projectMount, main === undefined ? '.' : posix.dirname(main.path)));
  builder
    .run({
      commands: [
        'mkdir -p /opt/env',
        `cp ${folder}/*.toml /opt/env/`,
        'export JULIA_DEPOT_PATH=/opt/julia JULIA_PROJECT=/opt/env JULIA_PKG_PRECOMPILE_AUTO=0',
        "julia -e 'using Pkg; Pkg.instantiate()'",
        'julia -e \'using Pkg; try Pkg.precompile() catch error; @warn "not all packages compile ahead" error end\'',
        'chmod -R a+rX /opt/julia /opt/env',
      ],
      secrets: ['ca', 'env', 'netrc'],
      readsProject: true,
    })
    // The first depot is written to, and the image's own cannot be.
    .env({ JULIA_PROJECT: '/opt/env', JULIA_DEPOT_PATH: '/tmp/julia:/opt/julia', USER: 'hpo' });
  return { builder, base, notes: [] };
}
