import { createRng, type Rng } from '../../../agent/core/math/index.ts';
import { createStudy } from '../../../agent/core/study/index.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import type { ExecutorName, SchedulerName, StudySpec } from '../../../agent/protocol/study.ts';
import { unreachable } from '../../../agent/protocol/view.ts';
import { podContainer, simulatedClusterSettings } from './clusterSettings.ts';
import { simulatedContainer } from './images.ts';
import { fidelity, parameter, spec } from '../../unit/core/study/harness.ts';

/** What is done to the machine from outside, now and then. */
export const calamities = [
  'kill agent',
  'stop agent in order',
  'freeze agent',
  'freeze agent, locks broken',
  'kill shim',
  'kill program',
  'out of memory',
  'power cut',
  'disk full',
  'clock back',
  'clock forward',
  'more agents',
] as const;
export type Calamity = (typeof calamities)[number];

/** What is done to the engine and its containers, where studies run in such. */
export const engineCalamities = [
  'restart engine',
  'kill engine',
  'engine away for long',
  'engine hangs',
  'engine denied',
  'kill container',
  'remove container',
  'pause container',
  'pause container for good',
  'remove image',
] as const;
export type EngineCalamity = (typeof engineCalamities)[number];

/** What is done to the cluster, its nodes and its pods, where studies run there. */
export const clusterCalamities = [
  'delete pod',
  'delete pod at once',
  'evict pod',
  'preempt pod',
  'pressure on a node',
  'drain node',
  'reboot node',
  'lose node',
  'cut node off',
  'restart kubelet',
  'restart server',
  'server away for long',
  'server hangs',
  'server overloaded',
  'controllers late',
  'start Job twice',
  'delete Job',
  'kill pod',
  'rotate log',
  'break connections',
  'fill nodes',
  'quota',
] as const;
/** The same, of lives on larger clusters that change by themselves. */
export const laterCalamities = [
  'kubelet away for long',
  'kubelet dead, node deleted',
  'spot node taken',
  'node added',
  'node scaled down',
  'quota for objects',
  'delete object of a study',
  'delete owner of a study',
] as const;
export type ClusterCalamity = (typeof clusterCalamities)[number] | (typeof laterCalamities)[number];

/** Share of lives in pods in which those come, and studies that follow the room of their cluster. */
const laterShare = 0.35;
/** One by which the seeds that were kept before draw none of it: they go on living as they did. */
const laterSalt = 0x15d76;

/** What a user does besides starting studies. */
export const deeds = ['pause', 'resume', 'scale', 'stopTrial', 'enqueue', 'retry', 'stop', 'delete'] as const;
export type Deed = (typeof deeds)[number];

/** What a program may do besides training to its end. */
export const manners = [
  'fails',
  'nan',
  'silent',
  'ends early',
  'hangs',
  'ignores TERM',
  'escapes',
  'escapes, ignores TERM',
  'kills itself',
  'floods',
] as const;
export type Manner = (typeof manners)[number];

/** Where the studies of a life run. */
export const simulatedExecutors = ['local', 'docker', 'kubernetes'] as const satisfies readonly ExecutorName[];
export type SimulatedExecutor = (typeof simulatedExecutors)[number];

/** One life of a machine, drawn from a seed. */
export interface Scenario {
  readonly seed: number;
  readonly executor: SimulatedExecutor;
  readonly studies: readonly { readonly studyId: string; readonly spec: StudySpec; readonly at: number }[];
  readonly agentsAtOnce: number;
  /** Until then things go wrong; afterwards what is left must come to its end. In ms. */
  readonly calmAt: number;
  /** Mean time between calamities and between deeds, in ms. */
  readonly calamityMs: number;
  readonly deedMs: number;
  readonly calamities: readonly (Calamity | EngineCalamity | ClusterCalamity)[];
  readonly deeds: readonly Deed[];
  /** Chance of a fault at each call over the seam, and at each named place. */
  readonly perCall: number;
  readonly perPlace: number;
  /** Chance of a fault at each request to the engine, or to the cluster. */
  readonly perRequest: number;
  /** How large the cluster is, and how soon its nodes let go of what was printed. */
  readonly cluster: { readonly nodes: number; readonly cpus: number; readonly logBytes: number | null };
  /** Chance that an attempt has one of the manners. */
  readonly ill: number;
  readonly manners: readonly Manner[];
  /** Time that a step of training takes at most, in ms. */
  readonly stepMs: number;
}

export function drawScenario(seed: number, executor: SimulatedExecutor): Scenario {
  const rng = createRng(seed, 0x5ce);
  // What was added later, so that a kept seed goes on drawing what it drew.
  const more = createRng(seed, 0x5cf);
  // The same life, in containers: what befalls those is drawn apart.
  const contained = createRng(seed, 0x5d0);
  const later = createRng(seed, laterSalt);
  const isLater = executor === 'kubernetes' && later.next() < laterShare;
  const nStudies = rng.next() < 0.2 ? 2 : 1;
  const drawn = drawLife({ rng, more, contained, seed, executor, nStudies });
  if (!isLater) return drawn;
  return {
    ...drawn,
    calamities: [...drawn.calamities, ...some(later, laterCalamities, 0.5)],
    studies: followingStudies(drawn.studies, later),
  };
}

