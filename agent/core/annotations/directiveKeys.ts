import { gpuResourceOf, isObjectName, parseStore } from '../../protocol/clusterWords.ts';
import { unreachable } from '../../protocol/view.ts';
import { hyperbandModes, liars, samplerNames, schedulerNames } from '../../protocol/study.ts';

/** What a value of a directive's key may be. */
export type ValueKind =
  /** `also`: a word that may stand in place of the number. */
  | { readonly type: 'count'; readonly also?: string }
  /** A whole number from 0. */
  | { readonly type: 'whole' }
  | { readonly type: 'amount'; readonly isZeroAllowed: boolean }
  | { readonly type: 'duration' }
  | { readonly type: 'bytes' }
  | { readonly type: 'money' }
  | { readonly type: 'flag' }
  | { readonly type: 'integers' }
  | { readonly type: 'word'; readonly words: readonly string[] }
  | { readonly type: 'text' }
  /** A name of an object of Kubernetes. */
  | { readonly type: 'name' }
  /** The vendor of GPUs, or the resource by which a cluster knows them. */
  | { readonly type: 'gpu' }
  /** Where checkpoints are kept on a cluster. */
  | { readonly type: 'store' }
  /** A folder in the project, relative to its root. */
  | { readonly type: 'folder' };

export interface DirectiveKey {
  readonly description: string;
  readonly kind: ValueKind;
  readonly example: string;
}

export type SettingsName = 'search' | 'budget' | 'resources' | 'retry' | 'checkpoint' | 'folds' | 'seeds' | 'image';

const count: ValueKind = { type: 'count' };
const whole: ValueKind = { type: 'whole' };
const amount: ValueKind = { type: 'amount', isZeroAllowed: false };
const duration: ValueKind = { type: 'duration' };
const text: ValueKind = { type: 'text' };
const name: ValueKind = { type: 'name' };

