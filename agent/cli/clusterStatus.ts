import type { Command } from 'commander';
import { homeId } from '../client/home.ts';
import type { Amounts, NodeRoom } from '../cluster/room.ts';
import { type ClusterLook, lookAt } from '../clusters/look.ts';
import { formatBytes, formatNumber, plural } from '../protocol/format.ts';
import { openChosen } from './clusterOpen.ts';
import type { CommandLine } from './commandLine.ts';
import { formatTable } from './table.ts';

export function clusterStatusCommand(cluster: Command, line: CommandLine): void {
  cluster
    .command('status [name]')
    .description('nodes and what of them is in use, the queue, studies and their share, and what waits for what')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON')
    .action((name: string | undefined, options: { readonly yes?: boolean; readonly json?: boolean }) =>
      status(line, name, options),
    );
}

async function status(
  line: CommandLine,
  name: string | undefined,
  { yes = false, json = false }: { readonly yes?: boolean; readonly json?: boolean },
): Promise<void> {
  const { cluster: opened, profile } = await openChosen(line, name, yes);
  await using cluster = opened;
  const look = await lookAt(cluster, homeId(line.home));
  if (json) line.printJson({ name: profile.name, ...look });
  else for (const text of lookText(profile.name, look, (word) => line.style('bold', word))) line.print(text);
}

/** For people; `bold` marks the words at the beginning of the parts. */
export function lookText(name: string, look: ClusterLook, bold: (text: string) => string): string[] {
  const { place, version, nodes, countsAll, quotas, queues, studies, waiting, removals } = look;
  const part = (word: string, rows: readonly (readonly string[])[]): string[] =>
    rows.length === 0 ? [] : [bold(word), formatTable(rows.map(([first = '', ...others]) => [`  ${first}`, ...others]))];
  return [
    `${bold(name)}  ${version} at ${place.server}, context ${place.context}, namespace ${place.namespace}`,
    ...(nodes === null
      ? ['nodes are not shown: you may not list them (all else works without)']
      : part('nodes', nodes.map(nodeRow))),
    ...(nodes !== null && !countsAll ? [`  in use: as far as ${place.namespace} goes; you may not see other namespaces`] : []),
    ...part(
      'quota',
      quotas.map(({ name: quota, resource, most, used }) => [
        quota,
        resource,
        `${amountText(resource, used)} of ${amountText(resource, most)}`,
      ]),
    ),
    ...(queues === null ? ['queues of Kueue are not shown: you may not list localqueues here'] : []),
    ...part(
      'queue',
      (queues ?? []).map((queue) => [queue.name, `on ${queue.clusterQueue}`, `${plural(queue.waiting, 'Job')} waiting`]),
    ),
    ...part(
      'studies',
      studies.map(({ studyId, isOurs, running, waiting: nWaiting, uses, share }) => [
        studyId,
        `${running} running`,
        `${nWaiting} waiting`,
        usesText(uses),
        `${Math.round(100 * share)} %`,
        isOurs ? '' : 'of another home',
      ]),
    ),
    ...part(
      'waiting',
      waiting.map(({ studyId, trial, why }) => [studyId, `trial ${trial}`, why]),
    ),
    ...part(
      'removals',
      removals.map(({ studyId, kept, why }) => [
        studyId,
        `is deleted: ${kept} is being removed`,
        why === null ? '' : `waits: ${why}`,
      ]),
    ),
    ...(studies.length === 0 ? ['no study runs here'] : []),
  ];
}

function nodeRow({ name, isOpen, all, used }: NodeRoom): string[] {
  const gpus = Object.keys(all).filter((resource) => isDevice(resource) && (all[resource] ?? 0) > 0);
  return [
    name,
    ...['cpu', 'memory'].map((resource) => roomText(resource, all, used)),
    ...gpus.map((resource) => roomText(resource, all, used)),
    isOpen ? '' : 'takes no pods',
  ];
}

function roomText(resource: string, all: Amounts, used: Amounts): string {
  const word = resource === 'memory' ? '' : ` ${resource}`;
  return `${amountText(resource, used[resource] ?? 0)} of ${amountText(resource, all[resource] ?? 0)}${word}`;
}

function usesText(uses: Amounts): string {
  const shown = Object.entries(uses).filter(([resource, amount]) => amount > 0 && (isDevice(resource) || isUsual(resource)));
  return shown
    .map(([resource, amount]) => `${amountText(resource, amount)}${resource === 'memory' ? '' : ` ${resource}`}`)
    .join(', ');
}

const isUsual = (resource: string): boolean => resource === 'cpu' || resource === 'memory';
/** Extended resources have a domain: `nvidia.com/gpu`. */
const isDevice = (resource: string): boolean => resource.includes('/');

function amountText(resource: string, amount: number): string {
  return /memory|storage/.test(resource) ? formatBytes(amount) : formatNumber(amount);
}
