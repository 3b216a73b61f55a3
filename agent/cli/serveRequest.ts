import * as z from 'zod/mini';
import en from 'zod/v4/locales/en.js';
import { usualLiar } from '../core/samplers/index.ts';
import { toldStates, type ToldState } from '../core/study/index.ts';
import { HpoError } from '../protocol/errors.ts';
import { isReservedName } from '../protocol/metricNames.ts';
import type { Distribution, Parameter, Params, ParamValue } from '../protocol/space.ts';
import { hyperbandModes, liars, type MetricValues, samplerNames, schedulerNames, type StudySpec } from '../protocol/study.ts';

/** One line of the caller of `hpo serve`. */
export type ServeRequest =
  | { readonly type: 'create'; readonly spec: StudySpec }
  | { readonly type: 'ask'; readonly n: number }
  | { readonly type: 'report'; readonly number: number; readonly step: number; readonly values: MetricValues }
  | { readonly type: 'tell'; readonly number: number; readonly state: ToldState; readonly values: MetricValues }
  | { readonly type: 'best' };

/** @throws HpoError HPO-4501 for a line that is none of the requests. */
export function decodeServeRequest(line: string): ServeRequest {
  const request = fromJson(line);
  const entries = typeof request === 'object' && request !== null && !Array.isArray(request) ? Object.entries(request) : [];
  const [entry, ...others] = entries;
  if (entry === undefined || others.length > 0) throw notUnderstood('a request is an object with one field', names);
  const [name, body] = entry;
  switch (name) {
    case 'create':
      return { type: 'create', spec: toSpec(parse(name, createSchema, body)) };
    case 'ask':
      return { type: 'ask', n: parse(name, askSchema, body).n ?? 1 };
    case 'report':
      return { type: 'report', ...parse(name, reportSchema, body) };
    case 'tell': {
      const { number, state, values } = parse(name, tellSchema, body);
      return { type: 'tell', number, state, values: values ?? {} };
    }
    case 'best':
      parse(name, z.strictObject({}), body);
      return { type: 'best' };
    default:
      throw notUnderstood(`there is no request ${JSON.stringify(name)}`, names);
  }
}

const names = 'send {"create": …}, {"ask": …}, {"report": …}, {"tell": …} or {"best": {}}';

/** The small build of zod has no words of its own. */
const { localeError } = en();

const count = z.int().check(z.gte(1), z.lte(1_000_000));
const trialNumber = z.int().check(z.gte(0));
const finite = z.number();
const metricValues = z.record(z.string(), z.union([finite, z.enum(['nan', 'inf', '-inf'])]));
const paramValue: z.ZodMiniType<ParamValue> = z.lazy(() =>
  z.union([finite, z.string(), z.boolean(), z.null(), z.array(paramValue)]),
);
const params = z.record(z.string(), paramValue);

const range = {
  low: finite,
  high: finite,
  log: z.optional(z.boolean()),
  revlog: z.optional(z.boolean()),
  step: z.optional(z.nullable(finite)),
};
const choices = z.array(paramValue);
const distributionSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('float'), ...range }),
  z.strictObject({ type: z.literal('int'), ...range }),
  z.strictObject({ type: z.literal('categorical'), choices }),
  z.strictObject({ type: z.literal('ordinal'), choices }),
]);

/** As `hpo space --json` prints it; where its values go (`sink`, `site`) is the caller's own affair. */
const parameterSchema = z.object({
  name: z.string().check(z.minLength(1)),
  distribution: distributionSchema,
  default: z.optional(paramValue),
  when: z.optional(z.nullable(z.string())),
});

const fidelitySchema = z
  .object({
    name: z.optional(z.string()),
    min: finite.check(z.positive()),
    max: finite.check(z.positive()),
    reductionFactor: z.optional(finite.check(z.gt(1))),
  })
  .check(z.refine(({ min, max }) => min <= max, { error: 'min is above max' }));