/** Every key of every directive that holds settings; completion, hover and the documentation are made from it. */
export const directiveKeys: Readonly<Record<SettingsName, Readonly<Record<string, DirectiveKey>>>> = {
  search: {
    trials: { description: 'Trials to run.', kind: count, example: 'trials=60' },
    parallel: {
      description:
        'Most trials that run at once; auto: as many as the cluster has room for, on this machine half of its processors.',
      kind: { type: 'count', also: 'auto' },
      example: 'parallel=4',
    },
    sampler: {
      description: 'Algorithm that proposes values; "algorithm" is read as the same.',
      kind: { type: 'word', words: samplerNames },
      example: 'sampler=tpe',
    },
    scheduler: {
      description: 'How trials are stopped early or paused.',
      kind: { type: 'word', words: schedulerNames },
      example: 'scheduler=asha-stop',
    },
    mode: {
      description: 'How early async-hyperband stops trials.',
      kind: { type: 'word', words: hyperbandModes },
      example: 'mode=aggressive',
    },
    seed: {
      description: 'Seed of the study: the same seed proposes the same values.',
      kind: whole,
      example: 'seed=7',
    },
    batch: {
      description: 'Trials decided together, before anything is learned from them: the same trials however many run at once.',
      kind: count,
      example: 'batch=8',
    },
    patience: {
      description: 'Trials in a row without a better value after which no further one begins, and the study ends.',
      kind: count,
      example: 'patience=20',
    },
    min_gain: {
      description:
        'Improvement of the objective that the next 10 trials must promise, in its units; the study ends when it is less.',
      kind: amount,
      example: 'min_gain=0.001',
    },
    timeout: { description: 'Longest time of one trial.', kind: duration, example: 'timeout=30m' },
    grace: { description: 'Time between asking a trial to end and killing it.', kind: duration, example: 'grace=10s' },
    liar: {
      description: 'Value that a pending trial is taken to have.',
      kind: { type: 'word', words: liars },
      example: 'liar=mean',
    },
  },
  budget: {
    hours: { description: 'Time on the clock, in hours.', kind: amount, example: 'hours=6' },
    minutes: { description: 'Time on the clock, in minutes.', kind: amount, example: 'minutes=10' },
    seconds: { description: 'Time on the clock, in seconds.', kind: amount, example: 'seconds=90' },
    trials: { description: 'Trials to run.', kind: count, example: 'trials=30' },
    resource: { description: 'Total resource of all trials, in units of the fidelity.', kind: amount, example: 'resource=500' },
    gpu_hours: {
      description: 'Hours of one GPU, summed over all trials; what runs is ended in time.',
      kind: amount,
      example: 'gpu_hours=20',
    },
    cost: {
      description: 'Money, with its currency; needs a price, see resources and pools.',
      kind: { type: 'money' },
      example: 'cost=15USD',
    },
  },
  resources: {
    gpus: { description: 'GPUs of one trial, in a container.', kind: { type: 'amount', isZeroAllowed: true }, example: 'gpus=1' },
    cpus: { description: 'CPU cores of one trial.', kind: amount, example: 'cpus=4' },
    memory: { description: 'Memory of one trial, in a container.', kind: { type: 'bytes' }, example: 'memory=24GB' },
    network: {
      description: 'Whether trials in containers reach the network (no).',
      kind: { type: 'flag' },
      example: 'network=yes',
    },
    shm: {
      description: 'Shared memory of a container, as data loaders with workers need it (1GB).',
      kind: { type: 'bytes' },
      example: 'shm=4GB',
    },
    tmp: {
      description: 'What /tmp and HOME of a container can hold each, in memory (half of it, at most 1GB).',
      kind: { type: 'bytes' },
      example: 'tmp=4GB',
    },
    pids: { description: 'Most processes and threads of a container (4,096).', kind: count, example: 'pids=512' },
    gpu: {
      description: 'Whose GPUs, on a cluster: nvidia, amd, intel, or the resource by which it knows them (nvidia).',
      kind: { type: 'gpu' },
      example: 'gpu=amd',
    },
    spot: {
      description: 'Whether machines of a cluster that can be taken away may be used, and are taken first.',
      kind: { type: 'flag' },
      example: 'spot=yes',
    },
    priority: { description: 'PriorityClass of the pods, on a cluster.', kind: name, example: 'priority=batch-low' },
    price: {
      description: 'What the place of one trial costs in an hour; a pool of hpo.yml can have its own.',
      kind: { type: 'money' },
      example: 'price=0.90USD',
    },
    queue: {
      description: "Kueue's LocalQueue in which trials wait, on a cluster; none: in no queue.",
      kind: name,
      example: 'queue=research',
    },
    pool: { description: 'The pool of hpo.yml to which all trials go, on a cluster.', kind: name, example: 'pool=a100' },
    output: { description: 'Bytes of output after which a trial is ended.', kind: { type: 'bytes' }, example: 'output=1GB' },
    metrics: {
      description: 'Different metrics that are kept of a trial, besides its objectives and what its constraints read (200).',
      kind: count,
      example: 'metrics=500',
    },
    records: {
      description: 'Reports of one metric that are all kept of a trial (10,000); then one in ten is, one in a hundred …',
      kind: count,
      example: 'records=50000',
    },
  },
  retry: {
    error: { description: 'Further attempts of a trial whose program fails (0).', kind: whole, example: 'error=1' },
    memory: {
      description: 'Further attempts of a trial that ran out of memory beside others; they run alone (1).',
      kind: whole,
      example: 'memory=0',
    },
    timeout: {
      description: 'Further attempts of a trial whose time was over, from its checkpoint (0).',
      kind: whole,
      example: 'timeout=2',
    },
    lost: {
      description: 'Further attempts of a trial that was lost, or could not be started (3).',
      kind: whole,
      example: 'lost=5',
    },
    preempted: {
      description: 'Further attempts of a trial whose machine was taken away (without limit).',
      kind: whole,
      example: 'preempted=100',
    },
  },
  checkpoint: {
    dir: {
      description: 'Folder of the project in which the script keeps its checkpoints.',
      kind: { type: 'folder' },
      example: 'dir=ckpt/',
    },
    store: {
      description: 'Where checkpoints are kept on a cluster: a folder of a volume claim.',
      kind: { type: 'store' },
      example: 'store=pvc://checkpoints/mine',
    },
  },
  folds: { k: { description: 'Number of folds; each is a task of its own.', kind: count, example: 'k=5' } },
  seeds: {
    n: { description: 'Seeds that each trial is repeated with.', kind: count, example: 'n=3' },
    values: { description: 'The seeds themselves.', kind: { type: 'integers' }, example: 'values=1,2,3' },
  },
  image: {
    image: { description: 'Container image, or auto to make one.', kind: text, example: 'image=python:3.12' },
    dockerfile: { description: 'Dockerfile that makes the image.', kind: text, example: 'dockerfile=Dockerfile' },
    manifest: {
      description: 'File that says which packages the image gets, where several do.',
      kind: text,
      example: 'manifest=requirements-gpu.txt',
    },
    packages: {
      description: 'Packages of the system that the image gets besides, with commas.',
      kind: text,
      example: 'packages=libgl1,ffmpeg',
    },
  },
};

