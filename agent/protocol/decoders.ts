import * as z from 'zod/mini';
import en from 'zod/v4/locales/en.js';
import { HpoError } from './errors.ts';
import { isReservedName } from './metricNames.ts';
import type { RequestName, Requests, StudyCommand, TuneRequest } from './requests.ts';
import type { Params, ParamValue } from './space.ts';
import { executorNames, samplerNames, schedulerNames } from './study.ts';

/** The small build of zod has no words of its own; handed over with each call, as nothing here may be global. */
const { localeError } = en();

/** Of what any version may say to any other, to find out who is newer and to hand over, only the known is looked at. */
const nothing = z.object({});
const studyId = z.string().check(z.minLength(1), z.maxLength(200));
const count = z.int().check(z.gte(1), z.lte(1_000_000));
const offset = z.int().check(z.gte(0));
const trialNumber = z.int().check(z.gte(0));

/** Of a point that a user sends: no space has more. */
const maxParams = 1_000;
const maxNameLength = 1_000;
const maxListItems = 10_000;

const paramValue: z.ZodMiniType<ParamValue> = z.union([
  z.number(),
  z.string().check(z.maxLength(10_000)),
  z.boolean(),
  z.null(),
  z.array(z.lazy(() => paramValue)).check(z.maxLength(maxListItems)),
]);
const metricName = z.string().check(
  z.minLength(1),
  z.refine((name) => !isReservedName(name), { error: 'every object has that name' }),
);
const point: z.ZodMiniType<Params> = z
  .record(z.string().check(z.maxLength(maxNameLength)), paramValue)
  .check(z.refine((params) => Object.keys(params).length <= maxParams, `more than ${maxParams} parameters`));

/** A name or path of the user's. */
const word = z.string().check(z.minLength(1), z.maxLength(4_096));
const absolutePath = word.check(z.regex(/^(?:[/\\]|[A-Za-z]:[/\\])/, 'no absolute path'));

/** The words of `--budget`. */
const budgetWords = {
  hours: z.optional(z.string()),
  gpu_hours: z.optional(z.string()),
  cost: z.optional(z.string()),
  patience: z.optional(z.string()),
  min_gain: z.optional(z.string()),
  minutes: z.optional(z.string()),
  seconds: z.optional(z.string()),
  trials: z.optional(z.string()),
  resource: z.optional(z.string()),
};

const tune = z.strictObject({
  script: z.string().check(z.minLength(1)),
  trials: z.optional(count),
  parallel: z.optional(z.union([count, z.literal('auto')])),
  batch: z.optional(count),
  seed: z.optional(z.int().check(z.gte(0))),
  sampler: z.optional(z.enum(samplerNames)),
  scheduler: z.optional(z.enum(schedulerNames)),
  executor: z.optional(z.enum(executorNames)),
  budget: z.optional(z.strictObject(budgetWords)),
  objective: z.optional(z.strictObject({ metric: metricName, direction: z.enum(['min', 'max']) })),
  interpreter: z.optional(z.strictObject({ path: z.string().check(z.minLength(1)), reason: z.string() })),
  env: z.optional(z.enum(['auto', 'current'])),
  trialTimeoutMs: z.optional(z.number().check(z.positive())),
  retry: z.optional(z.record(z.string(), z.string())),
  points: z.optional(z.array(point).check(z.maxLength(10_000))),
  from: z.optional(z.array(studyId).check(z.maxLength(100))),
  image: z.optional(z.string().check(z.minLength(1))),
  allowLarge: z.optional(z.boolean()),
  allow: z.optional(z.array(word).check(z.maxLength(100))),
  isPaused: z.optional(z.boolean()),
  cluster: z.optional(
    z.strictObject({
      name: z.optional(word),
      kubeconfig: z.optional(z.array(absolutePath).check(z.minLength(1), z.maxLength(100))),
      context: z.optional(word),
      namespace: z.optional(word),
      queue: z.optional(word),
      podTemplate: z.optional(word),
    }),
  ),
});

const command = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('pause'), because: z.optional(word) }),
  z.strictObject({ type: z.literal('resume') }),
  z.strictObject({ type: z.literal('stop') }),
  z.strictObject({ type: z.literal('delete') }),
  z.strictObject({ type: z.literal('scale'), parallel: z.union([count, z.literal('auto')]) }),
  z.strictObject({ type: z.literal('stopTrial'), trial: trialNumber }),
  z.strictObject({ type: z.literal('retry'), number: trialNumber }),
  z.strictObject({ type: z.literal('enqueue'), params: point }),
]) satisfies z.ZodMiniType<StudyCommand>;

