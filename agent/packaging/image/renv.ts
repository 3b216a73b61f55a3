import { posix } from 'node:path';
import type { DetectedEnvironment } from '../detect/detected.ts';
import { record, recordAt, records, strings, text } from '../unknown.ts';
import { HpoError } from '../../protocol/errors.ts';
import { DockerfileBuilder, localAddress, madeByHpo } from './dockerfile.ts';
import { baseOf } from './plain.ts';
import type { Generated, RecipeOptions } from './recipeOf.ts';

const libraryFolder = '/opt/R/library';

/** The packages of a `renv.lock` at exactly its versions, in `/opt/R/library`; renv itself is not needed. */
export function renvDockerfile(detected: DetectedEnvironment, options: RecipeOptions): Generated {
  const base = options.base ?? baseOf(detected);
  const lock = readLock(detected);
  const builder = new DockerfileBuilder()
    .comment(madeByHpo)
    .from(base)
    .systemPackages([...detected.systemPackages, ...(detected.needsCompiler ? ['build-essential', 'gfortran'] : [])]);
  const packages = inOrder(lock.packages).map((one) => rowOf(one, lock).join('\t'));
  if (packages.length > 0) {
    // Repositories that are folders of the project.
    for (const { path, content } of detected.manifests) if (!path.endsWith('renv.lock')) builder.project(path, content);
    const list = builder.project('packages.tsv', Buffer.from(`${packages.join('\n')}\n`));
    const script = builder.own('install_packages.R', installScript);
    builder.run({
      commands: [
        `mkdir -p ${libraryFolder}`,
        `Rscript --vanilla ${script} ${list} ${libraryFolder}`,
        `chmod -R a+rX ${libraryFolder}`,
      ],
      caches: ['/root/.cache/hpo-r'],
      secrets: ['ca', 'env', 'netrc'],
      readsProject: true,
    });
  }
  builder.env({ R_LIBS: libraryFolder, USER: 'hpo' });
  return { builder, base, notes: [] };
}

interface LockedPackage {
  readonly name: string;
  readonly version: string;
  readonly needs: readonly string[];
  readonly entry: Readonly<Record<string, unknown>>;
}

interface Lock {
  readonly packages: readonly LockedPackage[];
  /** Address by name, in order. */
  readonly repositories: ReadonlyMap<string, string>;
  readonly bioconductor: string;
}

