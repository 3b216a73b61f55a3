import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { bases, engineClient } from './docker.ts';

/** Makes the conda channel `channel` in the folder, of the Python of the base image and the module `six`. */
export async function makeCondaChannel(folder: string, six: string): Promise<void> {
  const script = join(import.meta.dirname, '..', 'fixtures', 'channels', 'makeChannel.py');
  copyFileSync(script, join(folder, 'makeChannel.py'));
  copyFileSync(six, join(folder, 'six.py'));
  const output = new PassThrough();
  let text = '';
  output.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const command = ['python', '/made/makeChannel.py', '/made/channel', '/made/six.py'];
  const [result] = (await engineClient().run(bases.python, command, output, {
    Tty: true,
    User: `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`,
    HostConfig: { AutoRemove: true, NetworkMode: 'none', Binds: [`${folder}:/made`] },
  })) as [{ StatusCode: number }]; // as Docker answers a wait
  if (result.StatusCode !== 0) throw new Error(`makeChannel.py ended with ${result.StatusCode}\n${text}`);
  // They would be a second answer to what the script needs.
  execFileSync('rm', [join(folder, 'makeChannel.py'), join(folder, 'six.py')]);
}

/** The same, and the `pixi.lock` that pixi would write. */
export async function makePixiLock(folder: string, six: string): Promise<void> {
  await makeCondaChannel(folder, six);
  const channel = join(folder, 'channel');
  const machine = readdirSync(channel).find((name) => name !== 'noarch') ?? '';
  const packages = [machine, 'noarch'].flatMap((subdir) => {
    const text = readFileSync(join(channel, subdir, 'repodata.json'), 'utf8');
    const { packages: found } = JSON.parse(text) as { packages: Record<string, Record<string, unknown>> }; // as makeChannel.py writes it
    return Object.entries(found).map(([file, record]) => ({ url: `file://${channel}/${subdir}/${file}`, record }));
  });
  const lines = [
    'version: 6',
    'environments:',
    '  default:',
    '    channels:',
    `    - url: file://${channel}/`,
    '    packages:',
    `      ${machine}:`,
    ...packages.map(({ url }) => `      - conda: ${url}`),
    'packages:',
    ...packages.flatMap(({ url, record }) => [
      `- conda: ${url}`,
      ...Object.entries(record).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`),
    ]),
  ];
  writeFileSync(join(folder, 'pixi.lock'), `${lines.join('\n')}\n`);
}

/** Makes the repository `cran` in the folder, like CRAN's own, of one package of R without compiled parts. */
export function makeCranRepository(folder: string): void {
  const contrib = join(folder, 'cran', 'src', 'contrib');
  const source = join(folder, 'hpofixture');
  mkdirSync(join(source, 'R'), { recursive: true });
  mkdirSync(contrib, { recursive: true });
  const description =
    'Package: hpofixture\nVersion: 1.0.0\nTitle: A Number\nDescription: One number.\nLicense: MIT\nNeedsCompilation: no\n';
  writeFileSync(join(source, 'DESCRIPTION'), `${description}Author: hpo\nMaintainer: hpo <hpo@example.org>\n`);
  writeFileSync(join(source, 'NAMESPACE'), 'export(offset)\n');
  writeFileSync(join(source, 'R', 'offset.R'), 'offset <- function() 1\n');
  execFileSync('tar', ['-C', folder, '-czf', join(contrib, 'hpofixture_1.0.0.tar.gz'), 'hpofixture']);
  writeFileSync(join(contrib, 'PACKAGES'), 'Package: hpofixture\nVersion: 1.0.0\nNeedsCompilation: no\n');
  execFileSync('rm', ['-r', source]);
}

/** A lock of Julia's standard library alone, which needs no registry; Julia itself would have to ask one. */
export function writeJuliaManifest(folder: string): void {
  const packages = [
    ['Libdl', '8f399da3-3557-5675-b5ff-fb832c97cbdb', ''],
    ['LinearAlgebra', '37e2e46d-f89d-539d-b4ee-838fcccc9c8e', 'deps = ["Libdl"]\n'],
    ['Random', '9a3f8284-a2c9-5f02-9a11-845980a1fd5c', 'deps = ["Serialization"]\n'],
    ['Serialization', '9e88b42a-f829-5b0c-bbe9-9e923198166b', ''],
    ['SparseArrays', '2f01184e-e22b-5df5-ae63-d93ebab69eaf', 'deps = ["LinearAlgebra", "Random"]\n'],
    ['Statistics', '10745b16-79ce-11e8-11f9-7d13ad32a3b2', 'deps = ["LinearAlgebra", "SparseArrays"]\n'],
  ] as const;
  const text = packages.map(([name, uuid, deps]) => `[[${name}]]\n${deps}uuid = "${uuid}"\n`).join('\n');
  writeFileSync(join(folder, 'Manifest.toml'), text);
}