const metricName = z.string().check(
  z.minLength(1),
  z.refine((name) => !isReservedName(name), { error: 'every object has that name' }),
);
const createSchema = z.strictObject({
  parameters: z.array(parameterSchema),
  objectives: z.array(z.strictObject({ metric: metricName, direction: z.enum(['min', 'max']) })).check(
    z.minLength(1),
    z.refine((list) => new Set(list.map(({ metric }) => metric)).size === list.length, {
      error: 'two objectives have one metric',
    }),
  ),
  constraints: z.optional(z.array(z.string())),
  where: z.optional(z.array(z.string())),
  fidelity: z.optional(z.nullable(fidelitySchema)),
  sampler: z.optional(z.enum(samplerNames)),
  scheduler: z.optional(z.enum(schedulerNames)),
  seed: z.optional(z.int().check(z.gte(0))),
  maxTrials: z.optional(z.nullable(count)),
  parallel: z.optional(count),
  batch: z.optional(count),
  liar: z.optional(z.enum(liars)),
  mode: z.optional(z.enum(hyperbandModes)),
  points: z.optional(z.array(params)),
  prior: z.optional(
    z.array(
      z.strictObject({
        params,
        state: z.optional(z.enum(toldStates)),
        values: metricValues,
        resource: z.optional(z.nullable(finite)),
      }),
    ),
  ),
  hasCheckpoint: z.optional(z.boolean()),
  // What `hpo space --json` prints besides.
  hash: z.optional(z.string()),
  diagnostics: z.optional(z.array(z.unknown())),
});
const askSchema = z.strictObject({ n: z.optional(count) });
const reportSchema = z.strictObject({ number: trialNumber, step: finite.check(z.gte(0)), values: metricValues });
const tellSchema = z.strictObject({ number: trialNumber, state: z.enum(toldStates), values: z.optional(metricValues) });

function fromJson(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw notUnderstood(`the line is not JSON: ${reason}`, 'NaN and the infinities are written "nan", "inf" and "-inf"');
  }
}

function parse<T extends z.ZodMiniType>(name: string, schema: T, body: unknown): z.infer<T> {
  const result = schema.safeParse(body, { error: localeError });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw notUnderstood(`${[name, ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'not understood'}`, 'check the value');
}

function notUnderstood(message: string, next: string): HpoError {
  return new HpoError('HPO-4501', `a line of hpo serve is not understood: ${message}`, next);
}

type Create = z.infer<typeof createSchema>;

/** What only an agent needs of a spec is empty: nothing here starts a program. */
function toSpec(create: Create): StudySpec {
  const { fidelity, points, prior } = create;
  const place = { sink: { type: 'literal' }, site: { file: '', line: 1, column: 1 }, literal: null } as const;
  return {
    name: 'serve',
    root: '',
    script: null,
    command: [],
    space: {
      parameters: create.parameters.map(
        (parameter): Parameter => ({
          name: parameter.name,
          distribution: toDistribution(parameter.distribution),
          ...(parameter.default === undefined ? {} : { default: parameter.default }),
          when: parameter.when ?? null,
          ...place,
        }),
      ),
      where: create.where ?? [],
    },
    objectives: create.objectives.map((objective) => ({ ...objective, goal: null })),
    constraints: create.constraints ?? [],
    fidelity:
      fidelity === null || fidelity === undefined
        ? null
        : {
            name: fidelity.name ?? 'resource',
            min: fidelity.min,
            max: fidelity.max,
            reductionFactor: fidelity.reductionFactor ?? 3,
            default: fidelity.max,
            ...place,
          },
    metrics: [],
    search: {
      sampler: create.sampler ?? 'auto',
      scheduler: create.scheduler ?? 'auto',
      seed: create.seed ?? 0,
      parallel: create.parallel ?? 1,
      ...(create.batch === undefined ? {} : { batch: create.batch }),
      liar: create.liar ?? usualLiar(create.sampler ?? 'auto'),
      mode: create.mode ?? 'standard',
      ...(points === undefined ? {} : { points: points satisfies readonly Params[] }),
      ...(prior === undefined
        ? {}
        : { prior: prior.map((one) => ({ ...one, state: one.state ?? 'complete', resource: one.resource ?? null })) }),
    },
    budget: { trials: create.maxTrials ?? null, wallTimeMs: null, resource: null },
    limits: { timeoutMs: null, graceMs: 0, outputBytes: 0, cpus: 1 },
    checkpoint: create.hasCheckpoint === true ? { dir: '' } : null,
    executor: 'local',
    environment: { interpreter: '', version: '', reason: '' },
    snapshot: '',
    spaceHash: create.hash ?? '',
  };
}

function toDistribution(distribution: z.infer<typeof distributionSchema>): Distribution {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') return distribution;
  const { type, low, high, log, revlog, step } = distribution;
  return { type, low, high, log: log ?? false, revlog: revlog ?? false, step: step ?? null };
}
