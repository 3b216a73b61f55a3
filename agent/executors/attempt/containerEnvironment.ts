import type { ContainerSettings } from '../../protocol/study.ts';
import { places } from '../docker/places.ts';
import type { AttemptStart } from '../executor.ts';
import { outputFileNames } from './outputFile.ts';

/** The secrets that a study names, of those that the agent has. */
export function secretsOf(
  { secrets }: Pick<ContainerSettings, 'secrets'>,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    secrets.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Variables of a program in a container; the later ones win, and secrets stand between `usual` and what the trial says. */
export function containerEnvironment({ key, environment, cpus }: Pick<AttemptStart, 'key' | 'environment' | 'cpus'>): {
  readonly usual: Readonly<Record<string, string>>;
  readonly own: Readonly<Record<string, string>>;
} {
  return {
    usual: { PYTHONUNBUFFERED: '1', OMP_NUM_THREADS: String(Math.max(1, Math.floor(cpus))), HOME: places.home },
    own: {
      ...environment,
      HPO_STUDY: key.studyId,
      HPO_TRIAL: String(key.trial),
      HPO_ATTEMPT: String(key.attempt),
      HPO_CHECKPOINT_DIR: places.checkpoint,
      HPO_METRICS_FILE: `${places.attempt}/${outputFileNames.metrics}`,
    },
  };
}
