import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Cluster } from '../cluster/cluster.ts';
import type { RegistryPlace } from '../cluster/profile.ts';
import { type Check, testCluster } from '../clusters/testCluster.ts';
import { pushTestImage } from '../clusters/testImage.ts';
import { HpoError } from '../protocol/errors.ts';
import { openChosen } from './clusterOpen.ts';
import type { CommandLine } from './commandLine.ts';

interface TestOptions {
  readonly image: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Small, and with a shell. */
const usualImage = 'busybox:1.36';

export function testCommand(cluster: Command, line: CommandLine): void {
  cluster
    .command('test [name]')
    .description('do on a cluster what studies do there, and say of each step whether it works')
    .option('--image <image>', 'of which the pod is made; needs a shell', usualImage)
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON')
    .action((name: string | undefined, options: TestOptions) => test(line, name, options));
}

async function test(
  line: CommandLine,
  name: string | undefined,
  { image, yes = false, json = false }: TestOptions,
): Promise<void> {
  const { cluster: opened, profile } = await openChosen(line, name, yes);
  await using cluster = opened;
  const id = randomBytes(4).toString('hex');
  const { registry } = profile;
  const checks = await testCluster({
    cluster,
    profile,
    image,
    push: registry === null ? null : () => push(line, cluster, image, registry, id),
    id,
    delay,
    onProgress: (text) => line.note(line.style('dim', `· ${text}`, line.stderr)),
  });
  if (checks.some(({ isOk }) => isOk === false)) line.exitCode = 1;
  if (json) {
    line.printJson({ name: profile.name, ok: line.exitCode === 0, checks });
    return;
  }
  for (const check of checks) show(line, check);
  if (line.exitCode === 0) line.print(`${line.style('bold', profile.name)} has all that studies need`);
}

async function push(line: CommandLine, cluster: Cluster, image: string, place: RegistryPlace, id: string): Promise<string> {
  const nodes = await cluster.list('Node').catch((error: unknown) => {
    if (error instanceof HpoError && error.code === 'HPO-2464') return [];
    throw error;
  });
  const architecture = nodes[0]?.status?.nodeInfo?.architecture ?? 'amd64';
  return await pushTestImage(image, place, id, architecture, (text) => line.note(line.style('dim', `· ${text}`, line.stderr)));
}

const words = { true: ['yes', 'green'], false: ['no', 'red'], null: ['–', 'yellow'] } as const;

function show(line: CommandLine, { check, isOk, what, next }: Check): void {
  const [word, colour] = words[`${isOk}`];
  line.print(`${line.style(colour, word.padEnd(5))}${check.padEnd(11)}${what}`);
  if (next !== undefined) line.print(`${' '.repeat(16)}${line.style('bold', 'next')}: ${next}`);
}
