import { formatBytes, formatDistribution, formatValue } from '../protocol/format.ts';
import type { Preflight, TuneRequest } from '../protocol/requests.ts';
import type { Diagnostic, ScriptSpec } from '../protocol/space.ts';
import type { Pool } from '../protocol/study.ts';
import { printable } from '../protocol/printable.ts';
import { formatTable } from './table.ts';

/** Longer lists of choices are cut, with their count. */
const maxChoices = 8;
const maxLinked = 8;

/** What would run and with what, for people; `bold` marks the words at the beginning of the lines. */
export function preflightText(preflight: Preflight, env: TuneRequest['env'], bold: (text: string) => string): string {
  const { spec, snapshot, plan } = preflight;
  const row = (word: string, text: string): string => `${bold(word)}${' '.repeat(7 - word.length)}${text}`;
  const rungs = plan.rungs === null ? undefined : rungsText(plan.rungs);
  // A better trial that comes late is promoted besides those of the plan.
  const least = plan.scheduler === 'asha-promote' ? 'at least ' : '';
  const parameters = parameterRows(spec).map(([name = '', ...cells]) => [`  ${name}`, ...cells]);
  return [
    bold('tunes'),
    ...(parameters.length === 0 ? [] : [formatTable(parameters)]),
    ...spec.objectives.map(({ metric, direction }) => row('for', `${printable(metric)} ${direction}`)),
    ...(spec.fidelity === null
      ? []
      : [row('by', `${printable(spec.fidelity.name)} ${spec.fidelity.min} to ${spec.fidelity.max}`)]),
    ...withRows(preflight, row),
    ...(preflight.missingPackages.length === 0 ? [] : [row('lacks', missingText(preflight, env))]),
    row(
      'plan',
      `${plan.trials ?? 'unlimited'} trials, ${plan.parallel} at once,${plan.batch === null ? '' : ` decided in batches of ${plan.batch},`} sampler ${plan.sampler}, scheduler ${plan.scheduler}` +
        (rungs === undefined
          ? ''
          : ` (${least}${rungs}; in all ${least}${plan.totalResource ?? '∞'} of ${plan.fullResource ?? '∞'})`),
    ),
    ...(plan.brackets?.map(({ count, rungs: own }) => row('', `${count > 1 ? `${count} × ` : ''}${rungsText(own)}`)) ?? []),
    row('code', `${snapshot.files} files, ${formatBytes(snapshot.bytes)}`),
    ...(snapshot.linked.length === 0 ? [] : [row('links', linkedText(preflight))]),
    ...outsideRows(preflight, row),
  ].join('\n');
}

type Row = (word: string, text: string) => string;

/** What trials run with, and in containers why this, what was passed over, and what they get of the machine. */
function withRows({ spec, environment, container, cluster, questions }: Preflight, row: Row): string[] {
  if (container === null) {
    return [
      row(
        'with',
        environment === null
          ? printable(questions.find((question) => question.type === 'environment')?.message ?? 'no Python was found')
          : printable(`Python ${environment.version} ${environment.interpreter} (${environment.reason})`),
      ),
    ];
  }
  const ready = { true: 'ready', false: 'to be made before the start', null: 'not known whether it is there' }[
    `${container.isReady}`
  ];
  const away = questions.find((question) => question.type === 'engine' || question.type === 'cluster');
  return [
    row('with', printable(`${container.image} (${container.reason}); ${ready}`)),
    ...container.passedOver.map(({ file, reason }) => row('not', printable(`${file}: ${reason}`))),
    ...container.notes.map((note) => row('note', printable(note))),
    ...clusterRows(cluster, row),
    ...spec.data.map(({ from, to, readOnly }) =>
      row('mounts', printable(`${from} at ${to}, ${readOnly ? 'read-only' : 'writable'}`)),
    ),
    row('gets', printable(givenText(spec))),
    ...(away === undefined ? [] : [row('but', printable(`${away.message}; ${away.next}`))]),
  ];
}

/** Which cluster, where image and code come from, and what trials wait for and keep there. */
function clusterRows(cluster: Preflight['cluster'], row: Row): string[] {
  if (cluster === null) return [];
  const { context, server, namespace, version, imageFrom, codeBy, queue, pools, checkpoints } = cluster;
  return [
    row('on', printable(`${context} at ${server}, namespace ${namespace}${version === null ? '' : ` (Kubernetes ${version})`}`)),
    row('image', printable(imageFrom)),
    row('travel', printable(`code ${codeBy}`)),
    ...(queue === null ? [] : [row('queue', printable(queue))]),
    ...pools.filter(isWorthSaying).map((pool) => row('pool', printable(poolText(pool)))),
    ...(checkpoints === null ? [] : [row('keeps', printable(`checkpoints at ${checkpoints}`))]),
  ];
}