/** What the agent accepts for each request; anything else, a field too many included, is refused with HPO-5010. */
const paramSchemas: { readonly [N in RequestName]: z.ZodMiniType } = {
  hello: z.object({
    protocolVersion: z.int(),
    client: z.string().check(z.maxLength(100)),
    version: z.string().check(z.maxLength(100)),
    token: z.string().check(z.maxLength(200)),
  }),
  'agent/status': nothing,
  'agent/reach': nothing,
  'agent/stop': nothing,
  'agent/clean': z.strictObject({ dryRun: z.boolean(), images: z.boolean(), all: z.boolean() }),
  'image/describe': tune,
  'image/build': z.strictObject({ request: tune, isFresh: z.boolean() }),
  'study/preflight': tune,
  'study/create': tune,
  'study/list': nothing,
  'study/view': z.strictObject({ studyId }),
  'study/pages': z.strictObject({ studyId: z.nullable(studyId), stream: z.int(), withoutCurves: z.optional(z.boolean()) }),
  'study/subscribe': z.strictObject({ studyId: z.nullable(studyId), from: z.int().check(z.gte(0)) }),
  'study/unsubscribe': z.strictObject({ subscription: z.int() }),
  'move/pack': z.strictObject({ studyId, isRest: z.boolean() }),
  'move/read': z.strictObject({ studyId, offset }),
  'move/write': z.strictObject({ studyId, offset, data: z.string().check(z.maxLength(8_000_000)) }),
  'move/unpack': z.strictObject({ studyId, sha256: z.string().check(z.length(64)), isRest: z.boolean() }),
  'move/leave': z.strictObject({
    studyId,
    to: z.string().check(z.minLength(1), z.maxLength(500)),
    agent: z.string().check(z.minLength(1), z.maxLength(100)),
    epoch: count,
  }),
  'move/arrive': z.strictObject({ studyId, from: z.string().check(z.minLength(1), z.maxLength(500)) }),
  'move/takeBack': z.strictObject({ studyId, from: z.string().check(z.minLength(1), z.maxLength(500)) }),
  'move/done': z.strictObject({ studyId }),
  'study/command': z.strictObject({ studyId, command }),
  'trial/log': z.strictObject({ studyId, trial: trialNumber, attempt: z.optional(count), offset: z.int().check(z.gte(0)) }),
};

export const requestNames = Object.keys(paramSchemas) as readonly RequestName[]; // the mapped type above makes the keys exactly these

/** Parses the params of a request, or throws an HpoError that names the offending field. */
export function decodeParams<N extends RequestName>(name: N, params: unknown): Requests[N]['params'] {
  const hidden = hiddenField(params);
  if (hidden !== null) throw new HpoError('HPO-5010', `${name}: ${hidden}: not understood`, 'check the value', { exitCode: 2 });
  const result = paramSchemas[name].safeParse(params, { error: localeError });
  if (result.success) return result.data as Requests[N]['params']; // each schema is written for its request's type
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new HpoError(
    'HPO-5010',
    `${name}: ${where === '' ? '' : `${where}: `}${issue?.message ?? 'not understood'}`,
    'check the value',
    {
      exitCode: 2,
    },
  );
}

/** The path of a field that schemas pass over, as it is no field of an object but its prototype; null where there is none. */
function hiddenField(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, part] of Object.entries(value)) {
    const found = key === '__proto__' ? '' : hiddenField(part);
    if (found !== null) return found === '' ? key : `${key}.${found}`;
  }
  return null;
}

/** Parses a name given by the user, such as `--search tpe`. */
export function decodeName<K extends 'sampler' | 'scheduler' | 'executor'>(kind: K, text: string): NonNullable<TuneRequest[K]> {
  const names: readonly string[] = { sampler: samplerNames, scheduler: schedulerNames, executor: executorNames }[kind];
  if (names.includes(text)) return text as NonNullable<TuneRequest[K]>; // just checked
  throw new HpoError('HPO-4010', `there is no ${kind} "${text}"`, `choose one of: ${names.join(', ')}`, { exitCode: 2 });
}
