import { z } from 'zod';
import { HpoError } from './errors.ts';
import type { RequestName, Requests, StudyCommand, TuneRequest } from './requests.ts';
import { executorNames, samplerNames, schedulerNames } from './study.ts';

const nothing = z.object({});
const studyId = z.string().min(1).max(200);
const count = z.int().min(1).max(1_000_000);
const trialNumber = z.int().min(0);

const tune = z.object({
  script: z.string().min(1),
  trials: count.optional(),
  parallel: count.optional(),
  seed: z.int().min(0).optional(),
  sampler: z.enum(samplerNames).optional(),
  scheduler: z.enum(schedulerNames).optional(),
  executor: z.enum(executorNames).optional(),
  budget: z.record(z.string(), z.string()).optional(),
  objective: z.object({ metric: z.string().min(1), direction: z.enum(['min', 'max']) }).optional(),
  interpreter: z.object({ path: z.string().min(1), reason: z.string() }).optional(),
  env: z.enum(['auto', 'current']).optional(),
  trialTimeoutMs: z.number().positive().optional(),
});

const command = z.discriminatedUnion('type', [
  z.object({ type: z.literal('pause') }),
  z.object({ type: z.literal('resume') }),
  z.object({ type: z.literal('stop') }),
  z.object({ type: z.literal('delete') }),
  z.object({ type: z.literal('scale'), parallel: count }),
  z.object({ type: z.literal('stopTrial'), trial: trialNumber }),
]) satisfies z.ZodType<StudyCommand>;

/** What the agent accepts for each request; anything else is refused with HPO-5010. */
const paramSchemas: { readonly [N in RequestName]: z.ZodType } = {
  hello: z.object({
    protocolVersion: z.int(),
    client: z.string().max(100),
    version: z.string().max(100),
    token: z.string().max(200),
  }),
  'agent/status': nothing,
  'agent/stop': nothing,
  'study/preflight': tune,
  'study/create': tune,
  'study/list': nothing,
  'study/view': z.object({ studyId }),
  'study/subscribe': z.object({ studyId: studyId.nullable(), from: z.int().min(0) }),
  'study/unsubscribe': z.object({ subscription: z.int() }),
  'study/command': z.object({ studyId, command }),
  'trial/log': z.object({ studyId, trial: trialNumber, attempt: count.optional(), offset: z.int().min(0) }),
};

export const requestNames = Object.keys(paramSchemas) as readonly RequestName[]; // the mapped type above makes the keys exactly these

/** Parses the params of a request, or throws an HpoError that names the offending field. */
export function decodeParams<N extends RequestName>(name: N, params: unknown): Requests[N]['params'] {
  const result = paramSchemas[name].safeParse(params);
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

/** Parses a name given by the user, such as `--search tpe`. */
export function decodeName<K extends 'sampler' | 'scheduler' | 'executor'>(kind: K, text: string): NonNullable<TuneRequest[K]> {
  const names: readonly string[] = { sampler: samplerNames, scheduler: schedulerNames, executor: executorNames }[kind];
  if (names.includes(text)) return text as NonNullable<TuneRequest[K]>; // just checked
  throw new HpoError('HPO-4010', `there is no ${kind} "${text}"`, `choose one of: ${names.join(', ')}`, { exitCode: 2 });
}
