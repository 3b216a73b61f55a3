import { basename, join, normalize, relative } from 'node:path/posix';
import { isAbsolute } from 'node:path';
import type { Diagnostic } from '../../protocol/space.ts';
import { conda } from './conda.ts';
import { dockerfileAt } from './dockerfile.ts';
import { fault, type Place, placeOf } from './faults.ts';
import type { Finding, Row } from './finding.ts';
import { isImageName } from './image.ts';
import { pdm } from './pdm.ts';
import { pipenv } from './pipenv.ts';
import { pixi } from './pixi.ts';
import { poetry } from './poetry.ts';
import type { ProjectReader } from './projectReader.ts';
import { pyproject } from './pyproject.ts';
import { requirementsAt } from './requirements.ts';
import { uv } from './uv.ts';

/** What the user said about the image. */
export interface ImageSetting {
  /** Words of `@hpo.image`: `image=…`, `dockerfile=…`, `manifest=…`, `packages=…`; null without one. */
  readonly annotated: Readonly<Record<string, string>> | null;
  /** `TuneRequest.image`: `auto`, `devcontainer`, the path of a Dockerfile or a manifest, or the name of an image; null for nothing. */
  readonly requested: string | null;
}

export interface Named {
  /** Null where detection goes on. */
  readonly finding: Finding | null;
  /** `auto` was said: nothing that has to be agreed to is taken. */
  readonly isAuto: boolean;
  readonly faults: readonly Diagnostic[];
  readonly systemPackages: readonly string[];
}

/** What the user named, if anything; a request wins over the annotation. `script` is where the annotation stands. */
export async function namedEnvironment(
  project: ProjectReader,
  { annotated, requested }: ImageSetting,
  script: string,
): Promise<Named> {
  const place = await namedPlace(project, script);
  const unusable = (message: string, next: string) => fault('HPO-2425', 'error', place, message, next);
  const systemPackages = (annotated?.['packages'] ?? '').split(/[\s,]+/).filter((name) => name !== '');
  const faults: Diagnostic[] = [];
  for (const name of systemPackages.filter((each) => !/^[a-z0-9][a-z0-9+.-]+$/.test(each))) {
    faults.push(unusable(`"${name}" in @hpo.image packages= is no name of a package`, 'name packages of Debian, such as libgl1'));
  }
  const clean = systemPackages.filter((each) => /^[a-z0-9][a-z0-9+.-]+$/.test(each));
  const done = (finding: Finding | null, isAuto = false) => ({ finding, isAuto, faults, systemPackages: clean });

  if (requested !== null && requested !== 'auto' && requested !== 'devcontainer') {
    const path = isAbsolute(requested) ? relative(project.root, requested) : normalize(requested);
    const found = await byPath(project, path);
    if (found !== null) return done({ ...found, reason: `${path}, which was asked for` });
    if (isPath(requested) || !isImageName(requested)) {
      faults.push(
        unusable(
          `${JSON.stringify(requested)} is neither a file of the project nor the name of an image`,
          'check the path or the name',
        ),
      );
      return done({ ...ofImage(requested), image: null });
    }
    return done({ ...ofImage(requested), reason: `the image ${requested}, which was asked for` });
  }
  if (requested === 'auto' || requested === 'devcontainer') return done(null, requested === 'auto');

  const { dockerfile, manifest, image } = annotated ?? {};
  for (const [key, wanted] of [
    ['dockerfile', dockerfile],
    ['manifest', manifest],
  ] as const) {
    if (wanted === undefined) continue;
    const path = normalize(wanted);
    const found = key === 'dockerfile' ? await dockerfileAt(project, path, '.') : await byPath(project, path);
    if (found !== null) return done({ ...found, reason: `${path}, named in @hpo.image` });
    faults.push(
      unusable(
        `@hpo.image names ${key}=${path}, ${key === 'manifest' ? 'which is no manifest that is known' : 'which is not there'}`,
        'correct the path, relative to the project',
      ),
    );
    return done({ ...ofImage(path), image: null });
  }
  if (image === undefined || image === 'auto') return done(null, image === 'auto');
  if (isPath(image)) {
    const path = normalize(image);
    const found = await byPath(project, path);
    if (found !== null) return done({ ...found, reason: `${path}, named in @hpo.image` });
  }
  if (!isImageName(image) || isPath(image)) {
    faults.push(
      unusable(
        `@hpo.image names "${image}", which is neither a file of the project nor the name of an image`,
        'write an image as in docker pull (python:3.12-slim), or a file relative to the project: dockerfile=docker/Dockerfile, manifest=requirements-gpu.txt',
      ),
    );
    return done({ ...ofImage(image), image: null });
  }
  return done({ ...ofImage(image), reason: `the image ${image}, named in @hpo.image` });
}

/** What can only be meant as a file. */
function isPath(text: string): boolean {
  return /^\.{0,2}\/|(?:^|\/)Dockerfile|\.dockerfile$/i.test(text);
}

/** Where the annotation stands. */
export async function namedPlace(project: ProjectReader, script: string): Promise<Place> {
  return placeOf(script, (await project.text(script)) ?? '', /@hpo\.image.*$/m);
}

function ofImage(image: string): Finding {
  return {
    kind: 'image',
    file: image,
    files: [],
    packages: [],
    versions: [],
    requirements: [],
    isReproducible: image.includes('@sha256:'),
    faults: [],
    image,
    reason: `the image ${image}`,
  };
}

const byName: readonly (readonly [name: RegExp, row: Row])[] = [
  [/^uv\.lock$/, uv],
  [/^pixi\.(?:lock|toml)$/, pixi],
  [/^poetry\.lock$/, poetry],
  [/^pdm\.lock$/, pdm],
  [/^Pipfile(?:\.lock)?$/, pipenv],
  [/^environment\.ya?ml$/, conda],
  [/^pyproject\.toml$/, pyproject],
];

/** A file of the project that is a manifest or a Dockerfile; null for anything else. */
async function byPath(project: ProjectReader, path: string): Promise<Finding | null> {
  if ((await project.bytes(path)) === null) return null;
  const name = basename(path);
  const row = byName.find(([expression]) => expression.test(name))?.[1];
  if (row !== undefined) return await row({ project, folder: join(path, '..') });
  if (/\.(?:txt|in)$/.test(name)) return await requirementsAt(project, path);
  return await dockerfileAt(project, path, '.');
}
