import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { installSystemPackages, MissingPrecondition } from '../../.ci/systemPackages.mjs';
import { cacheDir } from './cache.ts';
import { exclusive } from './exclusive.ts';

const run = promisify(execFile);

/** On every base image that was made here instead of pulled. */
export const madeLabel = 'hpo.test.base';

/** How a base image is made where no registry can be asked: Debian's own packages in place of those that the image's authors build. */
interface Making {
  readonly name: RegExp;
  readonly dockerfile: (match: RegExpExecArray) => string;
  /** Folder with what the Dockerfile copies, made anew; absent: it copies nothing. */
  readonly context?: (match: RegExpExecArray, folder: string) => Promise<void>;
}

const install = (packages: string): string =>
  `RUN apt-get update -q && apt-get install -q -y --no-install-recommends ${packages} && rm -rf /var/lib/apt/lists/*`;

const makings: readonly Making[] = [
  {
    // The one Python of this Debian, under the name it has in Docker's own images; their pip may write into it.
    name: /^python:3\.11-slim-bookworm$/,
    dockerfile: () =>
      [
        'FROM debian:bookworm-slim',
        install('ca-certificates python3 python3-pip python3-venv'),
        'RUN ln -s python3 /usr/bin/python && rm -f /usr/lib/python3.*/EXTERNALLY-MANAGED',
        'CMD ["python3"]',
      ].join('\n'),
  },
  {
    // The builds that nodejs.org publishes, as npm has them: without npm itself.
    name: /^node:(\d+)-bookworm-slim$/,
    dockerfile: () =>
      [
        'FROM debian:bookworm-slim',
        install('ca-certificates'),
        'COPY node /usr/local',
        'COPY npm /usr/local/lib/node_modules/npm',
        ...['npm', 'npx'].map((tool) => `RUN ln -s ../lib/node_modules/npm/bin/${tool}-cli.js /usr/local/bin/${tool}`),
        'CMD ["node"]',
      ].join('\n'),
    context: async ([, major], folder) => {
      await unpack(`node-linux-${process.arch}@${major}`, join(folder, 'node'));
      await unpack('npm@11', join(folder, 'npm'));
      await run('rm', ['-r', join(folder, 'node', 'include')]);
    },
  },
  {
    // Debian's R, whatever version is asked for: what the tests run is older than both.
    name: /^(?:rocker\/r-ver|r-base):4(?:\.\d+)*$/,
    dockerfile: () => ['FROM debian:bookworm-slim', install('ca-certificates r-base-core'), 'CMD ["R"]'].join('\n'),
  },
  {
    // The Julia of the last Debian that has one, in the same way.
    name: /^julia:1(?:\.\d+)*-(?:bookworm|bullseye)$/,
    dockerfile: () => ['FROM debian:bullseye-slim', install('ca-certificates julia'), 'CMD ["julia"]'].join('\n'),
  },
  {
    // Nothing else is in it.
    name: /^busybox:1$/,
    dockerfile: () =>
      [
        'FROM debian:bookworm-slim AS packages',
        install('busybox-static'),
        'FROM scratch',
        'COPY --from=packages /bin/busybox /bin/busybox',
        'RUN ["/bin/busybox", "--install", "/bin"]',
        'CMD ["sh"]',
      ].join('\n'),
  },
];

/**
 * Sees to it that the engine has the image: what it has stays, what a registry has is pulled, and where no registry answers it is
 * made, as root on Debian, under the same name. Minutes the first time, then kept in the engine and the cache folder.
 */