/** What is read but not acted on: whole directives, or some of their keys. */
export const withoutEffect: Readonly<Partial<Record<DirectiveName, 'all' | readonly string[]>>> = {
  folds: 'all',
  seeds: 'all',
};

/** What counts where trials run in containers, and changes nothing for processes of the machine. */
export const inContainers: Readonly<Partial<Record<DirectiveName, 'all' | readonly string[]>>> = {
  resources: ['gpus', 'memory', 'network', 'shm', 'tmp', 'pids'],
  image: 'all',
  secret: 'all',
};

/** What counts where trials run on a cluster, and changes nothing on this machine. Data on volume claims does so too. */
export const onClusters: Readonly<Partial<Record<DirectiveName, 'all' | readonly string[]>>> = {
  resources: ['gpu', 'spot', 'priority', 'queue', 'pool'],
  checkpoint: ['store'],
};

/** Other spellings of keys. */
export const keyAliases: Readonly<Record<string, string>> = { algorithm: 'sampler' };

export const settingsNames: readonly SettingsName[] = [
  'search',
  'budget',
  'resources',
  'retry',
  'checkpoint',
  'folds',
  'seeds',
  'image',
];

export const directiveDescriptions = {
  objective: 'Metric to make best: "val_loss min". More than one makes a Pareto search.',
  constraint: 'Condition on a reported metric; a trial that violates it is infeasible.',
  where: 'Condition on parameters; values that make it false are never tried.',
  metric: 'Where a metric is read from: stdout "REGEX", json PATH, csv PATH or tensorboard DIR.',
  search: 'How to search: trials, parallel, sampler, scheduler, seed.',
  budget: 'When to end: hours, trials, resource, cost.',
  resources:
    'What one trial needs: gpus, cpus, memory, network; what that costs: price; and where on a cluster: spot, queue, priority, pool.',
  retry: 'How often a trial is tried again, by what went wrong: error, memory, timeout, lost, preempted.',
  checkpoint: 'Where the script keeps its checkpoints.',
  folds: 'Cross-validation: each fold is a task.',
  seeds: 'Repetitions with other seeds.',
  image: 'Container image: auto, its name, dockerfile=PATH, packages=….',
  data: 'Data that is mounted or linked, never copied: "./data -> /data ro", on a cluster "pvc://CLAIM/PATH -> /data ro".',
  include: 'Config files whose notes belong to the study.',
  secret: 'Environment variable that a trial in a container gets, and that is never recorded.',
} as const;

export type DirectiveName = keyof typeof directiveDescriptions;

export const directiveNames = Object.keys(directiveDescriptions) as readonly DirectiveName[];

const bytePattern = /^\d+(?:\.\d+)?(?:[KMGTP]i?B|B|[KMGTP]i?)$/i;

