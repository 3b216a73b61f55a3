import { posix } from 'node:path';
import type { BuildFile } from '../../engine/engine.ts';
import { configFolder, type SecretId, settingsScript } from './settingsScript.ts';

/** Folder of the build context with the manifests, and where a step sees it. */
export const projectFolder = 'project';
export const projectMount = '/run/project';
const ownMount = '/run/hpo';

/** Nothing of why or for whom: what stands in the Dockerfile is in the key. */
export const madeByHpo = 'Made by hpo. No code is in it: each attempt mounts its own.';

export interface Step {
  /** Shell commands, one after the other; the first that fails ends the build. */
  readonly commands: readonly string[];
  /** Folders of package managers that are kept from build to build and are in no layer. */
  readonly caches?: readonly string[];
  /** Settings of this machine that the commands may use. */
  readonly secrets?: readonly SecretId[];
  /** The commands read the manifests; what they write beside them is forgotten. */
  readonly readsProject?: boolean;
  /** Folders of an earlier stage, at the same path. */
  readonly tools?: readonly { readonly stage: string; readonly folder: string }[];
}

/** Where a build has a channel or repository that is a folder of the project, `./channel` or `file:cran`; null for any other address. */
export function localAddress(address: string, folder: string): string | null {
  const path = /^file:(?!\/)(.+)$/.exec(address)?.[1] ?? (/^\.{1,2}(?:\/|$)/.test(address) ? address : null);
  return path === null ? null : `file://${posix.join(projectMount, folder, path)}`;
}

/** Writes a Dockerfile step by step, and keeps what its steps need. */
export class DockerfileBuilder {
  readonly secrets = new Set<SecretId>();
  readonly #lines: string[] = [];
  readonly #files = new Map<string, BuildFile>([[settingsScript.path, settingsScript]]);

  comment(text: string): this {
    this.#lines.push(`# ${text}`);
    return this;
  }

  from(image: string, stage?: string): this {
    if (this.#lines.some((line) => !line.startsWith('#'))) this.#lines.push('');
    this.#lines.push(`FROM ${image}${stage === undefined ? '' : ` AS ${stage}`}`);
    return this;
  }

  env(variables: Readonly<Record<string, string>>): this {
    const pairs = Object.entries(variables).map(
      ([name, value]) => `${name}=${/^[\w./:$@%+,-]*$/.test(value) ? value : JSON.stringify(value)}`,
    );
    if (pairs.length > 0) this.#lines.push(`ENV ${pairs.join(' \\\n    ')}`);
    return this;
  }

  copy(from: string, source: string, target: string): this {
    this.#lines.push(`COPY --from=${from} ${source} ${target}`);
    return this;
  }

  workdir(folder: string): this {
    this.#lines.push(`WORKDIR ${folder}`);
    return this;
  }

  run({ commands, caches = [], secrets = [], readsProject = false, tools = [] }: Step): this {
    for (const id of secrets) this.secrets.add(id);
    const mounts = [
      `type=bind,source=hpo,target=${ownMount}`,
      `type=tmpfs,target=${configFolder}`,
      ...(readsProject && this.#hasProject ? [`type=bind,source=${projectFolder},target=${projectMount},rw`] : []),
      ...tools.map(({ stage, folder }) => `type=bind,from=${stage},source=${folder},target=${folder}`),
      ...secrets.map((id) => `type=secret,id=${id},mode=0444`),
      ...caches.map((folder) => `type=cache,target=${folder},sharing=locked`),
    ];
    const text = [...mounts.map((mount) => `--mount=${mount}`), [`. ${ownMount}/settings.sh`, ...commands].join(' && \\\n    ')];
    this.#lines.push(`RUN ${text.join(' \\\n    ')}`);
    return this;
  }

  /** A program of ours for the build; its path in a step. */
  own(name: string, text: string): string {
    this.#files.set(`hpo/${name}`, { path: `hpo/${name}`, content: Buffer.from(text), isExecutable: false });
    return `${ownMount}/${name}`;
  }

  /** A manifest, at its path in the project; its path in a step. */
  project(path: string, content: Uint8Array): string {
    this.#files.set(`${projectFolder}/${path}`, { path: `${projectFolder}/${path}`, content, isExecutable: false });
    return `${projectMount}/${path}`;
  }

  get #hasProject(): boolean {
    return [...this.#files.keys()].some((path) => path.startsWith(`${projectFolder}/`));
  }

  /** Packages of Debian and Ubuntu. */
  systemPackages(names: readonly string[]): this {
    if (names.length === 0) return this;
    return this.run({
      commands: [
        'rm -f /etc/apt/apt.conf.d/docker-clean',
        'apt-get update',
        `DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${[...new Set(names)].sort().join(' ')}`,
      ],
      caches: ['/var/cache/apt', '/var/lib/apt'],
      secrets: ['ca', 'env', 'apt'],
    });
  }

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  /** The build context, with the Dockerfile itself. */
  context(): readonly BuildFile[] {
    const dockerfile: BuildFile = { path: 'Dockerfile', content: Buffer.from(this.text), isExecutable: false };
    return [dockerfile, ...[...this.#files.values()].sort((a, b) => (a.path < b.path ? -1 : 1))];
  }
}
