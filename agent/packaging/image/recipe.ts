import type { BuildFile } from '../../engine/engine.ts';

/** How an environment image is made, as data: stored under its key, so that the image can be made again when it is gone. */
export interface ImageRecipe {
  /** Hash of all that the image depends on: manifests, base, system packages, architecture; never of code. */
  readonly key: string;
  /** Name of the image on the engine: `hpo-env:<key>`; of one that the user named, that name. */
  readonly name: string;
  /** Null: the image is the user's own, pulled and never built. */
  readonly build: {
    readonly dockerfile: string;
    readonly context: readonly BuildFile[];
    readonly base: string;
    /** Ids of the build secrets that its steps can use (`ca`, `pip`, `npm` …); their values are this machine's and are never stored. */
    readonly secrets: readonly string[];
  } | null;
  /** What was detected, for people. */
  readonly reason: string;
  /** Program that runs scripts in it (`python`); null where the command says it. */
  readonly interpreter: string | null;
  readonly languageVersion: string;
  readonly notes: readonly string[];
}

/** Of an image that is built, before the mark of the home that builds it. */
export function imageName(key: string): string {
  return `hpo-env:${key}`;
}