export async function ensureBaseImage(docker: Docker, name: string, log: (step: string) => void = console.log): Promise<void> {
  if (await has(docker, name)) return;
  await using _lock = await exclusive(join(cacheDir(), 'base-images.lock'));
  if (await has(docker, name)) return;
  const noPull = await pull(docker, name);
  if (noPull === null) return;
  log(`base image ${name} is made from Debian's packages, as it cannot be pulled (${noPull})`);
  const debian = /^debian:(bookworm|bullseye)-slim$/.exec(name);
  if (debian?.[1] !== undefined) {
    await importDebian(docker, name, debian[1], log);
    return;
  }
  for (const making of makings) {
    const match = making.name.exec(name);
    if (match === null) continue;
    const dockerfile = making.dockerfile(match);
    const from = /^FROM (\S+)/.exec(dockerfile)?.[1] ?? '';
    if (!(await has(docker, from))) {
      const debianMatch = /^debian:(\w+)-slim$/.exec(from);
      await importDebian(docker, from, debianMatch?.[1] ?? '', log);
    }
    await build(docker, name, dockerfile, (folder) => making.context?.(match, folder) ?? Promise.resolve());
    return;
  }
  throw new Error(`nothing says how ${name} is made from Debian's packages: see test/support/baseImages.ts`);
}

async function has(docker: Docker, name: string): Promise<boolean> {
  try {
    await docker.getImage(name).inspect();
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false; // dockerode's errors carry the answer's code
    throw error;
  }
}

/** What a package of npm holds. */
async function unpack(npmPackage: string, folder: string): Promise<void> {
  await mkdir(folder);
  await run('npm', ['pack', '--silent', npmPackage], { cwd: folder });
  const [archive = ''] = await readdir(folder);
  await run('tar', ['-xzf', archive, '--strip-components=1'], { cwd: folder });
  await rm(join(folder, archive));
}

/** Null when it is there now, else why not. */
async function pull(docker: Docker, name: string): Promise<string | null> {
  try {
    await follow(docker, await docker.pull(name, { abortSignal: AbortSignal.timeout(300_000) }));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** debootstrap checks what it fetches against Debian's keys. The tree is kept, packed, in the cache folder. */
async function importDebian(docker: Docker, name: string, suite: string, log: (step: string) => void): Promise<void> {
  const folder = join(cacheDir(), 'base-images');
  const packed = join(folder, `${suite}-${process.arch}.tar.gz`);
  if (!existsSync(packed)) {
    installSystemPackages(['debootstrap', 'debian-archive-keyring'], log);
    if (process.getuid?.() !== 0) throw new MissingPrecondition(`${name} cannot be pulled, and to make it needs root`);
    await mkdir(folder, { recursive: true });
    const partial = await mkdtemp(`${packed}.partial-`);
    try {
      log(`base image ${name}: debootstrap (about a minute)`);
      const keyring = '--keyring=/usr/share/keyrings/debian-archive-keyring.gpg';
      await run('debootstrap', [keyring, '--variant=minbase', suite, join(partial, 'root')], { maxBuffer: 64 << 20 });
      await run('rm', ['-rf', join(partial, 'root/var/cache/apt/archives'), join(partial, 'root/var/lib/apt/lists')]);
      await run('tar', ['-C', join(partial, 'root'), '-czf', join(partial, 'packed'), '.']);
      await rename(join(partial, 'packed'), packed);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
  const [repo, tag] = name.split(':');
  const changes = [`LABEL ${madeLabel}=true`, 'CMD ["bash"]'];
  await follow(docker, await docker.importImage(createReadStream(packed), { repo, tag, changes }));
}

/** Of a Dockerfile without build secrets, and the files that `fill` puts beside it. */
export async function build(
  docker: Docker,
  name: string,
  dockerfile: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hpo-base-'));
  let tar: ChildProcess | null = null;
  try {
    await fill(folder);
    await writeFile(join(folder, 'Dockerfile'), `${dockerfile}\n`);
    tar = spawn('tar', ['-C', folder, '--owner=0', '--group=0', '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (tar.stdout === null) throw new Error('tar has no output');
    const options = { t: name, labels: { [madeLabel]: 'true' }, forcerm: true, networkmode: 'host' };
    await follow(docker, await docker.buildImage(tar.stdout, options));
  } finally {
    tar?.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Until the engine is done; rejects with what it says went wrong, behind the last lines of its output. */
function follow(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error) => {
        if (error === null) resolve();
        else reject(new Error(`${error.message}\n${lines.join('').slice(-2_000)}`.trim()));
      },
      (event: { stream?: string }) => {
        if (event.stream !== undefined) lines.push(event.stream);
      },
    );
  });
}
