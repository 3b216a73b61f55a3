import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { HpoError } from '../protocol/errors.ts';
import type { ClusterProfile } from './profile.ts';

export interface ClusterProfiles {
  /** In the order of their making. */
  readonly profiles: readonly ClusterProfile[];
  /** Name of the one in use; null for none. */
  readonly inUse: string | null;
}

const version = 1;

const made = z.object({
  by: z.enum(['context', 'kind', 'k3d', 'eksctl', 'gcloud', 'az']),
  tool: z.nullable(
    z.object({
      name: z.string(),
      region: z.nullable(z.string()),
      project: z.nullable(z.string()),
      group: z.nullable(z.string()),
    }),
  ),
  objects: z.array(z.object({ kind: z.string(), name: z.string(), uid: z.string() })),
});
const profile = z.object({
  name: z.string(),
  kubeconfig: z.nullable(z.array(z.string())),
  context: z.string(),
  namespace: z.string(),
  identity: z.optional(z.object({ cluster: z.nullable(z.string()), namespace: z.nullable(z.string()) })),
  registry: z.nullable(z.object({ push: z.string(), pull: z.string(), isPlain: z.boolean() })),
  queue: z.nullable(z.string()),
  pullSecrets: z.array(z.string()),
  checkpoints: z.nullable(z.string()),
  usualCpus: z.optional(z.number()),
  confirmedCommands: z.array(z.string()),
  usesAgent: z.optional(z.boolean()),
  made: z.nullable(made),
});
const fileSchema = z.object({ version: z.literal(version), inUse: z.nullable(z.string()), profiles: z.array(profile) });

const none: ClusterProfiles = { profiles: [], inUse: null };

export function profilesPath(home: string): string {
  return join(home, 'clusters.json');
}

/** None where nothing was connected yet. Throws HPO-2460 where the file is damaged, or of a later version. */
export function readProfiles(home: string): ClusterProfiles {
  const path = profilesPath(home);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return none;
    throw unreadable(path, error);
  }
  const parsed = fileSchema.safeParse(parsedOrNull(text));
  if (parsed.success) return { profiles: parsed.data.profiles, inUse: parsed.data.inUse };
  const isLater = z.object({ version: z.number() }).safeParse(parsedOrNull(text)).data?.version ?? 0;
  if (isLater > version) {
    throw new HpoError(
      'HPO-2460',
      `${path} was written by a later version of this program`,
      'use that version, or move the file away and connect your clusters anew: hpo cluster connect',
    );
  }
  throw unreadable(path, parsed.error);
}

/** Replaces what is there; nobody else of the machine can read it. */
export function writeProfiles(home: string, profiles: ClusterProfiles): void {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const path = profilesPath(home);
  const temporary = `${path}.${process.pid}.new`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, `${JSON.stringify({ version, ...profiles }, null, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** Adds a profile, or replaces the one of its name, and uses it where that is said or none is in use. */
export function withProfile({ profiles, inUse }: ClusterProfiles, added: ClusterProfile, use: boolean): ClusterProfiles {
  const isThere = profiles.some(({ name }) => name === added.name);
  return {
    profiles: isThere ? profiles.map((one) => (one.name === added.name ? added : one)) : [...profiles, added],
    inUse: use || inUse === null ? added.name : inUse,
  };
}

/** Of the last one that stays the one is in use; the others have to be chosen. */
export function withoutProfile({ profiles, inUse }: ClusterProfiles, name: string): ClusterProfiles {
  const left = profiles.filter((one) => one.name !== name);
  const [only] = left;
  return { profiles: left, inUse: inUse !== name ? inUse : left.length === 1 && only !== undefined ? only.name : null };
}

/** The profile of that name, or without one the one in use. Throws HPO-2461 where there is none. */
export function chosenProfile({ profiles, inUse }: ClusterProfiles, name: string | null): ClusterProfile {
  const wanted = name ?? inUse;
  const found = profiles.find((one) => one.name === wanted);
  if (found !== undefined) return found;
  const names = profiles.map((one) => one.name).join(', ');
  if (names === '') {
    throw new HpoError(
      'HPO-2461',
      'no cluster is connected',
      'connect one: hpo cluster connect (or make one: hpo cluster create -f cluster.yml), or run elsewhere: --on local, --on docker',
      { exitCode: 4 },
    );
  }
  throw new HpoError(
    'HPO-2461',
    wanted === null ? 'none of the connected clusters is in use' : `no cluster of the name ${wanted} is connected`,
    `choose one of them: --cluster NAME (${names}), or hpo cluster connect to connect another one`,
    { exitCode: 4 },
  );
}

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function unreadable(path: string, cause: unknown): HpoError {
  return new HpoError(
    'HPO-2460',
    `the list of connected clusters is damaged or cannot be read: ${path}`,
    'move the file away and connect your clusters anew (hpo cluster connect): studies and clusters are not touched by that',
    { cause },
  );
}
