import { describe, expect, it } from 'vitest';
import { failureText, runSeeds } from './agent/runSeeds.ts';
import { clusterCalamities, engineCalamities, laterCalamities } from './agent/scenario.ts';

/** Seeds that once failed, and the fault that they found. */
const kept: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 0, found: 'an append that failed and was recorded all the same left an attempt that never ended' },
  { seed: 17, found: 'an attempt that ran was recorded as lost, as the stored code could not be read at a restart' },
  { seed: 52, found: 'a start whose record could not be read was given up while its program began' },
  { seed: 61, found: 'a subscriber missed what was recorded by an append that failed' },
  { seed: 105, found: 'an attempt that had ended well was recorded as lost, as the study could not be made ready' },
  { seed: 127, found: 'half a number, cut off by a power cut, was told as a metric' },
  { seed: 210, found: 'files of a deleted study stayed when their removal failed once' },
  { seed: 310, found: 'a claim from before the clock was set back counted as a start in progress for a day' },
  { seed: 546, found: 'files of a study that was deleted after its end stayed when the agent died meanwhile' },
  { seed: 580, found: 'a trial waited for a day to be tried again after the clock was set back' },
  { seed: 628, found: 'a half-written record of a loss stayed when it could not be renamed' },
  { seed: 2971, found: 'a record of a good end outlived its output in a power cut, whose half a number was told' },
  { seed: 3211, found: 'half-written records of a killed shim stayed' },
  { seed: 30_387, found: 'an attempt that was not adopted yet reported as the journal was written again' },
  { seed: 5_000_351, found: 'a turn of another study, or a refused command, took away the alarm of a trial that waited' },
  { seed: 952365221, found: 'a study that was asked for twice at once kept everything else from being recorded' },
  { seed: 1008726, found: 'a back-off lasted for an hour, as a command was refused after the clock was set back' },
];

/** The same of lives whose attempts run in containers. */
const keptDocker: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 28, found: 'a program that was ended with its engine was blamed for it' },
  { seed: 61, found: 'a container stayed that was made late, by an engine that nobody waited for any more' },
  { seed: 567, found: 'a half-written record of a study stayed when the disk was full' },
  { seed: 2_001_411, found: 'a trial was tried again a minute late after the clock was set back by one' },
  { seed: 2_003_305, found: 'an attempt whose container was paused before its program began never ended' },
  { seed: 2_006_485, found: 'a retry that came with the end of an attempt was acknowledged and forgotten' },
  { seed: 2_001_705, found: 'a container stayed that a power cut had brought back without the record of its end' },
  { seed: 2_006_002, found: 'a container stayed that an engine made late, after its study had been cleaned up' },
  { seed: 2_008_926, found: 'a half-written record stayed of an attempt whose other records a power cut had taken' },
  { seed: 2_009_796, found: 'the folder of a deleted study stayed whose record could not be written' },
  { seed: 7_009_709, found: 'a half-written record of a study stayed when the engine was away at its end' },
];

/** The same of lives whose attempts run in pods of a cluster. */
const keptKubernetes: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 4_000_005, found: 'an attempt whose record of its Job a power cut had damaged was never adopted' },
  { seed: 4_000_027, found: 'nothing was adopted any more after a power cut had damaged the list of clusters' },
  { seed: 4_000_072, found: 'an attempt that had ended was never told, as its record could not be read once' },
  { seed: 4_000_104, found: 'a pod that its node ended was taken for a lost one, as its container ended a moment before' },
  { seed: 4_000_107, found: 'an attempt reported before it had started, by the last words of a pod whose log was gone' },
  { seed: 4_000_127, found: 'attempts that waited for their pods asked for each of them hundreds of times in a minute' },
  { seed: 4_000_053, found: 'a half-written record of a Job stayed' },
  { seed: 4_000_158, found: 'what owns a study stayed, as the cluster made it late, after the study was deleted' },
  { seed: 4_000_203, found: 'a pod was taken for one that was removed, as the list of pods was older than its Job' },
  { seed: 4_000_962, found: 'what a pod had printed was given up, as the connection to its log was dead' },
  { seed: 4_001_034, found: 'a program went on for a moment after the end of its attempt, as its shim was killed' },
  { seed: 4_001_395, found: 'a Job that a server made late began a program after its attempt had ended' },
  { seed: 4_000_644, found: 'a program ran twice, as its Job was removed before the agent had recorded that it was made' },
  { seed: 4_000_137, found: 'what a study had stayed, as the list of clusters was lost in a power cut' },
  { seed: 4_000_264, found: 'the folder of a deleted study stayed, as the disk was full when it was to be told how it runs' },
  { seed: 4_000_016, found: 'an attempt that had run ran again, as nobody could adopt it for a minute and its Job was removed' },
  { seed: 4_000_635, found: 'a second pod of a Job went on after the end of its attempt was told' },
  { seed: 4_000_930, found: 'a program that had come to its time limit counted as ended by what befell its pod later' },
  { seed: 4_001_130, found: 'what owns a study stayed, as the agent was killed when the study ended' },
  { seed: 4_001_211, found: 'files of a deleted study stayed, as a power cut had damaged what says how it runs' },
  { seed: 4_001_375, found: 'attempts on a node that was cut off asked for each of them hundreds of times in a minute' },
  { seed: 4_001_656, found: 'an attempt reported before it had started, as the disk was full when its program began' },
  { seed: 4_004_052, found: 'an attempt that had run ran again, as the stored code could not be read when it was adopted' },
  { seed: 4_000_188, found: 'a Job that had removed what a study kept stayed, as it ended after nobody waited for it any more' },
  { seed: 4_000_388, found: 'the same where its first pod was lost with its node' },
  { seed: 4_004_671, found: 'an attempt that had run ran again, as its Job was deleted while the server hung' },
];

