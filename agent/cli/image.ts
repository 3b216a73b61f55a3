import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { formatBytes, plural } from '../protocol/format.ts';
import { printable } from '../protocol/printable.ts';
import type { ImageDescription, TuneRequest } from '../protocol/requests.ts';
import type { CommandLine } from './commandLine.ts';
import { diagnosticLines, exitCodeOf } from './preflightText.ts';
import { formatTable } from './table.ts';
import { checkEngine } from './sameEngine.ts';
import { imageOf, wishOf } from './tuneOptions.ts';

interface ImageOptions {
  readonly print?: boolean;
  readonly rebuild?: boolean;
  readonly image?: string;
  readonly python?: string;
  readonly on?: 'docker' | 'kubernetes';
  readonly cluster?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly json?: boolean;
}

/** Longer lists are cut, with their count; `--json` has all. */
const maxFiles = 10;
const maxLeftOut = 20;

export function imageCommand(program: Command, line: CommandLine): void {
  program
    .command('image <script>')
    .description('the environment image of a script and what goes into its containers; builds it where it is not there')
    .option('--print', 'only say what would be built')
    .option('--rebuild', 'build every step anew')
    .option('--image <image>', 'auto, devcontainer, the path of a Dockerfile, or the name of an image')
    .option('--python <path>', 'the interpreter whose packages are taken where nothing else says them')
    .addOption(
      new Option('--on <executor>', 'docker; kubernetes: only say how image and code would get to the cluster')
        .choices(['docker', 'kubernetes'])
        .default('docker'),
    )
    .option('--cluster <name>', 'for kubernetes: the cluster that was connected by this name (hpo cluster list)')
    .option('--context <name>', 'for kubernetes: the context of your kubeconfig')
    .option('--namespace <name>', 'for kubernetes: the namespace')
    .option('--json', 'print JSON')
    .action((script: string, options: ImageOptions) => runImage(line, script, options));
}

async function runImage(line: CommandLine, script: string, options: ImageOptions): Promise<void> {
  const wish = wishOf(options, process.env);
  const request: TuneRequest = {
    script: resolve(script),
    executor: options.on ?? 'docker',
    ...(Object.keys(wish).length === 0 ? {} : { cluster: wish }),
    ...(options.image === undefined ? {} : { image: imageOf(options.image) }),
    ...(options.python === undefined ? {} : { interpreter: { path: options.python, reason: '--python' } }),
  };
  const client = await line.agent();
  if (request.executor === 'docker' && line.remoteAgent === null) await checkEngine(line, client);
  const isFresh = options.rebuild ?? false;
  const before = await client.request('image/describe', request);
  for (const text of diagnosticLines(before.diagnostics)) line.note(text);
  line.exitCode = exitCodeOf(before.diagnostics);
  if (options.json !== true) line.print(imageText(before, (text) => line.style('bold', text)));
  // For a cluster it is made with a study, whose code may be a part of it.
  const isBuild = options.print !== true && options.on !== 'kubernetes' && line.exitCode === 0;
  const built = isBuild ? await client.request('image/build', { request, isFresh }) : null;
  if (options.json === true) {
    line.printJson(built === null ? before : { ...before, image: built.image, id: built.id });
  } else if (built !== null) {
    line.print(`${line.style('bold', built.wasThere ? 'is there' : 'made')} ${built.image} ${built.id}`);
  }
}

/** For people; `bold` marks the words at the beginning of the lines. */
export function imageText(image: ImageDescription, bold: (text: string) => string): string {
  const row = (word: string, text: string): string =>
    `${bold(word)}${' '.repeat(Math.max(1, 9 - word.length))}${printable(text)}`;
  const { snapshot } = image;
  return [
    row('from', `${image.reason} (${image.kind}${image.isReproducible ? '' : ', not reproducible'})`),
    ...image.passedOver.map(({ file, reason }) => row('not', `${file}: ${reason}`)),
    ...image.notes.map((note) => row('note', note)),
    ...(image.question === null ? [] : [row('asks', image.question)]),
    row('image', `${image.image}; ${stateOf(image)}`),
    ...(image.cluster === null ? [] : [row('cluster', `${image.cluster.name}, namespace ${image.cluster.namespace}`)]),
    ...(image.base === null ? [] : [row('base', image.base)]),
    ...(image.secrets.length === 0
      ? []
      : [
          row(
            'settings',
            `of this machine for the build, as secrets: ${image.secrets.join(', ')}; in no layer, and not in the key`,
          ),
        ]),
    ...(image.dockerfile === null ? [] : ['', bold('Dockerfile'), printable(image.dockerfile.trimEnd()), '']),
    row(
      'code',
      `${plural(snapshot.files.length, 'file')}, ${formatBytes(snapshot.bytes)}, ${image.cluster?.codeBy ?? 'mounted and not in the image'}`,
    ),
    ...cut(snapshot.files, maxFiles, (files) =>
      formatTable(files.map(({ path, bytes }) => [`  ${printable(path)}`, formatBytes(bytes)])),
    ),
    ...image.mounts.map(({ source, target, readOnly }) =>
      row('mounts', `${source} at ${target}, ${readOnly ? 'read-only' : 'writable'}`),
    ),
    ...(image.cluster === null ? snapshot.linked : []).map((path) => row('mounts', `${path} of the project, not copied`)),
    ...(snapshot.excluded.length === 0 ? [] : [bold('left out')]),
    ...cut(snapshot.excluded, maxLeftOut, (left) =>
      formatTable(left.map(({ path, reason }) => [`  ${printable(path)}`, printable(reason)])),
    ),
  ].join('\n');
}

function stateOf({ id, engine, dockerfile, cluster }: ImageDescription): string {
  if (cluster !== null) return cluster.imageFrom;
  if (engine !== null) return `not known whether it is there: ${engine.message}`;
  if (id !== null) return `is there, ${id}`;
  return dockerfile === null ? 'is pulled before the start' : 'is built before the start';
}

function cut<Item>(items: readonly Item[], most: number, show: (items: readonly Item[]) => string): string[] {
  if (items.length === 0) return [];
  const rest = items.length - most;
  return [show(items.slice(0, most)), ...(rest > 0 ? [`  and ${rest} more (--json has all)`] : [])];
}
