import { basename, extname } from 'node:path';
import { usualLiar } from '../core/samplers/index.ts';
import { compileSpace } from '../core/space/index.ts';
import { userPoint, usualRetries } from '../core/study/index.ts';
import { HpoError } from '../protocol/errors.ts';
import { asksForGpus, formatMoney, moneysOf } from '../protocol/metered.ts';
import type { TuneRequest } from '../protocol/requests.ts';
import type { Objective, Params, ScriptSpec } from '../protocol/space.ts';
import {
  type Budget,
  type ClusterSettings,
  type ContainerSettings,
  type EnvironmentChoice,
  hyperbandModes,
  liars,
  type Money,
  retryNames,
  type RetrySettings,
  type SamplerName,
  type SchedulerName,
  type StudySpec,
  type TrialLimits,
  usualMetricNames,
  usualMetricRecords,
} from '../protocol/study.ts';
import { decodeName } from '../protocol/decoders.ts';

/** Number of trials where neither the user nor the script says one, nor a time. */
const defaultTrials = 20;
const defaultGraceMs = 5_000;
const defaultOutputBytes = 256 * 1024 * 1024;

export interface SpecInputs {
  readonly request: TuneRequest;
  readonly script: ScriptSpec;
  /** As chosen by an hpo.yml; null for a script that its interpreter runs. */
  readonly command: readonly string[] | null;
  readonly root: string;
  /** Relative to the root. */
  readonly scriptPath: string;
  readonly environment: EnvironmentChoice;
  /** Null where attempts run as processes. */
  readonly container: ContainerSettings | null;
  /** Null where they do not run on a cluster. */
  readonly cluster: ClusterSettings | null;
  readonly snapshot: string;
  readonly cpus: number;
  /** Used where no seed is given; recorded, so that the study can be repeated. */
  readonly randomSeed: number;
}

/** The user's choice wins over the script's words, those over the defaults. */
export function buildStudySpec(inputs: SpecInputs): StudySpec {
  const { request, script } = inputs;
  const sampler = request.sampler ?? nameOf('sampler', script.search['sampler'] ?? script.search['algorithm']);
  const parallel = parallelOf(inputs);
  const batch = request.batch ?? countOf(script.search['batch']);
  const price = moneyOf(script.resources['price']);
  const spec: StudySpec = {
    name: basename(inputs.scriptPath, extname(inputs.scriptPath)),
    root: inputs.root,
    script: inputs.scriptPath,
    command: inputs.command ?? [inputs.environment.interpreter, '-u', '{script}'],
    space: script.space,
    objectives: objectivesOf(request, script),
    constraints: script.constraints,
    fidelity: script.fidelity,
    metrics: script.metrics,
    search: {
      sampler,
      scheduler: request.scheduler ?? nameOf('scheduler', script.search['scheduler']),
      seed: request.seed ?? seedOf(script.search['seed']) ?? inputs.randomSeed,
      parallel,
      ...(batch === null ? {} : { batch }),
      liar: wordOf(liars, script.search['liar']) ?? usualLiar(sampler),
      mode: wordOf(hyperbandModes, script.search['mode']) ?? 'standard',
      ...pointsOf(request, script),
    },
    budget: buildBudget(request, script),
    limits: buildLimits(
      request,
      script,
      request.executor === 'kubernetes' ? cpusOfPod(inputs.cluster) : Math.max(1, Math.floor(inputs.cpus / parallel)),
    ),
    ...(price === null ? {} : { price }),
    ...retryOf(request, script),
    checkpoint: checkpointOf(inputs),
    executor: request.executor ?? 'local',
    ...(inputs.container === null ? {} : { container: inputs.container }),
    ...(inputs.cluster === null ? {} : { cluster: inputs.cluster }),
    environment: inputs.environment,
    snapshot: inputs.snapshot,
    spaceHash: script.hash,
  };
  checkMetered(spec);
  return spec;
}

/** Trials at once on a cluster where nobody says how many: nothing is known of its size, and each may cost money. */
const clusterParallel = 4;
/** Most trials at once that follow from the room of a cluster alone. */
const maxAutoParallel = 100;

/** On a cluster `auto` is the most that its room may come to; on this machine it is the usual. */
function parallelOf({ request, script, cpus }: SpecInputs): number {
  const isOnCluster = request.executor === 'kubernetes';
  const said = request.parallel ?? script.search['parallel'];
  if (said !== 'auto' && said !== undefined) return typeof said === 'number' ? said : (countOf(said) ?? 1);
  if (!isOnCluster) return Math.max(1, Math.floor(cpus / 2));
  return said === 'auto' ? maxAutoParallel : clusterParallel;
}

