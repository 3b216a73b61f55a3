import { LineCounter, isNode, parseDocument } from 'yaml';
import * as z from 'zod/mini';
import { parseStore } from '../protocol/clusterWords.ts';
import { HpoError } from '../protocol/errors.ts';
import { toolNames } from './tools.ts';

const name = (what: string) =>
  z
    .string()
    .check(
      z.regex(
        /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/,
        `${what} is made of at most 63 small letters, digits and hyphens, and begins and ends with none of the hyphens`,
      ),
    );
const text = z.string().check(z.minLength(1, 'a word is expected'));
/** Arguments are never taken for options. */
const word = z.string().check(z.regex(/^[\w.][\w./:+-]*$/, 'a word of letters, digits and . _ - / : + is expected'));
const quantity = z.pipe(
  z.union([z.number(), z.string()]),
  z.pipe(
    z.transform((value: number | string) => String(value)),
    z
      .string()
      .check(
        z.regex(/^\d+(?:\.\d+)?(?:m|k|[KMGTP]i?)?$/, 'an amount as Kubernetes writes it is expected, such as 8, 500m or 16Gi'),
      ),
  ),
);
const count = z.int('a whole number is expected').check(z.gte(0, 'a number of at least 0 is expected'));

const placePattern = /^(?:\[[0-9a-f:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(?::\d+)?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+$/;
const registryPlace = z
  .string()
  .check(z.regex(placePattern, 'HOST[:PORT]/PATH is expected, such as ghcr.io/team/hpo or localhost:5000/hpo'));

const amounts = z.strictObject({ cpu: z.optional(quantity), memory: z.optional(quantity) });

const subject = z.union(
  [z.strictObject({ user: text }), z.strictObject({ group: text }), z.strictObject({ serviceAccount: text })],
  'one of user, group and serviceAccount is expected',
);

/** `cluster.yml`. What each key means stands in `media/kubernetes.md`. */
const schema = z.strictObject({
  name: name('the name of a cluster'),
  /** Of the user's own kubeconfig; absent: the current one, or that of `make`. */
  context: z.optional(text),
  make: z.optional(
    z.strictObject({
      with: z.enum(toolNames, `one of ${toolNames.join(', ')} is expected`),
      nodes: z.optional(count.check(z.gte(1, 'at least 1 node is expected'))),
      version: z.optional(
        z.coerce.string().check(z.regex(/^v?\d+\.\d+(?:[.\d]*[-+.\w]*)?$/, 'a version is expected, such as "1.34"')),
      ),
      machine: z.optional(word),
      region: z.optional(word),
      project: z.optional(word),
      group: z.optional(word),
      arguments: z.optional(z.array(text)),
    }),
  ),
  namespace: z._default(name('the name of a namespace'), 'hpo'),
  registry: z.optional(
    z.strictObject({
      push: registryPlace,
      pull: z.optional(registryPlace),
      plain: z.optional(z.boolean()),
      login: z.optional(z.boolean()),
    }),
  ),
  queue: z.optional(z.strictObject({ name: z._default(name('the name of a queue'), 'hpo'), clusterQueue: text })),
  quota: z.optional(
    z.strictObject({
      cpu: z.optional(quantity),
      memory: z.optional(quantity),
      gpus: z.optional(z.union([count, z.record(z.string(), count)])),
      pods: z.optional(count),
      storage: z.optional(quantity),
    }),
  ),
  trial: z.optional(z.strictObject({ usual: z.optional(amounts), most: z.optional(amounts) })),
  checkpoints: z.optional(
    z
      .string()
      .check(
        z.refine(
          (said) => typeof parseStore(said) !== 'string',
          'pvc://CLAIM/PATH or s3://BUCKET/PREFIX?secret=NAME is expected',
        ),
      ),
  ),
  users: z.optional(z.array(subject)),
});

export type ClusterFile = z.infer<typeof schema>;

/** `HOST[:PORT]/PATH`: without a path, nobody could say where on that host images go. */
export function isRegistryPlace(place: string): boolean {
  return placePattern.test(place);
}

/**
 * @param path for people
 * @throws HpoError HPO-2490 with all that is wrong, each with its line
 */
export function readClusterFile(source: string, path: string): ClusterFile {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const faults: { readonly offset: number; readonly message: string }[] = document.errors.map((error) => ({
    offset: error.pos[0],
    message: error.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? 'it is no YAML',
  }));
  const offsetOf = (keys: readonly PropertyKey[]): number => {
    for (let length = keys.length; length > 0; length--) {
      const node = document.getIn(keys.slice(0, length), true);
      if (isNode(node) && node.range != null) return node.range[0];
    }
    return 0;
  };
  if (faults.length === 0) {
    const parsed = schema.safeParse(document.toJS());
    if (parsed.success) {
      const file = parsed.data;
      faults.push(...contradictions(file).map(({ keys, message }) => ({ offset: offsetOf(keys), message })));
      if (faults.length === 0) return file;
    } else {
      const isThere = (keys: readonly PropertyKey[]): boolean => document.getIn(keys) != null;
      faults.push(
        ...parsed.error.issues.map((issue) => ({ offset: offsetOf(issue.path), message: messageOf(issue, isThere(issue.path)) })),
      );
    }
  }
  const places = faults.map(({ offset, message }) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${Math.max(1, line)}:${Math.max(1, col)}: ${message}`;
  });
  throw new HpoError(
    'HPO-2490',
    places.join('\n'),
    'mend that, and see what would be made: hpo cluster create -f FILE --dry-run',
    {
      exitCode: 2,
    },
  );
}

function messageOf(issue: z.core.$ZodIssue, isThere: boolean): string {
  const where = issue.path.join('.');
  const said = issue.code === 'unrecognized_keys' ? unknownKeys(issue.keys, issue.path) : plainWords(issue, isThere);
  return where === '' ? said : `${where}: ${said}`;
}

/** Words of our own; the library's would name types of a programming language. */
function plainWords(issue: z.core.$ZodIssue, isThere: boolean): string {
  if (issue.code !== 'invalid_type') return issue.message;
  if (!isThere)
    return issue.path.length === 0 ? 'the file is empty; the least that it says is a name, such as name: lab' : 'is missing';
  return `${typeWords[issue.expected] ?? issue.expected} expected here`;
}

const typeWords: Readonly<Record<string, string>> = {
  object: 'keys with values, one in a line, are',
  array: 'a list, with a hyphen before each of its items, is',
  string: 'a word is',
  boolean: 'yes (true) or no (false) is',
};

function unknownKeys(keys: readonly string[], path: readonly PropertyKey[]): string {
  const known: readonly string[] = path.length === 0 ? Object.keys(schema.shape) : [];
  return `there is no key ${keys.map((key) => `"${key}"`).join(', ')}${known.length === 0 ? ' here' : `; keys are ${known.join(', ')}`}`;
}

interface Contradiction {
  readonly keys: readonly string[];
  readonly message: string;
}

function contradictions({ context, make, registry }: ClusterFile): readonly Contradiction[] {
  const found: Contradiction[] = [];
  if (context !== undefined && make !== undefined)
    found.push({
      keys: ['context'],
      message: 'context: a cluster that is made (make) has no context yet; leave one of the two out',
    });
  const needed = { eksctl: ['region'], gcloud: ['region'], az: ['group'], kind: [], k3d: [] } as const;
  for (const key of make === undefined ? [] : needed[make.with])
    if (make?.[key] === undefined) found.push({ keys: ['make', 'with'], message: `make.${key}: ${make?.with ?? ''} needs it` });
  if (registry?.plain === true && !/^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::|\/)/.test(registry.push))
    found.push({
      keys: ['registry', 'plain'],
      message: 'registry.plain: only a registry of this machine (localhost) may be spoken to without encryption',
    });
  return found;
}