/** The only pool of a study that says nothing of pools is no news. */
function isWorthSaying({ name, gpus, prefers }: Pool): boolean {
  return name !== 'default' || gpus > 0 || prefers !== undefined;
}

/** `a100: 1 nvidia.com/gpu, on nodes with gpu=a100, most 4 at once, when layers > 4`. */
export function poolText({ name, when, slots, gpus, gpuResource, nodeSelector, prefers }: Pool): string {
  const labels = Object.entries(nodeSelector).map(([key, value]) => `${key}=${value}`);
  const said = [
    ...(gpus === 0 ? [] : [`${gpus} ${gpuResource}`]),
    ...(labels.length === 0 ? [] : [`on nodes with ${labels.join(', ')}`]),
    ...(prefers === undefined ? [] : ['on spot machines where there are any']),
    ...(slots === null ? [] : [`most ${slots} at once`]),
    ...(when === null ? [] : [`when ${when}`]),
  ];
  return `${name}${said.length === 0 ? '' : `: ${said.join(', ')}`}`;
}

/** Of the network, the devices and the secrets of this machine. */
function givenText({ resources, secrets }: ScriptSpec): string {
  const said = ['memory', 'gpus', 'shm', 'pids'].flatMap((key) => {
    const value = resources[key];
    return value === undefined ? [] : [`${key} ${value}`];
  });
  const network = /^(?:yes|true)$/.test(resources['network'] ?? '') ? 'the network' : 'no network';
  return [network, ...said, ...(secrets.length === 0 ? [] : [`secrets ${secrets.join(', ')}`])].join(', ');
}

/** Paths that the script names and no container has. */
function outsideRows({ container }: Preflight, row: Row): string[] {
  return (container?.outside ?? []).map(({ file, line, path, annotation }) =>
    row('lacks', printable(`${path} (${file}:${line}), which is in no container; to have it add: ${annotation}`)),
  );
}

/** What `--json` says of a start, besides the plan. */
export function startFacts({
  environment,
  container,
  cluster,
  snapshot,
  questions,
}: Preflight): Pick<Preflight, 'environment' | 'container' | 'cluster' | 'snapshot' | 'questions'> {
  return { environment, container, cluster, snapshot, questions };
}

function rungsText(rungs: NonNullable<Preflight['plan']['rungs']>): string {
  return rungs.map(({ resource, trials }) => `${trials} to ${resource}`).join(', ');
}

/** What trials share with the project, for they are not given a copy of it. */
function linkedText({ snapshot: { linked }, container, cluster }: Preflight): string {
  const more = linked.length > maxLinked ? ` and ${linked.length - maxLinked} more` : '';
  return `${linked.slice(0, maxLinked).map(printable).join(', ')}${more}; ${cluster !== null ? 'not copied, and in no pod' : container === null ? 'linked into the trials, not copied' : 'mounted, not copied'}`;
}

function missingText({ missingPackages, manifest }: Preflight, env: TuneRequest['env']): string {
  const asked = `${missingPackages.map(printable).join(', ')}, which ${printable(manifest ?? 'the script')} asks for`;
  if (env === 'current') return `${asked}; used as it is`;
  return `${asked}; an environment with them will be made${env === 'auto' ? '' : ' (--env current: use this one as it is)'}`;
}

/** Name, own value, range, condition and place of each parameter. */
export function parameterRows(spec: ScriptSpec): string[][] {
  return spec.space.parameters.map(({ name, distribution, default: own, when, site }) => [
    printable(name),
    printable(formatValue(own)),
    printable(formatDistribution(distribution, maxChoices)),
    when === null ? '' : `when ${printable(when)}`,
    `${printable(site.file)}:${site.line}`,
  ]);
}

/** 0 without an error; 4 where all are of what the environment is made from, which a start refuses; 1 with one of the script. */
export function exitCodeOf(diagnostics: readonly Diagnostic[]): 0 | 1 | 4 {
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return 0;
  return errors.every(({ code }) => code.startsWith('HPO-242')) ? 4 : 1;
}

/** As compilers write them, so that editors and terminals find the place. */
export function diagnosticLines(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(
    ({ file, line, column, severity, code, message }) =>
      `${printable(file)}:${line}:${column} ${severity} ${code}: ${printable(message)}`,
  );
}
