import type { Diagnostic } from '../../protocol/space.ts';
import type { EnvironmentKind, Language } from './detected.ts';
import type { Place } from './faults.ts';
import type { ProjectReader } from './projectReader.ts';

/** Where a row of the table of environments looks. */
export interface Search {
  readonly project: ProjectReader;
  /** Relative to the root; `.` for the root itself. */
  readonly folder: string;
}

/** What one row found in one folder. */
export interface Finding {
  readonly kind: EnvironmentKind;
  /** The file that says it, relative to the root. */
  readonly file: string;
  /** Paths of all that the environment depends on, `file` too. */
  readonly files: readonly string[];
  readonly packages: readonly Package[];
  /** What the finding says about the version of its language. */
  readonly versions: readonly VersionClaim[];
  readonly requirements: readonly string[];
  readonly isReproducible: boolean;
  readonly faults: readonly Diagnostic[];
  /** Something beside the packages has to be compiled. */
  readonly isCompiled?: boolean;
  /** Addresses of indexes or channels, which may say which CUDA is meant. */
  readonly sources?: readonly string[];
  /** Version of CUDA that the manifest names outright. */
  readonly cuda?: string | null;
  readonly image?: string | null;
  readonly dockerfile?: string | null;
  /** Folder that the Dockerfile copies from. */
  readonly dockerContext?: string;
  readonly question?: string | null;
  readonly systemPackages?: readonly string[];
  /** Of a script its block alone: what stands for the script among the files. */
  readonly block?: string;
  /** In place of the file's name. */
  readonly reason?: string;
  readonly language?: Language;
  /** What the row itself saw and did not take. */
  readonly passedOver?: readonly { readonly file: string; readonly reason: string }[];
  /** Files that this one is made from or made of: to be passed over without comparing. */
  readonly covers?: readonly string[];
}

/** A package that a manifest asks for, or has locked. */
export interface Package {
  /** Normalised. */
  readonly name: string;
  /** Exact version of a lock; null where it is left open. */
  readonly version: string | null;
  /** PEP 440; empty for any. */
  readonly specifiers: string;
  readonly extras: readonly string[];
  /** Environment marker; empty for always. */
  readonly marker: string;
  readonly origin: 'pypi' | 'conda' | 'npm' | 'cran' | 'other';
  /** There is no wheel of it, or it comes from a repository of sources. */
  readonly isSource: boolean;
  /** It is fetched by git. */
  readonly isGit: boolean;
  /** Where it is named; asked for only when something is wrong with it. */
  readonly place: () => Place;
}

/** A statement about the version of a language, as PEP 440 specifiers or a semver range. */
export interface VersionClaim {
  readonly language: Language;
  /** As shown: `3.11`, `>=3.9`. */
  readonly shown: string;
  readonly range: string;
  /** Set where exactly one release or one series is meant: `3.11`, `3.11.4`. */
  readonly pin: string | null;
  readonly place: Place;
}

export type Row = (search: Search) => Promise<Finding | null>;