function readLock(detected: DetectedEnvironment): Lock {
  const file = detected.manifests.find(({ path }) => path.endsWith('renv.lock'));
  const lock = parsed(Buffer.from(file?.content ?? []).toString());
  const all = Object.entries(recordAt(lock, 'Packages') ?? {});
  const repositories = records(recordAt(lock, 'R')?.['Repositories']);
  return {
    repositories: new Map(
      repositories.map((one) => {
        const address = text(one['URL']);
        return [text(one['Name']), localAddress(address, posix.dirname(file?.path ?? '')) ?? address];
      }),
    ),
    bioconductor: text(recordAt(lock, 'Bioconductor')?.['Version']),
    packages: all.map(([name, value]) => {
      const entry = record(value) ?? {};
      const lists = ['Requirements', 'Depends', 'Imports', 'LinkingTo'].flatMap((key) => strings(entry[key]));
      return { name, version: text(entry['Version']), needs: lists.map((need) => need.replace(/[\s(].*$/s, '')), entry };
    }),
  };
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch (cause) {
    throw new HpoError('HPO-2430', 'renv.lock is no JSON', 'write it anew: renv::snapshot()', { cause, exitCode: 4 });
  }
}

/** Each after those that it needs; as the lock has them where nothing says otherwise, also in a circle. */
function inOrder(packages: readonly LockedPackage[]): readonly LockedPackage[] {
  const byName = new Map(packages.map((one) => [one.name, one]));
  const seen = new Set<string>();
  const sorted: LockedPackage[] = [];
  const visit = (one: LockedPackage): void => {
    if (seen.has(one.name)) return;
    seen.add(one.name);
    for (const need of one.needs) {
      const found = byName.get(need);
      if (found !== undefined) visit(found);
    }
    sorted.push(one);
  };
  packages.forEach(visit);
  return sorted;
}

/** Name, version, folder in the archive, and the addresses to try: of repositories (`repository`), or of an archive of its source (`source`). */
type Row = readonly [name: string, version: string, kind: 'repository' | 'source', folder: string, addresses: string];

function rowOf({ name, version, entry }: LockedPackage, lock: Lock): Row {
  const remote = text(entry['RemoteType']).toLowerCase();
  const [user, repository, sha] = [text(entry['RemoteUsername']), text(entry['RemoteRepo']), text(entry['RemoteSha'])];
  const folder = text(entry['RemoteSubdir']);
  if (remote === 'github')
    return [name, version, 'source', folder, `https://codeload.github.com/${user}/${repository}/tar.gz/${sha}`];
  if (remote === 'gitlab') {
    return [
      name,
      version,
      'source',
      folder,
      `https://gitlab.com/${user}/${repository}/-/archive/${sha}/${repository}-${sha}.tar.gz`,
    ];
  }
  const source = text(entry['Source']);
  if (source === 'Bioconductor') {
    const parts = ['bioc', 'data/annotation', 'data/experiment'];
    const root = `https://bioconductor.org/packages/${lock.bioconductor}`;
    return [name, version, 'repository', '', parts.map((part) => `${root}/${part}`).join(' ')];
  }
  if (source !== 'Repository' && source !== 'CRAN' && source !== '') {
    throw new HpoError(
      'HPO-2430',
      `renv.lock has ${name} from ${source}, which no image can get`,
      `install it from a repository, or name an image that has it: # @hpo.image NAME`,
      { exitCode: 4 },
    );
  }
  const named =
    lock.repositories.get(text(entry['Repository'])) ??
    (/^\w+:\/\//.test(text(entry['Repository'])) ? text(entry['Repository']) : '');
  const addresses = new Set([named, ...lock.repositories.values()].filter((address) => address !== ''));
  const all = addresses.size === 0 ? ['https://cloud.r-project.org'] : [...addresses];
  return [name, version, 'repository', '', all.map((address) => address.replace(/\/+$/, '')).join(' ')];
}

const installScript = `# usage: install_packages.R PACKAGES.tsv LIBRARY
arguments <- commandArgs(trailingOnly = TRUE)
library_folder <- arguments[2]
.libPaths(c(library_folder, .libPaths()))
options(timeout = 600)
override <- Sys.getenv("RENV_CONFIG_REPOS_OVERRIDE")
kept <- "/root/.cache/hpo-r"
dir.create(kept, showWarnings = FALSE, recursive = TRUE)

fetch <- function(urls, file) {
  if (file.exists(file)) return(TRUE)
  for (url in urls) {
    part <- paste0(file, ".part")
    status <- tryCatch(suppressWarnings(download.file(url, part, mode = "wb", quiet = TRUE)), error = function(e) 1L)
    if (identical(as.integer(status), 0L) && file.size(part) > 0) {
      file.rename(part, file)
      cat("downloaded", url, "\\n")
      return(TRUE)
    }
  }
  cat("not found at", paste(urls, collapse = ", "), "\\n")
  FALSE
}

for (line in readLines(arguments[1])) {
  field <- strsplit(line, "\\t", fixed = TRUE)[[1]]
  name <- field[1]
  version <- field[2]
  if (name %in% rownames(installed.packages()) && packageVersion(name) == version) next
  addresses <- strsplit(field[5], " ", fixed = TRUE)[[1]]
  archive <- paste0(name, "_", version, ".tar.gz")
  if (field[3] == "repository") {
    if (nzchar(override)) addresses <- override
    contrib <- paste0(addresses, "/src/contrib/")
    urls <- c(paste0(contrib, archive), paste0(contrib, "Archive/", name, "/", archive))
  } else {
    urls <- addresses
    archive <- paste0(name, "_", basename(urls), ".tar.gz")
  }
  file <- file.path(kept, archive)
  if (!fetch(urls, file)) quit(status = 1)
  target <- file
  if (field[3] == "source") {
    folder <- tempfile()
    untar(file, exdir = folder)
    target <- list.dirs(folder, recursive = FALSE)[1]
    if (nzchar(field[4])) target <- file.path(target, field[4])
  }
  install.packages(target, lib = library_folder, repos = NULL, type = "source", Ncpus = 4L)
  if (!(name %in% rownames(installed.packages(lib.loc = library_folder)))) {
    cat("the package", name, version, "could not be installed\\n")
    quit(status = 1)
  }
}
`;
