import { dirname, normalize } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { findOnPath } from '../environment/candidates.ts';
import { commandRow } from './command.ts';
import { credentialsIn } from './credentials.ts';
import { cudaOf } from './cuda.ts';
import type { DetectedEnvironment, ManifestFile } from './detected.ts';
import { disagreements, versionDisagreements } from './disagreements.ts';
import { fault } from './faults.ts';
import type { Finding, VersionClaim } from './finding.ts';
import { interpreterList } from './interpreter.ts';
import { type Programs, programsOf } from './language.ts';
import { type ImageSetting, namedEnvironment, namedPlace } from './namedEnvironment.ts';
import { ProjectReader } from './projectReader.ts';
import { chooseVersion } from './pythonVersion.ts';
import { foldersFrom, type Hit, isSelfContained, search, withoutLock } from './search.ts';
import { chooseByRange } from './semverRange.ts';
import { isCompiledPackage, systemPackagesFor } from './systemPackages.ts';
import { versionFiles } from './versionFiles.ts';

export interface DetectOptions {
  /** Absolute path of the project. */
  readonly root: string;
  /** Relative to the root, with `/`; null for a study that only has a command. */
  readonly scriptPath: string | null;
  /** Of an hpo.yml; null where the script itself says what runs it. */
  readonly command: readonly string[] | null;
  readonly imageSetting: ImageSetting;
  /** Python that would run the script on this machine; the last resort is what it has installed. */
  readonly interpreter: string | null;
  /** By default that of this process. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

/**
 * Finds what says which packages a script needs, in the nearest folder upward from it to the root that says anything, and why this
 * and no other. Reads files and starts nothing but, as the last resort, the interpreter. What is wrong with what it found, and
 * where two files disagree, is in `diagnostics`; it never throws for a file's content.
 */
export async function detectEnvironment(options: DetectOptions): Promise<DetectedEnvironment> {
  const { root, command, imageSetting } = options;
  const project = new ProjectReader(root);
  const scriptPath = await programOf(project, options.scriptPath, command);
  const programs = programsOf(scriptPath, command);
  const named = await namedEnvironment(project, imageSetting, options.scriptPath ?? 'hpo.yml');
  const startFolder = scriptPath === null ? '.' : dirname(scriptPath);
  const folders = foldersFrom(project, startFolder);
  const hits = await search(project, folders, scriptPath, programs.language);
  const passedOver: { readonly file: string; readonly reason: string }[] = [];

  const usable: Hit[] = [];
  for (const hit of hits) {
    if (hit.finding.kind === 'devcontainer' && imageSetting.requested !== 'devcontainer' && named.isAuto) {
      passedOver.push({ file: hit.finding.file, reason: 'auto is asked for, and nobody agreed to a development container' });
    } else usable.push(hit);
  }
  const chosenHit =
    named.finding !== null
      ? undefined
      : imageSetting.requested === 'devcontainer'
        ? usable.find(({ finding }) => finding.kind === 'devcontainer')
        : usable[0];
  const found = named.finding ?? chosenHit?.finding ?? (await lastResort({ ...options, scriptPath }, project, folders, programs));
  const unread = named.finding === null ? await withoutLock(project, folders, programs.language, found) : [];
  passedOver.push(...unread);
  const chosen: Finding = imageSetting.requested === 'devcontainer' ? { ...found, question: null } : found;
  passedOver.push(...(chosen.passedOver ?? []));
  const diagnostics: Diagnostic[] = [...named.faults, ...chosen.faults];
  for (const hit of usable) {
    if (hit === chosenHit || hit.finding.file === named.finding?.file) continue;
    const isCompared =
      chosenHit !== undefined && hit.folder === chosenHit.folder && isComparable(chosen) && isComparable(hit.finding);
    diagnostics.push(...(isCompared ? disagreements(chosen, hit.finding) : []));
    passedOver.push({ file: hit.finding.file, reason: reasonAgainst(hit, chosen, chosenHit?.folder ?? null) });
  }

  if (imageSetting.requested === 'devcontainer' && chosenHit === undefined) {
    const place = { file: scriptPath ?? 'hpo.yml', text: '', span: null };
    diagnostics.push(
      fault(
        'HPO-2425',
        'error',
        place,
        'a development container is asked for, and the project has no devcontainer.json',
        'leave --image out, or name an image',
      ),
    );
  }

  if (chosen.kind === 'interpreter' || chosen.kind === 'command') {
    // Nothing else describes the environment: that this file could not be read for it is more than a side note.
    for (const { file, reason } of unread) {
      const place = { file, text: '', span: null };
      diagnostics.push(fault('HPO-2425', 'warning', place, `${file} describes the environment, and is not used`, `it ${reason}`));
    }
  }

  if (isSelfContained(chosen) && named.systemPackages.length > 0) {
    const place = await namedPlace(project, options.scriptPath ?? 'hpo.yml');
    const what = `packages=${named.systemPackages.join(',')} of @hpo.image is not used: the image is made by ${chosen.file}`;
    diagnostics.push(fault('HPO-2427', 'warning', place, what, 'install them there'));
  }

  const own = isSelfContained(chosen)
    ? { claims: [], files: [], faults: [] }
    : await versionFiles(project, folders, programs.language);
  diagnostics.push(...own.faults);
  const claims = [...own.claims, ...chosen.versions].filter(
    ({ language }) => language === (chosen.language ?? programs.language),
  );
  const others = usable.flatMap(({ finding, folder }) =>
    isSelfContained(chosen) || finding === chosen || folder !== chosenHit?.folder || !isComparable(finding)
      ? []
      : finding.versions,
  );
  diagnostics.push(...versionDisagreements([...claims, ...others.filter(({ language }) => language === programs.language)]));
  const manifests = await contents(project, [...chosen.files, ...own.files], scriptPath, chosen, diagnostics);
  const isOurs = !isSelfContained(chosen);
  return {
    kind: chosen.kind,
    reason: chosen.reason ?? whereIs(chosen.file, chosenHit?.folder ?? '.', startFolder),
    language: chosen.language ?? programs.language,
    languageVersion: versionOf(claims),
    image: chosen.image ?? null,
    dockerfile: chosen.dockerfile ?? null,
    ...(chosen.dockerContext === undefined || chosen.dockerContext === '.' ? {} : { dockerContext: chosen.dockerContext }),
    manifests,
    requirements: chosen.requirements,
    isReproducible: chosen.isReproducible,
    cuda: cudaOf(chosen),
    needsCompiler: isOurs && (programs.isCompiled || chosen.isCompiled === true || chosen.packages.some(isCompiledPackage)),
    systemPackages: isOurs
      ? [
          ...new Set([
            ...named.systemPackages,
            ...(chosen.systemPackages ?? []),
            ...programs.packages,
            ...systemPackagesFor(chosen.packages),
          ]),
        ].sort()
      : [],
    passedOver,
    diagnostics,
    question: chosen.question ?? null,
  };
}

/** What a study runs: its script; of an hpo.yml that names none, the first file of the project that its command does. */
async function programOf(
  project: ProjectReader,
  scriptPath: string | null,
  command: readonly string[] | null,
): Promise<string | null> {
  if (scriptPath !== null && !/\.ya?ml$/.test(scriptPath)) return scriptPath;
  const words = (command ?? []).slice(1).filter((word) => /\.\w+$/.test(word) && !word.startsWith('-'));
  return (await project.firstOf('.', words)) ?? scriptPath;
}

function isComparable(finding: Finding): boolean {
  return !isSelfContained(finding) && finding.kind !== 'pep723';
}

function reasonAgainst({ finding, folder }: Hit, chosen: Finding, chosenFolder: string | null): string {
  const broken = finding.faults.find(({ code }) => code === 'HPO-2420');
  if (broken !== undefined) return broken.message;
  if (chosen.covers?.includes(finding.file) === true) return `is what ${chosen.file} is made from`;
  if (chosen.files.includes(finding.file)) return `is part of what ${chosen.file} says`;
  if (chosenFolder === null) return 'another one was named';
  if (folder !== chosenFolder) {
    return chosen.kind === 'pep723' ? 'the script has a block of its own' : `${chosen.file} is nearer to the script`;
  }
  return chosen.kind === 'pep723' ? 'the script has a block of its own' : `${chosen.file} comes before it`;
}

function whereIs(file: string, folder: string, startFolder: string): string {
  return folder === startFolder ? `${file} beside the script` : `${file}, the nearest above the script`;
}

/** Where no file says anything: what the interpreter has, or nothing but the command. */
async function lastResort(
  options: DetectOptions,
  project: ProjectReader,
  folders: readonly string[],
  programs: Programs,
): Promise<Finding> {
  const script = options.scriptPath ?? 'hpo.yml';
  if (programs.language !== 'python') return await commandRow(project, options.scriptPath, folders, programs);
  const interpreter = options.interpreter ?? findOnPath('python3', options.environment ?? process.env);
  if (interpreter !== null) return await interpreterList(interpreter, project.root, script);
  const why = `no file says which packages ${script} needs, and there is no Python here to ask`;
  const faults = [
    fault(
      'HPO-2425',
      'error',
      { file: script, text: '', span: null },
      why,
      'add a requirements.txt, or name an image: # @hpo.image NAME',
    ),
  ];
  return {
    kind: 'interpreter',
    file: 'python3',
    files: [],
    packages: [],
    versions: [],
    requirements: [],
    isReproducible: false,
    faults,
  };
}

/** The files by path; of the script its block alone, as code is no part of an environment. */
async function contents(
  project: ProjectReader,
  paths: readonly string[],
  scriptPath: string | null,
  chosen: Finding,
  diagnostics: Diagnostic[],
): Promise<readonly ManifestFile[]> {
  const manifests: ManifestFile[] = [];
  for (const path of new Set(paths.map((each) => normalize(each)))) {
    const bytes = path === scriptPath && chosen.block !== undefined ? Buffer.from(chosen.block) : await project.bytes(path);
    if (bytes === null) continue;
    const text = Buffer.from(bytes).toString('utf8');
    const credentials = text.includes('\0') ? [] : credentialsIn(path, text);
    diagnostics.push(...credentials);
    // Told, and not even handed on.
    if (credentials.length === 0) manifests.push({ path, content: bytes });
  }
  return manifests;
}

function versionOf(claims: readonly VersionClaim[]): string {
  return claims[0]?.language === 'python' ? chooseVersion(claims) : chooseByRange(claims);
}
