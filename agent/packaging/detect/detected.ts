import type { Diagnostic } from '../../protocol/space.ts';

/** What says which packages a program needs, in the order in which they are looked for. */
export const environmentKinds = [
  'image',
  'dockerfile',
  'devcontainer',
  'pep723',
  'uv',
  'pixi',
  'poetry',
  'pdm',
  'pipenv',
  'conda',
  'requirements',
  'pyproject',
  'interpreter',
  'node',
  'renv',
  'julia',
  'command',
] as const;
export type EnvironmentKind = (typeof environmentKinds)[number];

export type Language = 'python' | 'node' | 'r' | 'julia' | 'other';

/** The environment that a script's project describes, and why this and no other was taken. */
export interface DetectedEnvironment {
  readonly kind: EnvironmentKind;
  /** For people: `uv.lock beside train.py`, `the image named in @hpo.image`. */
  readonly reason: string;
  readonly language: Language;
  /** Of the language, such as `3.12` or `20`; empty when nothing says it. */
  readonly languageVersion: string;
  /** Name of the image, for kind `image`, or of a devcontainer that names one; else null. */
  readonly image: string | null;
  /** Dockerfile relative to the root, for kind `dockerfile`, or of a devcontainer that names one; else null. */
  readonly dockerfile: string | null;
  /** Folder, relative to the root, that the Dockerfile copies from; absent: the root itself. */
  readonly dockerContext?: string;
  /** Everything that the environment depends on and nothing else, relative to the root; code is not among it. */
  readonly manifests: readonly ManifestFile[];
  /** Requirement lines, for kinds without a file that an installer could be given (PEP 723 without a lock, an interpreter's list). */
  readonly requirements: readonly string[];
  /** False where the same manifests can mean other packages tomorrow. */
  readonly isReproducible: boolean;
  /** Version of CUDA that the packages bring or ask for, such as `12.4`; null for none. */
  readonly cuda: string | null;
  /** A package has to be compiled. */
  readonly needsCompiler: boolean;
  /** Of the base's distribution, such as `libgl1`. */
  readonly systemPackages: readonly string[];
  /** What else was found and why it was passed over. */
  readonly passedOver: readonly { readonly file: string; readonly reason: string }[];
  /** Disagreements and stale locks; errors keep a study from starting. */
  readonly diagnostics: readonly Diagnostic[];
  /** To be confirmed before a start (a devcontainer may do anything); null for nothing to ask. */
  readonly question: string | null;
}

export interface ManifestFile {
  readonly path: string;
  readonly content: Uint8Array;
}
