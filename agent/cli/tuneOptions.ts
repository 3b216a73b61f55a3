import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { usualKubeconfig } from '../cluster/index.ts';
import { decodeName } from '../protocol/decoders.ts';
import { HpoError } from '../protocol/errors.ts';
import type { ClusterWish, TuneRequest } from '../protocol/requests.ts';
import { retryNames } from '../protocol/study.ts';
import { durationMs } from '../preflight/studySpec.ts';
import { pointOf } from './points.ts';

/** As commander hands them over. */
export interface TuneOptions {
  readonly trials?: string;
  readonly parallel?: string;
  readonly batch?: string;
  readonly on?: string;
  readonly search?: string;
  readonly scheduler?: string;
  readonly seed?: string;
  readonly budget?: readonly string[];
  readonly objective?: string;
  readonly python?: string;
  readonly env?: 'auto' | 'current';
  readonly image?: string;
  readonly allowLarge?: boolean;
  readonly allow?: readonly string[];
  readonly cluster?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly queue?: string;
  readonly podTemplate?: string;
  readonly timeout?: string;
  readonly retry?: readonly string[];
  readonly point?: readonly string[];
  readonly from?: readonly string[];
  readonly file?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
}

/** What `tune`, `run` and `preview` have in common. */
export function addTuneOptions(command: Command): Command {
  return command
    .option('-n, --trials <n>', 'number of trials')
    .option('--parallel <n>', 'trials at once; auto: as many as the cluster has room for')
    .option('--batch <n>', 'decide so many trials together: the same trials however many run at once')
    .option('--on <executor>', 'local: processes of this machine; docker: containers; kubernetes: pods of a cluster')
    .option('--search <sampler>', 'auto, gp, tpe, evolution, cmaes, qmc, grid or random')
    .option('--scheduler <name>', 'auto, none, median, sha, hyperband, asha-stop, asha-promote, async-hyperband or pbt')
    .option('--seed <n>', 'makes the study repeatable')
    .option(
      '--budget <word...>',
      'hours=1, minutes=10, seconds=90, trials=30, resource=500, gpu_hours=20, cost=15USD; patience=20, min_gain=0.001: end early',
    )
    .option('--objective <words>', 'for a script that annotates none: "val_loss min"')
    .option('--python <path>', 'the interpreter that runs the trials')
    .addOption(
      new Option('--env <mode>', 'make an environment where packages are missing, or use the current one').choices([
        'auto',
        'current',
      ]),
    )
    .option('--image <image>', 'for containers: auto, devcontainer, the path of a Dockerfile, or the name of an image')
    .option('--cluster <name>', 'for kubernetes: the cluster that was connected by this name (hpo cluster list)')
    .option('--context <name>', 'for kubernetes: the context of your kubeconfig')
    .option('--namespace <name>', 'for kubernetes: the namespace')
    .option('--queue <name>', 'for kubernetes: the LocalQueue of Kueue in which trials wait; none: in no queue')
    .option('--pod-template <file>', 'for kubernetes: a YAML file with what else pods have')
    .option('--allow <word>', 'a Secret or an object store that the project may use on a cluster; may be given again', listed)
    .option('--allow-large', 'store the code for the trials although it is large')
    .option('--timeout <time>', 'ends a trial after 90s, 10m, 2h')
    .option('--retry <word...>', 'how often a trial is tried again: error=1, memory=0, timeout=2, lost=5, preempted=100')
    .option('--point <words>', 'a point to try first, "lr=1e-3 momentum=0.9"; may be given again', listed)
    .option('--from <study>', 'a study whose results the search may learn from; may be given again', listed)
    .option('--json', 'print JSON');
}

/** Collects what is given again and again. */
function listed(word: string, words: readonly string[] | undefined): readonly string[] {
  return [...(words ?? []), word];
}

/** @throws HpoError with exit code 2 that names the option. */
export function toRequest(script: string, options: TuneOptions, env: NodeJS.ProcessEnv): TuneRequest {
  const [metric, direction, ...rest] = options.objective?.trim().split(/\s+/) ?? [];
  if (
    options.objective !== undefined &&
    (metric === undefined || (direction !== 'min' && direction !== 'max') || rest.length > 0)
  ) {
    throw new HpoError('HPO-4016', `"${options.objective}" is not an objective`, 'write it as: --objective "val_loss min"', {
      exitCode: 2,
    });
  }
  if (options.image !== undefined && (options.on ?? 'local') === 'local') {
    throw new HpoError('HPO-4037', '--image counts for trials in containers only', 'add --on docker, or leave --image out', {
      exitCode: 2,
    });
  }
  const wish = wishOf(options, env);
  return {
    script: resolve(script),
    ...(options.trials === undefined ? {} : { trials: wholeNumber('-n', options.trials, 1) }),
    ...(options.parallel === undefined ? {} : { parallel: parallelOf('--parallel', options.parallel) }),
    ...(options.batch === undefined ? {} : { batch: wholeNumber('--batch', options.batch, 1) }),
    ...(options.seed === undefined ? {} : { seed: wholeNumber('--seed', options.seed, 0) }),
    ...(options.search === undefined ? {} : { sampler: decodeName('sampler', options.search) }),
    ...(options.scheduler === undefined ? {} : { scheduler: decodeName('scheduler', options.scheduler) }),
    ...(options.on === undefined ? {} : { executor: decodeName('executor', options.on) }),
    ...(options.budget === undefined ? {} : { budget: budgetWords(options.budget) }),
    ...(metric === undefined || direction === undefined
      ? {}
      : { objective: { metric, direction: direction === 'min' ? 'min' : 'max' } }),
    ...interpreterOf(options, env),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.image === undefined ? {} : { image: imageOf(options.image) }),
    ...(options.allowLarge === undefined ? {} : { allowLarge: options.allowLarge }),
    ...(options.allow === undefined ? {} : { allow: options.allow }),
    ...(Object.keys(wish).length === 0 ? {} : { cluster: wish }),
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.point === undefined ? {} : { points: options.point.map(pointOf) }),
    ...(options.retry === undefined ? {} : { retry: retryWords(options.retry) }),
    ...(options.timeout === undefined ? {} : { trialTimeoutMs: durationMs(options.timeout) ?? 0 }),
  };
}

