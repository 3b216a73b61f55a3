import type { DetectedEnvironment } from '../detect/detected.ts';
import { DockerfileBuilder, madeByHpo } from './dockerfile.ts';
import type { Generated, RecipeOptions } from './recipeOf.ts';

/** A command whose packages nothing describes: the language's own image, with the packages of its distribution that are asked for. */
export function plainDockerfile(detected: DetectedEnvironment, options: RecipeOptions): Generated {
  const base = options.base ?? baseOf(detected);
  const builder = new DockerfileBuilder()
    .comment(madeByHpo)
    .from(base)
    .systemPackages([...detected.systemPackages, ...(detected.needsCompiler ? ['build-essential'] : [])])
    .env({ USER: 'hpo' });
  return { builder, base, notes: [] };
}

/** The image of a language at a version; one that is known to work where nothing says a version. */
export function baseOf({
  language,
  languageVersion: version,
}: Pick<DetectedEnvironment, 'language' | 'languageVersion'>): string {
  switch (language) {
    case 'python':
      return `python:${version || '3.12'}-slim-bookworm`;
    case 'node':
      return `node:${version || '24'}-bookworm-slim`;
    case 'r':
      // The official images are named by full versions alone.
      return /^\d+\.\d+$/.test(version) ? `rocker/r-ver:${version}` : `r-base:${version || '4.5.1'}`;
    case 'julia': {
      const name = version || '1.11';
      const [, minor] = /^1\.(\d+)/.exec(name) ?? [];
      return `julia:${name}-${minor !== undefined && Number(minor) < 9 ? 'bullseye' : 'bookworm'}`;
    }
    case 'other':
      return 'debian:bookworm-slim';
    default:
      return language satisfies never;
  }
}
