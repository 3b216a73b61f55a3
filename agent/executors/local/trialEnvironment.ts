import type { AttemptStart } from '../executor.ts';

/**
 * Variables of an attempt's program: the agent's own, the trial's, and where its things are.
 *
 * PYTHONUNBUFFERED makes printed metrics arrive when they are printed. PYTHONDONTWRITEBYTECODE is left alone: a virtual
 * environment whose packages were never compiled (uv makes such) would otherwise compile them anew in every trial,
 * which costs seconds with large frameworks. OMP_NUM_THREADS is what OpenBLAS, MKL and OpenMP programs read: without it
 * each of two trials on two processors starts two threads, and both get slower than one after the other.
 */
export function trialEnvironment(
  agent: Readonly<Record<string, string | undefined>>,
  attempt: Pick<AttemptStart, 'key' | 'environment' | 'cpus'>,
  checkpointDir: string,
  metricsFile: string,
): Record<string, string | undefined> {
  const inherited = Object.entries(agent).filter(([name]) => !isOfTheAgent(name));
  return {
    PYTHONUNBUFFERED: '1',
    OMP_NUM_THREADS: String(Math.max(1, Math.floor(attempt.cpus))),
    ...Object.fromEntries(inherited),
    ...attempt.environment,
    HPO_STUDY: attempt.key.studyId,
    HPO_TRIAL: String(attempt.key.trial),
    HPO_ATTEMPT: String(attempt.key.attempt),
    HPO_CHECKPOINT_DIR: checkpointDir,
    HPO_METRICS_FILE: metricsFile,
  };
}

/** What made the agent what it is (the editor's Node, an outer attempt) would make the program something else. */
function isOfTheAgent(name: string): boolean {
  return (
    name.startsWith('VSCODE_') ||
    name === 'ELECTRON_RUN_AS_NODE' ||
    name === 'HPO_ATTEMPT_KEY' ||
    name === 'HPO_PARAMS' ||
    name === 'HPO_RESOURCE'
  );
}