/** What is wrong with a value of this kind, in words, with the text that would mend it; null when it fits. */
export function checkValue(kind: ValueKind, value: string): { readonly message: string; readonly mended: string | null } | null {
  const number = /^\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(value) ? Number(value) : NaN;
  const wrong = (message: string, mended: string | null = null) => ({ message, mended });
  switch (kind.type) {
    case 'count':
      return (Number.isSafeInteger(number) && number > 0) || (kind.also !== undefined && value === kind.also)
        ? null
        : wrong(
            `a whole number above 0${kind.also === undefined ? '' : `, or ${kind.also}`}`,
            number > 1 ? String(Math.round(number)) : null,
          );
    case 'whole':
      return Number.isSafeInteger(number) ? null : wrong('a whole number from 0');
    case 'amount':
      return Number.isFinite(number) && (number > 0 || (kind.isZeroAllowed && number === 0))
        ? null
        : wrong(`a number ${kind.isZeroAllowed ? 'from' : 'above'} 0`, /^\d+(?:\.\d+)?(?=[a-zA-Z])/.exec(value)?.[0] ?? null);
    case 'duration':
      return /^\d+(?:\.\d+)?(?:s|m|h|d)?$/.test(value) && parseFloat(value) > 0
        ? null
        : wrong('a time such as 90s, 30m or 2h', mendUnit(value, { s: /^sec/, m: /^min/, h: /^h/, d: /^day/ }));
    case 'bytes':
      return bytePattern.test(value) && parseFloat(value) > 0
        ? null
        : wrong('a size with its unit such as 512MB or 24GB', /^\d+(?:\.\d+)?$/.test(value) ? `${value}GB` : null);
    case 'money':
      return /^\d+(?:\.\d+)?[A-Z]{3}$/.test(value) && parseFloat(value) > 0
        ? null
        : wrong('an amount with its currency such as 15USD', mendMoney(value));
    case 'flag':
      return /^(?:yes|no|true|false)$/.test(value)
        ? null
        : wrong('yes or no', /^(?:y|on|1)$/i.test(value) ? 'yes' : /^(?:n|off|0)$/i.test(value) ? 'no' : null);
    case 'integers':
      return /^\d+(?:,\d+)*$/.test(value) ? null : wrong('whole numbers with commas such as 1,2,3');
    case 'word':
      return kind.words.includes(value) ? null : wrong(`one of ${kind.words.join(', ')}`);
    case 'text':
      return value === '' ? wrong('a text') : null;
    case 'name':
      return isObjectName(value)
        ? null
        : wrong(
            'a name of Kubernetes: small letters, digits and -',
            isObjectName(value.toLowerCase()) ? value.toLowerCase() : null,
          );
    case 'gpu':
      return gpuResourceOf(value) === null
        ? wrong(
            'nvidia, amd, intel, or a resource of the cluster such as nvidia.com/mig-1g.5gb (how many is gpus=1)',
            value.toLowerCase() === value ? null : value.toLowerCase(),
          )
        : null;
    case 'store': {
      const store = parseStore(value);
      return typeof store === 'string' ? wrong(store) : null;
    }
    case 'folder':
      return isInside(value) ? null : wrong('a folder inside the project such as ckpt/, relative to its root');
    default:
      return unreachable(kind);
  }
}

/** Whether a path leads into a folder that is not the root itself, on any system. */
function isInside(path: string): boolean {
  if (/^(?:[/\\]|[A-Za-z]:)/.test(path)) return false;
  let depth = 0;
  for (const part of path.split(/[/\\]/)) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return false;
  }
  return depth > 0;
}

function mendUnit(value: string, units: Readonly<Record<string, RegExp>>): string | null {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(value) ?? [];
  const meant = Object.entries(units).find(([, pattern]) => pattern.test(unit.toLowerCase()));
  return number === undefined || meant === undefined ? null : number + meant[0];
}

function mendMoney(value: string): string | null {
  const [, number, unit] = /^\$?(\d+(?:\.\d+)?)(\$|€|[A-Za-z]{3})?$/.exec(value) ?? [];
  if (number === undefined) return null;
  return `${number}${unit === '€' ? 'EUR' : unit === undefined || unit === '$' ? 'USD' : unit.toUpperCase()}`;
}
