import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../cluster/cluster.ts';
import type { ClusterProfiles } from '../cluster/index.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { type Leftover, leftoversOf, removeLeftovers } from '../clusters/cleanCluster.ts';
import { checkPermissions, requireVersion } from '../clusters/testCluster.ts';
import { HpoError } from '../protocol/errors.ts';
import { type Finding, repairCommand } from './finding.ts';
import type { Records } from './records.ts';

/** Clusters as the doctor may use them. */
export interface ClusterAccess {
  /** Throws HPO-2460 where the list is damaged. */
  readonly profiles: () => ClusterProfiles;
  /** Rejects where it cannot be reached, or names a program that the user has not agreed to. */
  readonly connect: (profile: ClusterProfile) => Promise<Cluster>;
  /** Mark of this home on all that its studies have on clusters. */
  readonly homeMark: () => string;
  /** Studies that another agent acts on. */
  readonly away: () => Promise<ReadonlySet<string>>;
}

/** A cluster that says nothing keeps nobody waiting. */
const answerMs = 8_000;
const check = 'clusters';

/**
 * The clusters that are connected, as far as there are any: whether they are reached, are new enough, let studies do what they have to,
 * and have something left of studies that are gone. `liveNow` is asked after a cluster has said what it has.
 */
export async function checkClusters(
  access: ClusterAccess,
  records: Records | null,
  liveNow: () => ReadonlySet<string> | null,
): Promise<readonly Finding[]> {
  const views = [...(records?.views.values() ?? [])];
  let profiles: readonly ClusterProfile[];
  try {
    ({ profiles } = access.profiles());
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    return [{ check, state: 'wrong', what: error.message, next: error.next }];
  }
  if (profiles.length === 0) return [{ check, state: 'ok', what: 'none is connected' }];
  const known = (): { all: ReadonlySet<string>; live: ReadonlySet<string> } | null => {
    const live = liveNow();
    return live === null || records === null ? null : { all: new Set(records.views.keys()), live };
  };
  const looks = profiles.map(async (profile) => {
    const going = views
      .filter(
        ({ state, spec: { cluster } }) =>
          state !== 'ended' && cluster?.context === profile.context && cluster.namespace === profile.namespace,
      )
      .map(({ studyId }) => studyId);
    const late = delay(answerMs, null, { ref: false });
    const found = await Promise.race([lookAtCluster(access, profile, going, known), late]);
    return (
      found ?? [
        unreached(
          profile,
          going,
          `it does not answer within ${answerMs / 1_000} s`,
          'see whether it runs, then: hpo cluster test',
        ),
      ]
    );
  });
  return (await Promise.all(looks)).flat();
}

async function lookAtCluster(
  access: ClusterAccess,
  profile: ClusterProfile,
  going: readonly string[],
  known: () => { readonly all: ReadonlySet<string>; readonly live: ReadonlySet<string> } | null,
): Promise<readonly Finding[]> {
  try {
    await using cluster = await access.connect(profile);
    const version = await requireVersion(cluster);
    const refused = (await checkPermissions(cluster, profile.queue !== null)).filter(({ isOk }) => isOk === false);
    const [first] = refused;
    if (first !== undefined) {
      const more = refused.length === 1 ? '' : ` and ${refused.length - 1} more`;
      return [
        {
          check,
          state: 'wrong',
          what: `${profile.name} does not let studies do all that they have to: ${first.what}${more}`,
          ...(first.next === undefined ? {} : { next: first.next }),
        },
      ];
    }
    const used = going.length === 0 ? 'no study that goes on needs it' : `${going.length} studies run there`;
    const what = `${profile.name} (${version} at ${cluster.place.server}) lets studies do all that they have to; ${used}`;
    return [{ check, state: 'ok', what }, ...(await left(access, cluster, profile, known))];
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    return [unreached(profile, going, error.message, error.next)];
  }
}

async function left(
  access: ClusterAccess,
  cluster: Cluster,
  profile: ClusterProfile,
  known: () => { readonly all: ReadonlySet<string>; readonly live: ReadonlySet<string> } | null,
): Promise<readonly Finding[]> {
  let isKnown = true;
  const find = (on: Cluster) =>
    leftoversOf(
      on,
      access.homeMark(),
      async () => {
        const studies = known();
        isKnown = studies !== null;
        return { ...(studies ?? { all: new Set<string>(), live: new Set<string>() }), away: await access.away() };
      },
      Date.now(),
    );
  const found = await find(cluster);
  // Without a journal everything would seem to be of studies that are gone.
  if (!isKnown)
    return [
      { check, state: 'unknown', what: `what is left on ${profile.name} is not looked at, as the journal cannot be trusted` },
    ];
  // Not mended: without them what they wait to remove would stay.
  const waiting = found
    .filter(({ isWaiting }) => isWaiting)
    .map(
      ({ kind, name, reason }): Finding => ({
        check,
        state: 'wrong',
        what: `${kind} ${name} on ${profile.name}: ${reason}`,
        next: `see what it waits for: hpo cluster status ${profile.name}; give it up: hpo cluster clean ${profile.name}`,
      }),
    );
  const leftovers = needless(found);
  if (leftovers.length === 0) return waiting;
  const names = leftovers.slice(0, 3).map(({ kind, name }) => `${kind} ${name}`);
  return [
    ...waiting,
    {
      check,
      state: 'wrong',
      what: `${leftovers.length} objects of this home are left on ${profile.name} (${names.join(', ')}${leftovers.length > 3 ? ', …' : ''}): no study needs them`,
      next: `${repairCommand}, or hpo cluster clean ${profile.name}: it removes them`,
      mend: async () => {
        await using again = await access.connect(profile);
        const removed = await removeLeftovers(again, needless(await find(again)));
        return `removed ${removed.length} objects from ${profile.name}`;
      },
    },
  ];
}

function needless(leftovers: readonly Leftover[]): readonly Leftover[] {
  return leftovers.filter(({ isWaiting }) => isWaiting === undefined);
}

/** Wrong where a study waits for it, as nobody else may need it now. */
function unreached({ name }: ClusterProfile, going: readonly string[], why: string, next: string): Finding {
  return going.length === 0
    ? { check, state: 'unknown', what: `${name} cannot be looked at: ${why}`, next }
    : { check, state: 'wrong', what: `${going.join(', ')} cannot go on on ${name}: ${why}`, next };
}
