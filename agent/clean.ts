import type { Engine, Labels } from './engine/engine.ts';
import type { Executor } from './executors/executor.ts';
import { type ImageStore, usualImageLimits } from './packaging/image/index.ts';
import { HpoError } from './protocol/errors.ts';
import type { Cleaned, CleanReport, CleanRequest } from './protocol/requests.ts';
import type { StudyView } from './protocol/view.ts';

/** What cleaning needs of the agent. */
export interface CleanPorts {
  /** All studies that are not deleted. */
  readonly views: () => readonly StudyView[];
  readonly executors: () => Iterable<Executor>;
  readonly snapshots: {
    unused(keep: ReadonlySet<string>): Promise<readonly { readonly hash: string; readonly bytes: number }[]>;
    prune(keep: ReadonlySet<string>, released: ReadonlyMap<string, number>): Promise<void>;
  };
  /** Rejects with HPO-2401 to 2404 where there is none to be had. */
  readonly engine: () => Promise<Engine>;
  /** On all that this home has on an engine. */
  readonly labels: Labels;
  readonly images: Pick<ImageStore, 'stored' | 'superfluous' | 'sweep'>;
}

/** Something to be freed, and how; false where it could not be after all. */
interface Plan extends Cleaned {
  readonly free: () => Promise<boolean>;
}

/**
 * Frees what no study needs any more: containers of attempts that do not live, copies of code of studies that have ended, stored code to
 * which no study refers, and images by use and size. What the engine has is left for the next time where it is away.
 */
export class Cleaner {
  readonly #ports: CleanPorts;

  constructor(ports: CleanPorts) {
    this.#ports = ports;
  }

  async clean(request: CleanRequest): Promise<CleanReport> {
    const { plans, kept, engine } = await this.#plan(request);
    const freed: Plan[] = [];
    for (const plan of plans) if (request.dryRun || (await plan.free())) freed.push(plan);
    return { freed: freed.map(({ free: _free, ...cleaned }) => cleaned), kept, engine };
  }

  /** Keeps the images within their limits; rejects where no engine can be asked. */
  async limitImages(): Promise<void> {
    if ((await this.#ports.images.stored()).length === 0) return;
    await this.#ports.images.sweep(this.#limits({ images: false, all: false }));
  }

  async #plan(
    request: CleanRequest,
  ): Promise<{ readonly plans: readonly Plan[]; readonly kept: readonly Cleaned[]; readonly engine: CleanReport['engine'] }> {
    const plans = [...(await this.#planSnapshots())];
    try {
      // Containers before images: one that is there holds its image.
      for (const executor of this.#ports.executors()) plans.push(...(await this.#planAttempts(executor)));
      const engine = await this.#ports.engine();
      plans.push(...(await this.#planContainers(engine)));
      const images = await this.#ports.images.superfluous(this.#limits(request));
      plans.push(
        ...images.map(({ name, bytes, reason, remove }) => ({ kind: 'image', name, bytes, reason, free: remove }) as const),
      );
      return { plans, kept: await this.#keptImages(new Set(images.map(({ name }) => name))), engine: null };
    } catch (error) {
      if (!(error instanceof HpoError)) throw error;
      const { code, message, next } = error;
      return { plans, kept: [], engine: (await this.#needsEngine()) ? { code, message, next } : null };
    }
  }

  /** Whether anything of this home may be on an engine. */
  async #needsEngine(): Promise<boolean> {
    if (this.#ports.views().some(({ spec }) => spec.executor === 'docker') || (await this.#ports.images.stored()).length > 0)
      return true;
    // A deleted one whose containers could not be removed yet.
    for (const executor of this.#ports.executors())
      if (executor.name === 'docker' && (await executor.studies()).length > 0) return true;
    return false;
  }

  async #planSnapshots(): Promise<readonly Plan[]> {
    const { snapshots, views } = this.#ports;
    const keep = (): Set<string> => new Set(views().map(({ spec }) => spec.snapshot));
    const unused = await snapshots.unused(keep());
    return unused.map(({ hash, bytes }) => ({
      kind: 'snapshot',
      name: hash,
      bytes,
      reason: 'no study runs this code',
      free: async () => {
        await snapshots.prune(keep(), new Map());
        return true;
      },
    }));
  }

  /** Copies of code that attempts of ended studies still have: what an agent that was killed left. */
  async #planAttempts(executor: Executor): Promise<readonly Plan[]> {
    const listings = await executor.list();
    const ended = new Set(this.#ports.views().flatMap(({ studyId, state }) => (state === 'ended' ? [studyId] : [])));
    return [...Map.groupBy(listings, ({ key }) => key.studyId)].flatMap(([studyId, keys]): Plan[] =>
      ended.has(studyId)
        ? [
            {
              kind: 'attempt',
              name: studyId,
              bytes: null,
              reason: `the study has ended: unchanged copies of its code, of ${keys.length} attempts`,
              free: async () => {
                await executor.cleanup(studyId, { removeFiles: false });
                return true;
              },
            },
          ]
        : [],
    );
  }

  async #planContainers(engine: Engine): Promise<readonly Plan[]> {
    const containers = await engine.listContainers(this.#ports.labels);
    // Asked after the list: an attempt is known before it has a container.
    const live = new Set(this.#ports.views().flatMap(liveAttempts));
    return containers.flatMap(({ name, labels, isRunning }): Plan[] => {
      const attempt = `${labels['hpo.study']}/${labels['hpo.trial']}/${labels['hpo.attempt']}`;
      if (live.has(attempt)) return [];
      return [
        {
          kind: 'container',
          name,
          bytes: null,
          reason: `${isRunning ? 'it runs for' : 'it is left of'} ${attempt}, which does not live any more`,
          free: async () => {
            await engine.removeContainer(name);
            return true;
          },
        },
      ];
    });
  }

  #limits({ images, all }: Pick<CleanRequest, 'images' | 'all'>): Parameters<ImageStore['sweep']>[0] {
    const limits = images || all ? { maxBytes: 0, maxUnusedMs: 0 } : usualImageLimits;
    const keys = (views: readonly StudyView[]) => new Set(views.flatMap(({ spec }) => spec.container?.image.recipe ?? []));
    const studies = this.#ports.views();
    const going = studies.filter(({ state }) => state !== 'ended');
    return { ...limits, inUse: keys(all ? going : studies), mayGoOn: keys(studies) };
  }

  async #keptImages(freed: ReadonlySet<string>): Promise<readonly Cleaned[]> {
    const stored = await this.#ports.images.stored();
    return stored.flatMap(({ key, name, bytes }): Cleaned[] => {
      // Of one that is made again when it is needed, there is the recipe alone.
      if (freed.has(name) || bytes === 0) return [];
      const [user, ...others] = this.#ports.views().filter(({ spec }) => spec.container?.image.recipe === key);
      const more = others.length === 0 ? '' : ` and ${others.length} more`;
      const reason =
        user === undefined ? 'no study uses it, but the next one of its script may' : `used by ${user.studyId}${more}`;
      return [{ kind: 'image', name, bytes, reason }];
    });
  }
}

/** `study/trial/attempt` of what runs, or is about to. */
function liveAttempts({ studyId, trials }: StudyView): readonly string[] {
  return trials.flatMap(({ number, attempts }) => {
    const last = attempts.at(-1);
    return last === undefined || last.state === 'ended' ? [] : [`${studyId}/${number}/${last.attempt}`];
  });
}