/** Null also where nothing keeps it over attempts: what is said of a study must not count on it. */
function checkpointOf({ script, cluster }: SpecInputs): StudySpec['checkpoint'] {
  const dir = script.checkpoint?.['dir'];
  return dir === undefined || cluster?.checkpoints === null ? null : { dir };
}

/** The usual ones where nobody says anything. */
function retryOf(request: TuneRequest, script: ScriptSpec): { readonly retry?: RetrySettings } {
  const words = { ...script.retry, ...request.retry };
  const said = retryNames.flatMap((name) => {
    const count = wholeOf(words[name], `${name}=3`);
    return count === null ? [] : [[name, count] as const];
  });
  return said.length === 0 ? {} : { retry: { ...usualRetries, ...Object.fromEntries(said) } };
}

/** Whole points, so that what is tried does not depend on who reads the journal. */
function pointsOf({ points }: TuneRequest, { space }: ScriptSpec): { readonly points?: readonly Params[] } {
  if (points === undefined || points.length === 0) return {};
  const compiled = compileSpace(space);
  return { points: points.map((point) => userPoint(compiled, point)) };
}

/** The annotated objectives, else the one that the user was asked for; empty when there is none yet. */
export function objectivesOf(request: TuneRequest, script: ScriptSpec): readonly Objective[] {
  if (script.objectives.length > 0 || request.objective === undefined) return script.objectives;
  return [{ ...request.objective, goal: null }];
}

function buildBudget(request: TuneRequest, script: ScriptSpec): Budget {
  const words = { ...script.budget, ...request.budget };
  const wallTimeMs = sum(unit(words['hours'], 3_600_000), unit(words['minutes'], 60_000), unit(words['seconds'], 1_000));
  const resource = numberOf(words['resource']);
  const trials =
    request.trials ?? countOf(request.budget?.['trials']) ?? countOf(script.search['trials']) ?? countOf(words['trials']);
  const patience = countOf(request.budget?.['patience'] ?? script.search['patience']);
  const minGain = numberOf(request.budget?.['min_gain'] ?? script.search['min_gain']);
  const gpuMs = unit(words['gpu_hours'], 3_600_000);
  const cost = moneyOf(words['cost']);
  const isUnlimited = [trials, wallTimeMs, resource, gpuMs, cost, patience, minGain].every((limit) => limit === null);
  return {
    trials: isUnlimited ? defaultTrials : trials,
    wallTimeMs,
    resource,
    ...(gpuMs === null ? {} : { gpuMs }),
    ...(cost === null ? {} : { cost }),
    ...(patience === null ? {} : { patience }),
    ...(minGain === null ? {} : { minGain }),
  };
}

/** What limits a trial in a pod. */
export function podLimits(request: TuneRequest, script: ScriptSpec, cluster: ClusterSettings): TrialLimits {
  return buildLimits(request, script, cpusOfPod(cluster));
}

/** Where its script says none. */
function cpusOfPod(cluster: ClusterSettings | null): number {
  return cluster?.cpus?.request ?? 1;
}

function buildLimits(request: TuneRequest, script: ScriptSpec, cpus: number): TrialLimits {
  return {
    timeoutMs: request.trialTimeoutMs ?? durationMs(script.search['timeout']),
    graceMs: durationMs(script.search['grace']) ?? defaultGraceMs,
    outputBytes: sizeBytes(script.resources['output']) ?? defaultOutputBytes,
    cpus: numberOf(script.resources['cpus']) ?? cpus,
    metricNames: countOf(script.resources['metrics']) ?? usualMetricNames,
    metricRecords: countOf(script.resources['records']) ?? usualMetricRecords,
  };
}

function nameOf(kind: 'sampler', text: string | undefined): SamplerName;
function nameOf(kind: 'scheduler', text: string | undefined): SchedulerName;
function nameOf(kind: 'sampler' | 'scheduler', text: string | undefined): string {
  return text === undefined ? 'auto' : (decodeName(kind, text) ?? 'auto');
}

/** Undefined for a word that is none of the list; the annotation's diagnostics have said so. */
function wordOf<T extends string>(words: readonly T[], text: string | undefined): T | undefined {
  return words.find((word) => word === text);
}

function numberOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new HpoError('HPO-4012', `"${text}" is not a positive number`, 'write a number, such as trials=30', { exitCode: 2 });
}

export function countOf(text: string | undefined): number | null {
  const value = numberOf(text);
  if (value === null || Number.isSafeInteger(value)) return value;
  throw new HpoError('HPO-4012', `"${text}" is not a whole number`, 'write a whole number, such as trials=30', { exitCode: 2 });
}

/** Zero is a seed like any other. */
function seedOf(text: string | undefined): number | null {
  return wholeOf(text, 'seed=7');
}

/** From 0. */
export function wholeOf(text: string | undefined, example: string): number | null {
  if (text === undefined) return null;
  const value = text.trim() === '' ? NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new HpoError('HPO-4012', `"${text}" is not a whole number from 0`, `write a whole number, such as ${example}`, {
    exitCode: 2,
  });
}

function unit(text: string | undefined, unitMs: number): number | null {
  const value = numberOf(text);
  return value === null ? null : value * unitMs;
}

function sum(...parts: readonly (number | null)[]): number | null {
  const known = parts.filter((part) => part !== null);
  return known.length === 0 ? null : known.reduce((total, part) => total + part, 0);
}

/** `15USD`. */
export function moneyOf(text: string | null | undefined): Money | null {
  if (text === undefined || text === null) return null;
  const [, amount, currency] = /^(\d+(?:\.\d+)?)([A-Z]{3})$/.exec(text.trim()) ?? [];
  if (amount !== undefined && currency !== undefined && Number(amount) > 0) return { amount: Number(amount), currency };
  throw new HpoError('HPO-4062', `"${text}" is no amount of money`, 'write it with its currency, such as 15USD', { exitCode: 2 });
}

/** That what is limited is counted at all, in one currency. */
function checkMetered(spec: StudySpec): void {
  const { budget, price, cluster } = spec;
  const { cost, gpuMs } = budget;
  const pools = cluster?.pools ?? [];
  const currencies = [...new Set(moneysOf(spec).map(({ currency }) => currency))];
  if (currencies.length > 1)
    throw new HpoError(
      'HPO-4063',
      `the study has prices and limits in ${currencies.join(' and ')}`,
      'write all of them in one currency',
      { exitCode: 2 },
    );
  const lacksPrice = pools.length === 0 ? price === undefined : pools.some((pool) => (pool.price ?? price) === undefined);
  if (cost !== undefined && lacksPrice)
    throw new HpoError(
      'HPO-4064',
      `the budget of ${formatMoney(cost)} needs to know what a trial costs`,
      `write what the place of one trial costs in an hour: @hpo.resources price=0.90${cost.currency}${pools.length > 1 ? ', or a price for each pool' : ''}`,
      { exitCode: 2 },
    );
  if (gpuMs !== undefined && !asksForGpus(spec))
    throw new HpoError(
      'HPO-4065',
      'the budget of GPU hours counts nothing: no trial asks for a GPU',
      'write @hpo.resources gpus=1, or leave gpu_hours out',
      { exitCode: 2 },
    );
}

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `10m`, `2h`, `1d`; a bare number is seconds. */
export function durationMs(text: string | undefined): number | null {
  if (text === undefined) return null;
  const match = /^(\d+(?:\.\d+)?)(ms|s|min|m|h|d)?$/.exec(text.trim());
  const unitMs = durationUnits[match?.[2] ?? 's'];
  if (match?.[1] === undefined || unitMs === undefined) {
    throw new HpoError('HPO-4013', `"${text}" is not a duration`, 'write it as 90s, 10m or 2h', { exitCode: 2 });
  }
  return Number(match[1]) * unitMs;
}

const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
  PB: 1024 ** 5,
};

/** `500MB`, `2G`, `1GiB`: all in powers of 1024; whole bytes. */
export function sizeBytes(text: string | undefined): number | null {
  if (text === undefined) return null;
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTP]?)i?B?$/i.exec(text.trim());
  const factor = sizeUnits[`${match?.[2] ?? ''}B`.toUpperCase()];
  if (match?.[1] === undefined || factor === undefined) {
    throw new HpoError('HPO-4014', `"${text}" is not a size`, 'write it as 500MB or 2GB', { exitCode: 2 });
  }
  return Math.floor(Number(match[1]) * factor);
}
