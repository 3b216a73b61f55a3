import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';
import type { EnvironmentChoice } from '../../protocol/study.ts';
import { candidates, findOnPath, pythonIn } from './candidates.ts';
import { findManifest } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { probe } from './probe.ts';
import type { Probe } from './probe.ts';
import { missingRequirements } from './requirement.ts';
import { satisfies } from './versions.ts';

export interface EnvironmentRequest {
  /** Absolute path. */
  readonly script: string;
  /** Absolute path of the project, at or above the script. */
  readonly root: string;
  /** What the user or the editor chose; nothing else is tried then. */
  readonly explicit?: { readonly path: string; readonly reason: string } | undefined;
  /** `auto`: an environment may be made, and one made before is used, where the chosen interpreter lacks packages. */
  readonly mode: 'auto' | 'current';
  /** Folder of the environments that we made. */
  readonly cacheDir: string;
  /** By default that of this process. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

export interface EnvironmentReport {
  /** Null: there is no Python that starts. */
  readonly choice: EnvironmentChoice | null;
  /** What was looked at before, each with why it was passed over. */
  readonly tried: readonly string[];
  /** Relative to the root; null when the script asks for nothing. */
  readonly manifest: string | null;
  /** The manifest's requirements as written. */
  readonly requirements: readonly string[];
  /** Those that the choice lacks, as written; `python>=3.12` for Python itself. */
  readonly missing: readonly string[];
  /** Whether `makeEnvironment` is worth a try. */
  readonly canMake: boolean;
  /** How `makeEnvironment` goes about it; null when there is nothing to make. */
  readonly recipe: EnvironmentRecipe | null;
}

export interface EnvironmentRecipe {
  /** Names the environment: hash of the manifest, the version of Python, and the platform. */
  readonly key: string;
  readonly manifest: Manifest;
  /** Interpreter of a fitting version to make it with; null leaves it to uv to get one. */
  readonly base: string | null;
  /** Path of uv; null: the base's own venv and pip. */
  readonly uv: string | null;
}

/** Written into an environment as its last step; without it the folder is the remains of an attempt. */
export const doneFile = 'hpo-environment.json';

/**
 * Chooses the interpreter for a script and says why. Starts the interpreter once, and nothing of the user's. Takes less
 * than 300 ms as a rule.
 * @throws HpoError HPO-2001 when the explicit choice does not start, HPO-2006 for a manifest that cannot be read.
 */
export async function chooseEnvironment(request: EnvironmentRequest): Promise<EnvironmentReport> {
  const environment = request.environment ?? process.env;
  const manifest = await findManifest(request.script, request.root);
  const tried: string[] = [];
  const found = await firstThatStarts(request, manifest, environment, tried);
  const base = {
    tried,
    manifest: manifest?.path ?? null,
    requirements: manifest?.requirements.map((requirement) => requirement.text) ?? [],
  };
  const missing = found === null ? base.requirements : missingFrom(found.probe, manifest);
  const isComplete = found !== null && missing.length === 0;
  if (isComplete || manifest === null || request.mode === 'current') {
    return { ...base, choice: found?.choice ?? null, missing, canMake: false, recipe: null };
  }

  const uv = findOnPath('uv', environment);
  const fit = found !== null && isPythonFit(found.probe, manifest) ? found : null;
  const recipe: EnvironmentRecipe = {
    key: keyOf(manifest, fit?.probe ?? null),
    manifest,
    base: fit?.choice.interpreter ?? null,
    uv,
  };
  const made = await madeBefore(join(request.cacheDir, recipe.key), manifest);
  if (made !== null) return { ...base, choice: made, missing: [], canMake: false, recipe: null };
  const canMake = uv !== null || fit !== null;
  return { ...base, choice: found?.choice ?? null, missing, canMake, recipe: canMake ? recipe : null };
}

/** For a report without a choice. */
export function noInterpreter(report: EnvironmentReport): HpoError {
  const tried = report.tried.length === 0 ? 'there is no python3 or python on PATH' : `tried: ${report.tried.join('; ')}`;
  return new HpoError(
    'HPO-2002',
    `No Python was found to run the script (${tried}).`,
    'Install Python 3, or name an interpreter with --python PATH or the setting hpo.pythonPath.',
    { exitCode: 4 },
  );
}

interface Found {
  readonly choice: EnvironmentChoice;
  readonly probe: Probe;
}

async function firstThatStarts(
  request: EnvironmentRequest,
  manifest: Manifest | null,
  environment: NodeJS.ProcessEnv,
  tried: string[],
): Promise<Found | null> {
  const names = manifest?.requirements.map((requirement) => requirement.name) ?? [];
  const { explicit, script, root } = request;
  if (explicit !== undefined) {
    // A bare name is looked up on PATH, anything else is a path from the root.
    const path = /[\\/]/.test(explicit.path)
      ? resolve(root, explicit.path)
      : (findOnPath(explicit.path, environment) ?? explicit.path);
    const answer = await probe(path, names, root);
    if (!('error' in answer)) return chosen(path, explicit.reason, answer);
    throw new HpoError(
      'HPO-2001',
      `The interpreter ${explicit.path} (${explicit.reason}) does not start: it ${answer.error}.`,
      'Choose another one, or leave the choice out to use that of the project.',
      { exitCode: 4 },
    );
  }
  const seen = new Set<string>();
  for await (const { interpreter, reason } of candidates(script, root, environment)) {
    if (seen.has(interpreter)) continue;
    seen.add(interpreter);
    const answer = await probe(interpreter, names, root);
    if ('error' in answer) tried.push(`${interpreter} (${reason}): ${answer.error}`);
    else if (answer.version.startsWith('2.')) tried.push(`${interpreter} (${reason}): is Python ${answer.version}`);
    else return chosen(interpreter, reason, answer);
  }
  return null;
}

function chosen(path: string, reason: string, answer: Probe): Found {
  return { choice: { interpreter: answer.executable || path, version: answer.version, reason }, probe: answer };
}

function missingFrom(answer: Probe, manifest: Manifest | null): string[] {
  if (manifest === null) return [];
  const packages = missingRequirements(manifest.requirements, answer.installed, answer.variables).map(
    (requirement) => requirement.text,
  );
  return isPythonFit(answer, manifest) ? packages : [`python${manifest.requiresPython}`, ...packages];
}

function isPythonFit(answer: Probe, manifest: Manifest): boolean {
  return manifest.requiresPython === '' || satisfies(answer.version, manifest.requiresPython) !== false;
}

function keyOf(manifest: Manifest, base: Probe | null): string {
  const python = base?.version ?? `any ${manifest.requiresPython}`;
  const implementation = base?.variables['implementation_name'] ?? '';
  const parts = [manifest.label, manifest.install, manifest.content, python, implementation, process.platform, process.arch];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 20);
}

/** An environment that is complete and whose Python is still there: in it is a link to the one that made it. */
export async function madeBefore(folder: string, manifest: Manifest): Promise<EnvironmentChoice | null> {
  const interpreter = pythonIn(folder);
  if (!existsSync(join(folder, doneFile)) || !existsSync(interpreter)) return null;
  // Whoever else made it could have put anything into it.
  if (process.platform !== 'win32' && statSync(folder).uid !== process.getuid?.()) return null;
  const done: unknown = JSON.parse(await readFile(join(folder, doneFile), 'utf8'));
  if (typeof done !== 'object' || done === null || !('version' in done) || typeof done.version !== 'string') return null;
  return { interpreter, version: done.version, reason: `made from ${manifest.label}` };
}