const clusterOptions = { cluster: 'name', context: 'context', namespace: 'namespace', queue: 'queue' } as const;

/** Which cluster is meant, by the kubeconfig of the caller's shell. @throws HpoError with exit code 2 where trials do not run on one. */
export function wishOf(
  options: Pick<TuneOptions, keyof typeof clusterOptions | 'podTemplate' | 'on'>,
  env: NodeJS.ProcessEnv,
): ClusterWish {
  const { podTemplate } = options;
  const wish: ClusterWish = {
    ...Object.fromEntries(
      Object.entries(clusterOptions).flatMap(([option, key]) => {
        const value = options[option as keyof typeof clusterOptions]; // the keys of the line above
        return value === undefined ? [] : [[key, value]];
      }),
    ),
    ...(podTemplate === undefined ? {} : { podTemplate: resolve(podTemplate) }),
  };
  if (Object.keys(wish).length > 0 && options.on !== 'kubernetes') {
    throw new HpoError(
      'HPO-4050',
      '--cluster, --context, --namespace, --queue and --pod-template count for trials on a cluster only',
      'add --on kubernetes, or leave them out',
      { exitCode: 2 },
    );
  }
  return options.on === 'kubernetes' ? { ...wish, kubeconfig: usualKubeconfig({ environment: env }) } : wish;
}

/** A number, or auto. */
export function parallelOf(option: string, text: string): number | 'auto' {
  return text === 'auto' ? 'auto' : wholeNumber(option, text, 1);
}

/** A path, which counts from the caller's folder, or a word for the agent. */
export function imageOf(text: string): string {
  if (text.trim() === '') {
    throw new HpoError('HPO-4036', 'the image has no name', 'write --image auto, or name one: --image python:3.12-slim', {
      exitCode: 2,
    });
  }
  return /^\.{0,2}\//.test(text) || statSync(text, { throwIfNoEntry: false })?.isFile() === true ? resolve(text) : text;
}

/** The environment that is active in the caller's shell; the agent, started from another one, cannot know it. */
function interpreterOf({ python }: TuneOptions, env: NodeJS.ProcessEnv): Pick<TuneRequest, 'interpreter'> {
  if (python !== undefined) return { interpreter: { path: python, reason: '--python' } };
  const name = env['VIRTUAL_ENV'] === undefined ? 'CONDA_PREFIX' : 'VIRTUAL_ENV';
  const folder = env[name];
  if (folder === undefined || folder === '') return {};
  const [program, inside] =
    process.platform === 'win32' ? ['python.exe', name === 'VIRTUAL_ENV' ? 'Scripts' : '.'] : ['python', 'bin'];
  return { interpreter: { path: join(folder, inside, program), reason: `active: ${name}` } };
}

const budgetNames = ['hours', 'minutes', 'seconds', 'trials', 'resource', 'gpu_hours', 'cost', 'patience', 'min_gain'];

function budgetWords(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const [name, value, ...rest] = word.split('=');
      if (name === undefined || value === undefined || rest.length > 0 || !budgetNames.includes(name)) {
        throw new HpoError(
          'HPO-4017',
          `"${word}" is not a budget`,
          `write one of: ${budgetNames.map((known) => `${known}=N`).join(', ')}`,
          { exitCode: 2 },
        );
      }
      return [name, value];
    }),
  );
}

function retryWords(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, value] = /^(\w+)=(\d+)$/.exec(word) ?? [];
      if (name === undefined || value === undefined || !(retryNames as readonly string[]).includes(name)) {
        throw new HpoError(
          'HPO-4032',
          `"${word}" does not say how often a trial is tried again`,
          `write one of: ${retryNames.map((known) => `${known}=N`).join(', ')}`,
          { exitCode: 2 },
        );
      }
      return [name, value];
    }),
  );
}

export function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new HpoError(
    'HPO-4018',
    `${option} ${text}: not a whole number of at least ${least}`,
    `write for example: ${option} ${Math.max(least, 20)}`,
    { exitCode: 2 },
  );
}
