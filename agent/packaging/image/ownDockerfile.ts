import { posix } from 'node:path';
import ignore from 'ignore';
import type { BuildFile } from '../../engine/engine.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { DetectedEnvironment } from '../detect/detected.ts';
import { dockerIgnores } from './dockerIgnore.ts';
import { secretIds } from './settingsScript.ts';

export interface OwnDockerfile {
  readonly dockerfile: string;
  readonly context: readonly BuildFile[];
  readonly base: string;
  readonly secrets: readonly string[];
  readonly notes: readonly string[];
  /** What the image's key is made of. */
  readonly keyed: readonly BuildFile[];
}

/**
 * A Dockerfile of the user's, as it is. Its key is its text and the manifests that it copies by name: code that it copies
 * is not waited for, since an attempt mounts the code as it is now.
 */
export function ownDockerfile(detected: DetectedEnvironment, path: string, project: readonly BuildFile[]): OwnDockerfile {
  const own = detected.manifests.find((manifest) => manifest.path === path) ?? project.find((file) => file.path === path);
  if (own === undefined) {
    throw new HpoError('HPO-2431', `${path} is not among the files of the project`, 'see that no ignore file leaves it out', {
      exitCode: 4,
    });
  }
  const folder = detected.dockerContext ?? '.';
  const place = placeIn(folder, path);
  // The one beside the Dockerfile wins, and comes from outside of the context where that does.
  const ignoreFile =
    project.find((file) => file.path === `${path}.dockerignore`) ??
    project.find((file) => file.path === posix.join(folder, '.dockerignore'));
  const isIgnored = dockerIgnores(ignoreFile === undefined ? '' : Buffer.from(ignoreFile.content).toString());
  // Engines leave that to who sends them the files.
  const files = inFolder(project, folder).filter((file) => !isIgnored(file.path));
  const dockerfile: BuildFile = { path: place, content: own.content, isExecutable: false };
  const context = [dockerfile, ...files.filter((file) => file.path !== place)].sort((a, b) => (a.path < b.path ? -1 : 1));
  const instructions = instructionsOf(Buffer.from(own.content).toString());
  const sources = instructions.flatMap(copied);
  const keyed = context.filter(
    (file) => file.path !== place && isManifest(file.path) && sources.some((source) => names(source, file.path)),
  );
  const whole = sources.filter((source) => !files.some((file) => names(source, file.path)));
  const notes =
    whole.length === 0
      ? []
      : [`${path} copies ${whole.join(', ')}: changes there do not build the image anew, hpo image SCRIPT --rebuild does`];
  const used = secretIds.filter((id) =>
    new RegExp(String.raw`type=secret\S*\bid=${id}\b|\bid=${id}\b\S*type=secret`).test(instructions.join('\n')),
  );
  return {
    dockerfile: place,
    context,
    base: baseOf(instructions),
    secrets: used,
    notes,
    keyed: [
      dockerfile,
      ...(ignoreFile === undefined ? [] : [{ ...ignoreFile, path: '.dockerignore', isExecutable: false }]),
      ...keyed,
    ],
  };
}

/** The files of a folder of the project, relative to it. */
function inFolder(files: readonly BuildFile[], folder: string): readonly BuildFile[] {
  if (folder === '.') return files;
  return files.flatMap((file) => (file.path.startsWith(`${folder}/`) ? [{ ...file, path: placeIn(folder, file.path) }] : []));
}

/** A path relative to the folder; a Dockerfile that lies outside of it is put beside what it copies. */
function placeIn(folder: string, path: string): string {
  const inside = posix.relative(folder, path);
  return inside.startsWith('../') ? 'Dockerfile.outside' : inside;
}

type Instruction = readonly [word: string, rest: string];

function instructionsOf(text: string): readonly Instruction[] {
  return text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\s*\n/g, ' ')
    .split('\n')
    .flatMap((line): Instruction[] => {
      const [, word, rest] = /^\s*([a-z]+)\s+(.*?)\s*$/i.exec(line) ?? [];
      return word === undefined || rest === undefined ? [] : [[word.toUpperCase(), rest]];
    });
}

/** The image that the last stage begins with: through the stages that it is made from, and with the defaults of arguments. */
function baseOf(instructions: readonly Instruction[]): string {
  const values = new Map<string, string>();
  const stages = new Map<string, string>();
  let base = '';
  for (const [word, rest] of instructions) {
    const [, name, value] = /^(\w+)=["']?([^"'\s]*)/.exec(rest) ?? [];
    // Only those before the first stage count in FROM.
    if (word === 'ARG' && base === '' && name !== undefined && value !== undefined) values.set(name, value);
    if (word !== 'FROM') continue;
    const [from = '', as = '', stage = ''] = rest.split(/\s+/).filter((part) => !part.startsWith('--'));
    const image = from.replaceAll(
      /\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})/g,
      (whole, plain: string | undefined, inBraces: string | undefined, otherwise: string | undefined) =>
        values.get(plain ?? inBraces ?? '') ?? otherwise ?? whole,
    );
    base = stages.get(image.toLowerCase()) ?? image;
    if (as.toUpperCase() === 'AS') stages.set(stage.toLowerCase(), base);
  }
  return base;
}

/** Sources in the context, without `./` and a last `/`. */
function copied([word, rest]: Instruction): readonly string[] {
  if ((word !== 'COPY' && word !== 'ADD') || /--from=/.test(rest)) return [];
  const words = rest.startsWith('[') ? listed(rest) : rest.split(/\s+/).filter((part) => !part.startsWith('--'));
  return words
    .slice(0, -1)
    .filter((source) => !source.includes('://'))
    .map((source) => posix.join('.', source.replace(/^\/+/, '')).replace(/\/$/, '') || '.');
}

function listed(text: string): readonly string[] {
  try {
    const words: unknown = JSON.parse(text);
    return Array.isArray(words) ? words.filter((word) => typeof word === 'string') : [];
  } catch {
    return [];
  }
}

function names(source: string, path: string): boolean {
  if (!/[*?[]/.test(source)) return source === path;
  // A pattern of ignore files matches all below a folder too, and one of COPY does not.
  return source.split('/').length === path.split('/').length && ignore().add(`/${source}`).ignores(path);
}

/** Code is mounted; all else that is copied by name says what is in the image. */
function isManifest(path: string): boolean {
  return posix.basename(path) === 'setup.py' || !codeEndings.has(posix.extname(path).toLowerCase());
}

const codeEndings = new Set(
  '.py .pyw .ipynb .r .rmd .jl .js .mjs .cjs .ts .mts .cts .jsx .tsx .c .cc .cpp .cxx .h .hh .hpp .cu .rs .go .java .kt .scala .lua .pl .rb'.split(
    ' ',
  ),
);