/** As many threads as the smallest machine of the tests has. */
const threads = 2;

describe('the whole agent on a virtual machine', () => {
  it.each(kept)('seed $seed: $found', async ({ seed }) => {
    const { failures } = await runSeeds({ from: seed, seeds: 1, threads: 1, executor: 'local' });
    expect(failures.map(failureText)).toEqual([]);
  });

  it('keeps every promise in 10,000 lives', { timeout: 1_200_000 }, async () => {
    const summary = await runSeeds({ from: 1_000_000, seeds: 10_000, threads, executor: 'local' });
    expect(summary.failures.map(failureText)).toEqual([]);
    expect(summary.seeds).toBe(10_000);
    // A net that checks nothing finds nothing.
    for (const [invariant, count] of summary.checks) expect(count, invariant).toBeGreaterThan(10_000);
    expect(summary.checks.size).toBeGreaterThanOrEqual(10);
    for (const fault of ['kill agent', 'power cut', 'disk full', 'freeze agent, locks broken', 'kill after journal.append'])
      expect(summary.faults.get(fault), fault).toBeGreaterThan(100);
  });

  it.each(keptDocker)('in containers, seed $seed: $found', async ({ seed }) => {
    const { failures } = await runSeeds({ from: seed, seeds: 1, threads: 1, executor: 'docker' });
    expect(failures.map(failureText)).toEqual([]);
  });

  // 10,000 of them: node test/simulation/agent/runSeeds.ts --executor docker --from 2000000 --seeds 10000
  it('keeps every promise in 2,000 lives with attempts in containers', { timeout: 600_000 }, async () => {
    const summary = await runSeeds({ from: 2_000_000, seeds: 2_000, threads, executor: 'docker' });
    expect(summary.failures.map(failureText)).toEqual([]);
    expect(summary.seeds).toBe(2_000);
    for (const [invariant, count] of summary.checks) expect(count, invariant).toBeGreaterThan(2_000);
    expect(summary.checks.size).toBeGreaterThanOrEqual(10);
    const faults = [
      ...engineCalamities,
      'kill agent',
      'power cut',
      'no answer engine.create',
      'no answer, done engine.start',
      'broken off, done engine.remove',
      'slow engine.create',
      'refused engine.inspect',
      'kill after engine.create',
    ];
    for (const fault of faults) expect(summary.faults.get(fault), fault).toBeGreaterThan(10);
  });

  it.each(keptKubernetes)('in pods, seed $seed: $found', async ({ seed }) => {
    const { failures } = await runSeeds({ from: seed, seeds: 1, threads: 1, executor: 'kubernetes' });
    expect(failures.map(failureText)).toEqual([]);
  });

  // 10,000 of them: node test/simulation/agent/runSeeds.ts --executor kubernetes --from 4000000 --seeds 10000
  it('keeps every promise in 500 lives with attempts in pods', { timeout: 600_000 }, async () => {
    const summary = await runSeeds({ from: 4_000_000, seeds: 500, threads, executor: 'kubernetes' });
    expect(summary.failures.map(failureText)).toEqual([]);
    expect(summary.seeds).toBe(500);
    for (const [invariant, count] of summary.checks) expect(count, invariant).toBeGreaterThan(500);
    expect(summary.checks.size).toBeGreaterThanOrEqual(10);
    const faults = [
      ...clusterCalamities,
      ...laterCalamities,
      'kill agent',
      'power cut',
      'log rotated',
      'no answer cluster.create',
      'no answer, done cluster.create',
      'refused cluster.event',
      'no answer cluster.event',
      'slow cluster.event',
      'broken off, done cluster.event',
      'broken off, done cluster.logBytes',
      'no answer cluster.logBytes',
      'refused cluster.list',
      'slow cluster.get',
    ];
    for (const fault of faults) expect(summary.faults.get(fault), fault).toBeGreaterThan(0);
  });
});