/** Most of them follow the room of the cluster, with more trials than it has room for; where there was one there may be another. */
function followingStudies(studies: Scenario['studies'], rng: Rng): Scenario['studies'] {
  const [only, ...others] = studies;
  if (only === undefined) return [];
  const twin = { ...only, studyId: `s${studies.length}`, at: only.at + rng.int(3_000) };
  const all = others.length === 0 && rng.next() < 0.6 ? [only, twin] : studies;
  return all.map((study) => {
    const { cluster, search } = study.spec;
    if (cluster === undefined || rng.next() < 0.3) return study;
    const following = { search: { ...search, parallel: 2 + rng.int(3) }, cluster: { ...cluster, followsCapacity: true } };
    return { ...study, spec: { ...study.spec, ...following } };
  });
}

interface Draws {
  readonly rng: Rng;
  readonly more: Rng;
  readonly contained: Rng;
  readonly seed: number;
  readonly executor: SimulatedExecutor;
  readonly nStudies: number;
}

function drawLife({ rng, more, contained, seed, executor, nStudies }: Draws): Scenario {
  return {
    seed,
    executor,
    studies: Array.from({ length: nStudies }, (_, i) => ({
      studyId: `s${i}`,
      spec: inContainers(drawSpec(rng, more, i), executor),
      at: 10 + i * rng.int(3_000),
    })),
    agentsAtOnce: rng.next() < 0.2 ? 2 + rng.int(3) : 1,
    calmAt: 2_000 + rng.int(12_000),
    calamityMs: 800 + rng.int(6_000),
    deedMs: 1_000 + rng.int(10_000),
    calamities: [
      ...some(rng, calamities, 0.4),
      ...(executor === 'docker' ? some(contained, engineCalamities, 0.4) : []),
      ...(executor === 'kubernetes' ? some(contained, clusterCalamities, 0.4) : []),
    ],
    deeds: some(rng, deeds, 0.4),
    perCall: rng.next() < 0.4 ? 0 : [0.001, 0.004, 0.01][rng.int(3)]!,
    perPlace: rng.next() < 0.3 ? 0 : [0.01, 0.04, 0.1][rng.int(3)]!,
    ill: rng.next() < 0.4 ? 0 : 0.1 + 0.4 * rng.next(),
    manners: some(rng, manners, 0.5),
    stepMs: [20, 200, 1_500][rng.int(3)]!,
    perRequest: contained.next() < 0.3 ? 0 : [0.01, 0.04, 0.15][contained.int(3)]!,
    cluster: {
      nodes: 1 + contained.int(3),
      cpus: 1 + contained.int(4),
      logBytes: contained.next() < 0.8 ? null : 500 + contained.int(4_000),
    },
  };
}

function inContainers(study: StudySpec, executor: SimulatedExecutor): StudySpec {
  switch (executor) {
    case 'local':
      return study;
    case 'docker':
      return { ...study, executor, container: simulatedContainer };
    case 'kubernetes':
      return { ...study, executor, container: podContainer, cluster: simulatedClusterSettings };
    default:
      return unreachable(executor);
  }
}

const schedulers: readonly SchedulerName[] = ['auto', 'none', 'median', 'sha', 'hyperband', 'asha-stop', 'asha-promote', 'pbt'];

/** One that can begin: some schedulers need a fidelity or a checkpoint. */
function drawSpec(rng: Rng, more: Rng, index: number): StudySpec {
  for (;;) {
    const drawn = drawAnySpec(rng, more, index);
    try {
      createStudy({ seq: 1, studyId: 's', event: { type: 'studyCreated', at: 0, spec: drawn } });
      return drawn;
    } catch (error) {
      if (!(error instanceof HpoError)) throw error;
    }
  }
}

function drawAnySpec(rng: Rng, more: Rng, index: number): StudySpec {
  const hasFidelity = rng.next() < 0.45;
  const hasCheckpoint = rng.next() < (hasFidelity ? 0.5 : 0.25);
  const lr = parameter('lr', { type: 'float', low: 1e-4, high: 1, log: true, revlog: false, step: null }, 0.01);
  const trials = 2 + rng.int(5);
  return spec({
    name: `study${index}`,
    space: { parameters: [{ ...lr, sink: { type: 'env', name: 'LR' } }], where: [] },
    fidelity: hasFidelity ? { ...fidelity(1, [3, 4, 9][rng.int(3)]!), sink: { type: 'env', name: 'EPOCHS' } } : null,
    checkpoint: hasCheckpoint ? { dir: 'ckpt' } : null,
    search: {
      sampler: rng.next() < 0.85 ? 'random' : rng.next() < 0.5 ? 'qmc' : 'evolution',
      scheduler: hasFidelity ? schedulers[rng.int(schedulers.length)]! : rng.next() < 0.5 ? 'none' : 'median',
      seed: rng.int(1_000),
      parallel: 1 + rng.int(3),
      ...(more.next() < 0.15 ? { batch: 1 + more.int(4) } : {}),
    },
    ...(more.next() < 0.3 ? { retry: { error: 1, memory: 1, timeout: 1, lost: 1 + more.int(3), preempted: null } } : {}),
    budget: {
      trials,
      wallTimeMs: rng.next() < 0.1 ? 5_000 + rng.int(60_000) : null,
      resource: hasFidelity && rng.next() < 0.2 ? 5 + rng.int(30) : null,
    },
    limits: {
      // A program that hangs is ended by its deadline alone.
      timeoutMs: rng.next() < 0.5 ? 3_000 + rng.int(20_000) : null,
      graceMs: [0, 100, 1_000][rng.int(3)]!,
      outputBytes: 20_000,
    },
  });
}

function some<T>(rng: Rng, all: readonly T[], chance: number): readonly T[] {
  return all.filter(() => rng.next() < chance);
}
